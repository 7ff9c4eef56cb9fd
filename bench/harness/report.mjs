// @ts-check
// The figures as text: a table for each case, the targets with pass or miss.

/** @typedef {import('./bench.mjs').Row} Row @typedef {import('./bench.mjs').Column} Column */
/** @typedef {{ title: string, columns: Column[], rows: Row[] }} Result */

/** @param {Result} result */
export function caseTable({ title, columns, rows }) {
  const first = columns[0]?.key ?? ''
  const measured = rows.filter(({ failed }) => !failed).toSorted((a, b) => a[first] - b[first])
  const head = ['', ...columns.map(({ heading }) => heading)]
  /** @param {Row} row */
  const cellsOf = (row) => [row.title, ...columns.map(({ key, digits }) => number(row[key], digits))]
  const failures = rows.filter(({ failed }) => failed).map((row) => `  ${row.title}: FAILED: ${row.failed}`)
  return [title, ...align([head, ...measured.map(cellsOf)]), ...failures, ''].join('\n')
}

/** @param {import('../targets.mjs').Outcome[]} outcomes */
export function targetTable(outcomes) {
  const cells = outcomes.map(({ words, goal, seen, value, met }) => [
    words,
    goal,
    seen.map((one) => number(one, 2)).join(', ') || '–',
    number(value, 2),
    met === undefined ? 'not measured' : met ? 'met' : 'MISSED',
  ])
  return ['Targets', ...align([['', 'goal', 'seen', 'worst', ''], ...cells]), ''].join('\n')
}

/** The first column to the left, the others to the right. @param {string[][]} cells */
function align(cells) {
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells.map((row) => {
    const aligned = row.map((cell, column) => {
      const width = widths[column] ?? 0
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return `  ${aligned.join('   ')}`.trimEnd()
  })
}

/** @param {unknown} value @param {number} digits */
export function number(value, digits) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return '–'
  return value
    .toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    .replaceAll(',', ' ')
}
