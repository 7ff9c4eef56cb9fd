// @ts-check
// `npm run conformance`: the public MCP conformance suite, directly against a server and through the gateway, leg by leg.
// Both columns must be the same, check by check, and neither may fall below what legs.mjs expects.
//
//   --only NAME  one leg, by the name that its row begins with; may be said several times
//   --all        the legs, too, that take too long for every run
//   --direct     only the direct column
//   --out DIR    keep what the suite wrote

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AUTHORIZATION, runAuthorization } from './authorization.mjs'
import { Columns } from './columns.mjs'
import { Lanes } from './lanes.mjs'
import { LEGS, nameOf } from './legs.mjs'
import { count, failures, formatRow } from './report.mjs'
import { findSuiteNode } from './suite.mjs'
import { directFaults, gatewayFaults } from './verdict.mjs'

/** @typedef {import('./legs.mjs').Leg} Leg */

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    all: { type: 'boolean', default: false },
    direct: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})

async function main() {
  const usual = LEGS.filter(({ byHand }) => options.all || !byHand)
  const only = options.only && [...new Set(options.only)]
  const legs = only ? only.filter((name) => name !== AUTHORIZATION.name).map(legOf) : usual
  const asksLogin = only ? only.includes(AUTHORIZATION.name) : true
  const node = findSuiteNode()
  const directory = options.out ?? (await mkdtemp(join(tmpdir(), 'mcp-conformance-')))
  const lanes = new Lanes()
  try {
    const faults = await runLegs(legs, new Columns(node, directory, lanes))
    return asksLogin ? faults + (await runLogin(node, directory)) : faults
  } finally {
    await lanes.close()
    if (options.out === undefined) await rm(directory, { recursive: true })
  }
}

/** agentLogin() has one column: there is nothing behind it to compare it with. @param {string} node @param {string} directory */
async function runLogin(node, directory) {
  const outcome = await runAuthorization(node, directory)
  const { scenarios, checks } = count(outcome)
  console.log(formatRow({ name: AUTHORIZATION.name, direct: '', gateway: count(outcome) }))
  const isRight = scenarios.passed === AUTHORIZATION.scenarios && checks.passed === AUTHORIZATION.checks && outcome.ok
  const lines = isRight
    ? []
    : ['not all of it passed', ...failures(outcome), ...(outcome.output ? [outcome.output] : [])]
  for (const line of lines) console.log(`    ${line}`)
  return lines.length
}

/** @param {string} name */
function legOf(name) {
  const found = LEGS.find((leg) => nameOf(leg) === name)
  if (found) return found
  const names = [...LEGS.map(nameOf), AUTHORIZATION.name]
  throw new Error(`No such leg: ${name}. There are:\n${names.map((each) => `  ${each}`).join('\n')}`)
}

/**
 * The lanes let two run at once; rows are printed in the order of the table.
 * @param {readonly Leg[]} legs
 * @param {Columns} columns
 * @returns {Promise<number>} how many faults were found and printed
 */
async function runLegs(legs, columns) {
  console.log(formatRow({ name: '', direct: 'direct', gateway: options.direct ? '' : 'through the gateway' }))
  const running = legs.map((leg) =>
    Promise.all([columns.direct(leg), options.direct ? undefined : columns.through(leg)]),
  )
  // One that breaks off must not leave the others without their servers.
  const settled = Promise.allSettled(running)
  let faults = 0
  const told = new Set()
  try {
    for (const [index, leg] of legs.entries()) {
      const [direct, gateway] = /** @type {Awaited<typeof running[number]>} */ (await running[index])
      const lines = told.has(direct) ? [] : directFaults(leg, direct)
      told.add(direct)
      if (gateway) lines.push(...gatewayFaults(leg, direct, gateway))
      console.log(formatRow({ name: nameOf(leg), direct: count(direct), gateway: gateway ? count(gateway) : '' }))
      for (const line of lines) console.log(`    ${line}`)
      faults += lines.length
    }
  } finally {
    await settled
  }
  return faults
}

const faults = await main()
console.log(faults === 0 ? '\nAs expected.' : `\nNot as expected: ${faults} lines above.`)
process.exitCode = faults === 0 ? 0 : 1
