// @ts-check
// The README's bar chart, in the reader's colours, light or dark: tables.mjs draws it.

const CASE = 'calls-json'
const WIDTH = 760
const TOP = 62
const ROW = 26
const BAR = 16
const LABELS = 290
const VALUES = 70

const STYLE = `
    text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
    .head { font-size: 15px; font-weight: 600 }
    .note { font-size: 12px; fill: #59636e }
    .own { font-weight: 600 }
    rect { fill: #afb8c1 }
    rect.own { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .note { fill: #9198a1 }
      rect { fill: #4c545e }
      rect.own { fill: #4493f8 }
    }`

/** @param {string} text */
function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** @param {number} value */
function thousands(value) {
  return Math.round(value).toLocaleString('en').replaceAll(',', ' ')
}

/** @param {{ title: string, own: boolean, value: number }} bar @param {number} row @param {number} longest */
function drawBar({ title, own, value }, row, longest) {
  const top = TOP + row * ROW
  const width = Math.max(1, ((WIDTH - LABELS - VALUES) * value) / longest).toFixed(1)
  const style = own ? ' class="own"' : ''
  const middle = top + BAR / 2 + 4.5
  return `
  <text${style} x="${LABELS - 8}" y="${middle}" text-anchor="end">${escape(title)}</text>
  <rect${style} x="${LABELS}" y="${top}" width="${width}" height="${BAR}" rx="2"/>
  <text${style} x="${(LABELS + Number(width) + 6).toFixed(1)}" y="${middle}">${thousands(value)}</text>`
}

/**
 * Calls relayed per second of CPU: the bare pipe's, divided by the ratio to it, which is of paired rounds. What rounds cost
 * by themselves depends on when they ran.
 * @param {any[]} rows @returns {(row: any) => number}
 */
export function relayedPerSecond(rows) {
  const pipe = rows.find(({ proxy }) => proxy === 'pipe')
  return ({ ratio }) => 1e6 / (pipe.cpu * ratio)
}

/** @param {any} figures what run.mjs wrote */
export function draw({ date, machine, cases }) {
  const rows = cases.find((/** @type {any} */ { name }) => name === CASE)?.rows ?? []
  const perSecond = relayedPerSecond(rows)
  /** @type {{ title: string, own: boolean, value: number }[]} */
  const bars = rows
    .filter((/** @type {any} */ { failed }) => !failed)
    .map((/** @type {any} */ row) => ({
      title: row.title,
      own: row.proxy.startsWith('gateway-'),
      value: perSecond(row),
    }))
    .toSorted((/** @type {any} */ a, /** @type {any} */ b) => b.value - a.value)
  if (bars.length === 0) throw new Error(`the file has no figures of the case "${CASE}"`)
  const longest = Math.max(...bars.map(({ value }) => value))
  const height = TOP + bars.length * ROW + 6
  const head = 'tools/call relayed per second of CPU'
  const where = `16 connections, a session each. ${date}, ${machine.cores} cores of ${machine.cpu}, ${machine.os}, Node ${machine.node}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${head}">
  <style>${STYLE}
  </style>
  <text class="head" x="8" y="20">${head}: longer is better</text>
  <text class="note" x="8" y="40">${escape(where)}</text>${bars.map((bar, row) => drawBar(bar, row, longest)).join('')}
</svg>`
}
