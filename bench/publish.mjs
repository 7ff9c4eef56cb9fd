// @ts-check
// node bench/publish.mjs [--node PATH]... [--runs N] [--full] [--only CASE,...]: measures what the targets are made of
// on this Node and on each that is named, three runs each, keeps the figures in bench/figures/ and writes them into README.md and docs/performance.md.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url))

const { values } = parseArgs({
  options: {
    node: { type: 'string', multiple: true, default: [] },
    runs: { type: 'string', default: '3' },
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
})

/** @param {string} node @param {string[]} only @returns {string} the file of the figures */
function measure(node, only) {
  const major = execFileSync(node, ['--version'], { encoding: 'utf8' }).split('.')[0]?.slice(1)
  const file = here(`figures/node-${major}.json`)
  const chosen = only.length === 0 ? [] : ['--only', only.join(',')]
  const pace = values.full ? [] : [node === process.execPath ? '--targets' : '--brief']
  const args = [here('run.mjs'), ...pace, '--runs', values.runs, '--node', node, '--json', file, ...chosen]
  console.log(`\nNode ${node}: ${args.slice(1).join(' ')}\n`)
  // A proxy that failed is shown as failed; the others have their figures.
  const { error } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (error) throw error
  return file
}

mkdirSync(here('figures'), { recursive: true })
const only = values.only?.split(',') ?? []
const files = [process.execPath, ...values.node].map((node) => measure(node, only))
spawnSync(process.execPath, [here('tables.mjs'), ...files], { stdio: 'inherit' })
