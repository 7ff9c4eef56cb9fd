// @ts-check
// What is wrong with a leg, line by line; nothing, when both columns are as the table says.

import { suiteOf } from './legs.mjs'
import { count, differences, failures } from './report.mjs'

/**
 * @typedef {import('./legs.mjs').Leg} Leg
 * @typedef {import('./suite.mjs').Outcome} Outcome
 */

/**
 * @param {Leg} leg
 * @param {Outcome} direct
 */
export function directFaults(leg, direct) {
  const short = shortfalls('direct', leg, direct)
  return [...short, ...(short.length > 0 ? failures(direct) : []), ...said(direct)]
}

/**
 * @param {Leg} leg
 * @param {Outcome} direct
 * @param {Outcome} gateway
 */
export function gatewayFaults(leg, direct, gateway) {
  const { compared, differences: known = [] } = leg
  const found = compared === false ? [] : differences(direct, gateway)
  return [
    // What is known to fail counts in neither the suite's verdict nor the least that must pass.
    ...(known.length === 0 ? shortfalls('through the gateway', leg, gateway) : []),
    ...found.filter(({ line }) => !known.includes(line)).map(({ line, why }) => (why ? `${line}\n      ${why}` : line)),
    ...known.filter((line) => !found.some((each) => each.line === line)).map((line) => `known, but gone: ${line}`),
    ...said(gateway),
  ]
}

/**
 * @param {string} column
 * @param {Leg} leg
 * @param {Outcome} outcome
 */
function shortfalls(column, leg, outcome) {
  const { expected } = suiteOf(leg)
  const { scenarios, checks } = count(outcome)
  const lines = []
  if (scenarios.passed < expected.scenarios) lines.push(`${column}: expected ${expected.scenarios} scenarios to pass`)
  if (checks.passed < expected.checks) lines.push(`${column}: expected ${expected.checks} checks to pass`)
  if (!outcome.ok) lines.push(`${column}: the suite says it failed`)
  return lines
}

/** @param {Outcome} outcome */
const said = ({ output }) => (output ? [output] : [])
