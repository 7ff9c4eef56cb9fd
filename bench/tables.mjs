// @ts-check
// node bench/tables.mjs FIGURES.json...: writes the figures into the marked places of README.md and docs/performance.md,
// and the README's chart. The first file is that of the Node that the tables are about.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { draw, relayedPerSecond } from './chart.mjs'
import { number } from './harness/report.mjs'

/** @typedef {import('./worst.mjs').Result} Result @typedef {import('./targets.mjs').Outcome} Outcome */
/** @typedef {{ date: string, machine: Record<string, any>, runs: number, cases: Result[], targets: Outcome[] }} Figures what run.mjs wrote */

const root = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** What stands in a marked place, by the first word of its mark. @type {Record<string, (all: Figures[], name: string) => string | undefined>} */
const BLOCKS = {
  about: ([first]) => first && about(first),
  case: ([first], name) => caseOf(first, name),
  cases: ([first], names) => first && cases(first, names.split(',')),
  nodes: (all, name) => nodes(all, name),
  targets: (all) => targets(all),
  calls: ([first]) => first && calls(first),
}

/** Where and when, in one sentence. @param {Figures} figures */
function about({ date, machine, runs }) {
  const many = runs === 1 ? 'one run' : `the worst of ${runs} runs`
  return `Measured on ${date}, Node ${machine['node']}, ${machine['cores']} cores of ${machine['cpu']}; ${many}.`
}

/** @param {Figures | undefined} figures @param {string} name */
function caseOf(figures, name) {
  const found = figures?.cases.find((one) => one.name === name)
  if (!found) return undefined
  const { columns, rows } = found
  const first = columns[0]?.key ?? ''
  const seen = rows.filter(({ failed }) => !failed).toSorted((a, b) => a[first] - b[first])
  const body = seen.map((row) => [titleOf(row)].concat(columns.map(({ key, digits }) => number(row[key], digits))))
  return table(['', ...columns.map(({ heading }) => heading)], body)
}

/** Several cases side by side: CPU and its ratio to the bare pipe. @param {Figures} figures @param {string[]} names */
function cases({ cases: all }, names) {
  const seen = names.flatMap((name) => all.filter((one) => one.name === name))
  if (seen.length === 0) return undefined
  const body = sideBySide(seen)
  return table(['CPU µs (÷ bare pipe)', ...seen.map(({ title, columns }) => `${title}, ${unitOf(columns)}`)], body)
}

/** A line for each proxy, with a cell for each of these. @param {{ rows: Result['rows'] }[]} seen */
function sideBySide(seen) {
  const titles = new Map(seen.flatMap(({ rows }) => rows.map((row) => [row.proxy, titleOf(row)])))
  const cellsOf = (/** @type {string} */ proxy) =>
    seen.map(({ rows }) => cpuAndRatio(rows.find((one) => one.proxy === proxy)))
  return Array.from(titles, ([proxy, title]) => [title].concat(cellsOf(proxy)))
}

/** What the first heading says behind "CPU µs": per call, per MB. @param {Result['columns']} columns */
function unitOf(columns) {
  return columns[0]?.heading.replace('CPU µs ', '') ?? ''
}

/** @param {Result['rows'][number] | undefined} row */
function cpuAndRatio(row) {
  return row && !row.failed ? `${number(row['cpu'], 1)} (${number(row['ratio'], 2)})` : '–'
}

/** A case on all Nodes: CPU and its ratio to the bare pipe. @param {Figures[]} all @param {string} name */
function nodes(all, name) {
  const seen = all.flatMap((figures) => {
    const rows = figures.cases.find((one) => one.name === name)?.rows
    return rows ? [{ node: figures.machine['node'], rows }] : []
  })
  if (seen.length === 0) return undefined
  const body = sideBySide(seen)
  return table(['CPU µs (÷ bare pipe)', ...seen.map(({ node }) => `Node ${node}`)], body)
}

/** Met or missed, on each Node: the worst of its runs. @param {Figures[]} all */
function targets(all) {
  const words = [...new Set(all.flatMap((figures) => figures.targets.map((target) => target.words)))]
  const body = words.flatMap((each) => {
    const seen = all.map((figures) => figures.targets.find((target) => target.words === each))
    const goals = [...new Set(seen.flatMap((one) => (one ? [one.goal] : [])))]
    const cells = seen.map((one) => {
      if (one?.value === undefined) return '–'
      return one.met ? number(one.value, 2) : `**${number(one.value, 2)}**`
    })
    return cells.every((cell) => cell === '–') ? [] : [[each, goals.join(' / '), ...cells]]
  })
  return table(['', 'Goal', ...all.map(({ machine }) => `Node ${machine['node']}`)], body)
}

/** What the README says of a call, with its chart, all from the same run. @param {Figures} figures */
function calls(figures) {
  const rows = figures.cases.find(({ name }) => name === 'calls-json')?.rows ?? []
  const own = rows.find(({ proxy }) => proxy === 'gateway-http')
  const sdks = rows.filter(({ proxy }) => proxy.startsWith('sdk-') || proxy === 'mcp-proxy')
  if (!own) return undefined
  const times = sdks.map(({ ratio }) => Math.floor(ratio / own['ratio']))
  const others =
    times.length === 0 ? '' : ` Relays made of the SDK's transports, and mcp-proxy, cost ${range(times)} times that.`
  const perSecond = relayedPerSecond(rows)
  const bars = rows
    .filter(({ failed, proxy }) => !failed && IN_WORDS.has(proxy))
    .toSorted((a, b) => a['ratio'] - b['ratio'])
    .map((row) => `${row.title} ${number(perSecond(row), 0)}`)
  const chart = `![Calls relayed per second of CPU, as bars: ${bars.join(', ')}](docs/bench.svg)`
  return `${chart}\n\nA call costs ${number(own['ratio'], 2)} of what it costs a bare \`node:http\` pipe that checks nothing.${others} ${about(figures)}`
}

/** The bars that the text in place of the picture says. */
const IN_WORDS = new Set(['nginx', 'pipe', 'gateway-http', 'gateway-express5-fast', 'sdk-v2', 'mcp-proxy'])

/** @param {number[]} values */
function range(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  return low === high ? String(low) : `${low} to ${high}`
}

/** @param {{ proxy: string, title: string }} row */
function titleOf({ proxy, title }) {
  return proxy.startsWith('gateway-') ? `**${title}**` : title
}

/** @param {string[]} head @param {string[][]} body */
function table(head, body) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...body.map(line)].join('\n')
}

/** What has no figures stays as it is. @param {string} path @param {Figures[]} all */
function fill(path, all) {
  const text = readFileSync(root(path), 'utf8')
  const mark = /(<!-- bench (\w+) ?([\w,-]*) -->\n)(?:[^]*?\n)??(<!-- \/bench -->)/g
  const filled = text.replaceAll(mark, (old, begin, kind, name, end) => {
    const block = BLOCKS[kind]
    if (!block)
      throw new TypeError(`${path}: there is no block "${kind}"; there are: ${Object.keys(BLOCKS).join(', ')}`)
    const made = block(all, name)
    return made === undefined ? old : `${begin}\n${made}\n\n${end}`
  })
  writeFileSync(root(path), filled)
}

const files = process.argv.slice(2)
if (files.length === 0) {
  console.error('node bench/tables.mjs FIGURES.json...: the file of the Node that the tables are about comes first')
  process.exitCode = 1
} else {
  /** @type {Figures[]} */
  const all = files.map((file) => JSON.parse(readFileSync(file, 'utf8')))
  for (const path of ['README.md', 'docs/performance.md']) fill(path, all)
  if (all[0]?.cases.some(({ name }) => name === 'calls-json'))
    writeFileSync(root('docs/bench.svg'), `${draw(all[0])}\n`)
}
