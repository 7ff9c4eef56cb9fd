// @ts-check
// npm run bench: measures the gateway beside its peers, prints tables and targets. See README.md.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { CASES } from './cases.mjs'
import { Bench } from './harness/bench.mjs'
import { USAGE, checkNames, readFlags } from './harness/flags.mjs'
import { PROXIES } from './harness/fleet.mjs'
import { caseTable, targetTable } from './harness/report.mjs'
import { judge, measuredForTargets } from './targets.mjs'
import { worstRuns } from './worst.mjs'

/** @typedef {import('./harness/flags.mjs').Flags} Flags @typedef {import('./worst.mjs').Result} Result */

/** The cases to run, each with the proxies to measure: the bare pipe first where all are compared with it. @param {Flags} flags */
function plan({ quick, targets, only, proxies }) {
  const needed = targets ? measuredForTargets() : undefined
  /** @param {import('./harness/bench.mjs').Case} one */
  const isChosen = ({ name, quick: few }) =>
    only?.includes(name) ?? ((needed?.has(name) ?? true) && (!quick || few !== undefined))
  return CASES.filter(isChosen).map((one) => {
    const few = needed?.get(one.name) ?? (quick && one.quick ? one.quick : one.proxies)
    const names = proxies ?? few
    return { one, names: one.comparesWithItself ? names : [...new Set(['pipe', ...names])] }
  })
}

/** @param {string} node */
function machine(node) {
  const [cpu] = os.cpus()
  const gib = Math.round(os.totalmem() / 2 ** 30)
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memory: `${gib} GiB`,
    os: os.type(),
    node: execFileSync(node, ['--version'], { encoding: 'utf8' }).trim(),
  }
}

/** Where the run is, on one line of a terminal that is overwritten. @param {string} line */
function progress(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}

/** One run of all cases, in processes of its own. @param {Flags} flags */
async function run(flags) {
  const bench = await Bench.start(flags)
  /** @type {Result[]} */
  const results = []
  try {
    for (const { one, names } of plan(flags)) {
      const { name } = one
      const { title, columns } = one.describe(flags.quick)
      bench.progress = (line) => progress(`${name}: ${line}`)
      const rows = await one.run(bench, names)
      results.push({ name, title, columns, rows })
      progress('')
      console.log(caseTable({ title, columns, rows }))
    }
  } finally {
    await bench.end()
  }
  const { absent, faulty } = bench.fleet
  return { results, pace: bench.pace, absent: Object.fromEntries(absent), faulty }
}

/** @param {Flags} flags */
async function main(flags) {
  const begin = performance.now()
  const runs = []
  for (let at = 1; at <= flags.runs; at++) {
    if (flags.runs > 1) console.log(`Run ${at} of ${flags.runs}\n`)
    runs.push(await run(flags))
  }
  const all = runs.map(({ results }) => results)
  const here = machine(flags.node ?? process.execPath)
  const targets = judge(all, here.node)
  console.log(targetTable(targets))
  const absent = Object.assign({}, ...runs.map((one) => one.absent))
  for (const [name, why] of Object.entries(absent)) console.log(`NOT MEASURED: ${name}: ${why}`)
  console.log(`${Math.round((performance.now() - begin) / 1000)} s, ${Object.values(here).join(', ')}`)
  const figures = {
    date: new Date().toISOString().slice(0, 10),
    machine: here,
    pace: runs[0]?.pace,
    runs: flags.runs,
    cases: worstRuns(all),
    targets,
    absent,
  }
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(withEarlier(figures, flags), undefined, 2)}\n`)
  // A missed target is a result; a proxy that failed is a fault.
  const isFaulty = all.flat().some(({ rows }) => rows.some(({ failed }) => failed))
  if (isFaulty || runs.some(({ faulty }) => faulty.size > 0)) process.exitCode = 1
}

/**
 * Where only some cases were measured, the rest of the file stays as it is.
 * @template {{ cases: { name: string }[], targets: { words: string, seen: number[] }[] }} F
 * @param {F} figures @param {Flags} flags @returns {F}
 */
function withEarlier(figures, { json, only }) {
  if (!only || !json || !existsSync(json)) return figures
  /** @type {F} */
  const earlier = JSON.parse(readFileSync(json, 'utf8'))
  const now = new Map(figures.cases.map((each) => [each.name, each]))
  const added = figures.cases.filter(({ name }) => earlier.cases.every((each) => each.name !== name))
  const before = new Map(earlier.targets.map((target) => [target.words, target]))
  return {
    ...figures,
    cases: [...earlier.cases.map((each) => now.get(each.name) ?? each), ...added],
    targets: figures.targets.map((target) => (target.seen.length > 0 ? target : (before.get(target.words) ?? target))),
  }
}

try {
  const flags = readFlags(process.argv.slice(2))
  const names = CASES.map(({ name }) => name)
  checkNames(flags.only, names, 'case')
  checkNames(flags.proxies, PROXIES, 'proxy')
  if (flags.list) console.log(`cases: ${names.join(', ')}\nproxies: ${PROXIES.join(', ')}`)
  else await main(flags)
} catch (error) {
  console.error(error instanceof TypeError ? `${error.message}\n\n${USAGE}` : error)
  process.exitCode = 1
}
