// @ts-check
// npm run bench: measures the gateway beside its peers, prints tables and targets. See README.md.
import { writeFileSync } from 'node:fs'
import os from 'node:os'
import { CASES } from './cases.mjs'
import { Bench } from './harness/bench.mjs'
import { USAGE, checkNames, readFlags } from './harness/flags.mjs'
import { PROXIES } from './harness/fleet.mjs'
import { caseTable, targetTable } from './harness/report.mjs'
import { judge } from './targets.mjs'

/** @typedef {import('./harness/flags.mjs').Flags} Flags */

/** The cases to run, each with the proxies to measure: the bare pipe first where all are compared with it. @param {Flags} flags */
function plan({ quick, only, proxies }) {
  const chosen = only ? CASES.filter(({ name }) => only.includes(name)) : CASES.filter((one) => !quick || one.quick)
  return chosen.map((one) => {
    const names = proxies ?? (quick && one.quick ? one.quick : one.proxies)
    return { one, names: one.comparesWithItself ? names : [...new Set(['pipe', ...names])] }
  })
}

function machine() {
  const [cpu] = os.cpus()
  const gib = Math.round(os.totalmem() / 2 ** 30)
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memory: `${gib} GiB`,
    os: os.type(),
    node: process.version,
  }
}

/** Where the run is, on one line of a terminal that is overwritten. @param {string} line */
function progress(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}

/** @param {Flags} flags */
async function run(flags) {
  const bench = await Bench.start(flags)
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
  const { results, pace, absent, faulty } = await run(flags)
  const targets = judge(results)
  console.log(targetTable(targets))
  for (const [name, why] of Object.entries(absent)) console.log(`NOT MEASURED: ${name}: ${why}`)
  console.log(`${Math.round((performance.now() - begin) / 1000)} s, ${Object.values(machine()).join(', ')}`)
  const figures = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    pace,
    cases: results,
    targets,
    absent,
  }
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(figures, undefined, 2)}\n`)
  // A missed target is a result; a proxy that failed is a fault.
  if (faulty.size > 0 || results.some(({ rows }) => rows.some(({ failed }) => failed))) process.exitCode = 1
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
