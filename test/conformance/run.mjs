// @ts-check
// `npm run conformance`: the public MCP conformance suite, directly against our fixture server and through the gateway.
// Both columns must be the same, check by check, and neither may fall below what legs.mjs expects.
//
//   --direct   only the direct column          --out DIR  keep what the suite wrote

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { startGateway } from './gateway.mjs'
import { LEGS } from './legs.mjs'
import { count, differences, failures, formatRow } from './report.mjs'
import { findSuiteNode, runSuite } from './suite.mjs'

/**
 * @typedef {import('./legs.mjs').Leg} Leg
 * @typedef {import('./suite.mjs').Outcome} Outcome
 * @typedef {'direct' | 'gateway' | 'events'} Column `events`: through a gateway with an event log
 * @typedef {{ node: string, urls: Record<Column, string>, directory: string }} Context
 */

const HERE = import.meta.dirname

const { values: options } = parseArgs({
  options: {
    direct: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})

async function main() {
  const node = findSuiteNode()
  const directory = options.out ?? (await mkdtemp(join(tmpdir(), 'mcp-conformance-')))
  const fixture = await startFixture()
  try {
    const gateways = options.direct
      ? []
      : await Promise.all([startGateway(fixture.url), startGateway(fixture.url, { withEvents: true })])
    try {
      const [gateway = '', events = ''] = gateways.map(({ url }) => url)
      return await runLegs({ node, directory, urls: { direct: fixture.url, gateway, events } })
    } finally {
      await Promise.all(gateways.map((gateway) => gateway.close()))
    }
  } finally {
    await fixture.close()
    if (options.out === undefined) await rm(directory, { recursive: true })
  }
}

/**
 * @param {Context} context
 * @returns {Promise<number>} how many faults were found and printed
 */
async function runLegs(context) {
  console.log(formatRow({ name: '', direct: 'direct', gateway: options.direct ? '' : 'through the gateway' }))
  let faults = 0
  for (const leg of LEGS) faults += await runLeg(leg, context)
  return faults
}

/**
 * @param {Leg} leg
 * @param {Context} context
 * @returns {Promise<number>} how many faults were found and printed
 */
async function runLeg(leg, context) {
  const direct = await runColumn(leg, 'direct', context)
  const totals = count(direct)
  const lines = shortfalls('direct', leg, totals, direct)
  if (options.direct) return print({ name: leg.name, direct: totals, gateway: '' }, lines)
  const faults = await runThrough('gateway', leg, direct, lines, context)
  return leg.withEvents ? faults + (await runThrough('events', leg, direct, [], context)) : faults
}

/**
 * @param {'gateway' | 'events'} column
 * @param {Leg} leg
 * @param {Outcome} direct
 * @param {string[]} before what is to be said of the direct column
 * @param {Context} context
 */
async function runThrough(column, leg, direct, before, context) {
  const gateway = await runColumn(leg, column, context)
  const totals = count(gateway)
  const lines = [
    ...before,
    ...shortfalls('through the gateway', leg, totals, gateway),
    ...(leg.compared === false ? [] : differences(direct, gateway)),
  ]
  const name = column === 'events' ? '  with an event log' : leg.name
  return print({ name, direct: column === 'events' ? '' : count(direct), gateway: totals }, lines)
}

/**
 * @param {Parameters<typeof formatRow>[0]} row
 * @param {string[]} lines faults
 */
function print(row, lines) {
  console.log(formatRow(row))
  for (const line of lines) console.log(`    ${line}`)
  return lines.length
}

/**
 * @param {string} column
 * @param {Leg} leg
 * @param {import('./report.mjs').Totals} totals
 * @param {Outcome} outcome
 */
function shortfalls(column, { expected }, { scenarios, checks }, outcome) {
  const lines = []
  if (scenarios.passed < expected.scenarios) lines.push(`${column}: expected ${expected.scenarios} scenarios to pass`)
  if (checks.passed < expected.checks) lines.push(`${column}: expected ${expected.checks} checks to pass`)
  if (!outcome.ok) lines.push(`${column}: the suite says it failed`)
  if (lines.length > 0 && column === 'direct') lines.push(...failures(outcome))
  if (outcome.output) lines.push(outcome.output)
  return lines
}

/**
 * @param {Leg} leg
 * @param {Column} column
 * @param {Context} context
 * @returns {Promise<Outcome>} of all runs of the leg together
 */
async function runColumn({ name, side, runs }, column, { node, urls, directory }) {
  const program = join(HERE, column === 'direct' ? 'client.mjs' : 'client-through-gateway.mjs')
  const command = `"${process.execPath}" "${program}"${column === 'events' ? ' --events' : ''}`
  const target = side === 'server' ? ['--url', urls[column]] : ['--command', command]

  /** @type {Outcome} */
  const all = { ok: true, output: '', scenarios: new Map() }
  for (const [index, run] of runs.entries()) {
    const runDirectory = join(directory, column, `${name.replaceAll(/\W+/g, '-')}-${index}`)
    const { ok, output, scenarios } = await runSuite(node, [side, ...target, ...run], runDirectory)
    all.ok &&= ok
    all.output += output
    for (const [scenario, checks] of scenarios) all.scenarios.set(scenario, checks)
  }
  return all
}

/** The fixture has a process of its own, as a server behind a gateway has. */
async function startFixture() {
  const program = join(HERE, '../fixtures/dual-era-server.mjs')
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const lines = createInterface({ input: child.stdout })
  const [url] = await Promise.race([
    once(lines, 'line'),
    closed.then(() => Promise.reject(new Error('The fixture server did not start'))),
  ])
  return {
    url: String(url),
    async close() {
      child.kill()
      await closed
    },
  }
}

const faults = await main()
console.log(faults === 0 ? '\nAs expected.' : `\nNot as expected: ${faults} lines above.`)
process.exitCode = faults === 0 ? 0 : 1
