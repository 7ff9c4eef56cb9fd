// @ts-check
// Counts checks, finds those that differ between two columns, and prints both side by side.

/**
 * @typedef {import('./suite.mjs').Outcome} Outcome
 * @typedef {{ scenarios: { passed: number, total: number }, checks: { passed: number, failed: number } }} Totals
 */

/**
 * @param {Outcome} outcome
 * @returns {Totals}
 */
export function count({ scenarios }) {
  const totals = { scenarios: { passed: 0, total: scenarios.size }, checks: { passed: 0, failed: 0 } }
  for (const checks of scenarios.values()) {
    const failed = checks.filter(({ status }) => status === 'FAILURE').length
    totals.checks.failed += failed
    totals.checks.passed += checks.filter(({ status }) => status === 'SUCCESS').length
    if (failed === 0) totals.scenarios.passed += 1
  }
  return totals
}

/**
 * @param {Outcome} direct
 * @param {Outcome} gateway
 * @returns {{ line: string, why: string | undefined }[]} a line for each check whose status differs, and what the suite says of it
 */
export function differences(direct, gateway) {
  const left = byCheck(direct)
  const right = byCheck(gateway)
  const found = []
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    const before = left.get(key)?.statuses.join(' ') ?? 'absent'
    const after = right.get(key)?.statuses.join(' ') ?? 'absent'
    if (before === after) continue
    const why = [...(right.get(key)?.errors ?? []), ...(left.get(key)?.errors ?? [])][0]
    found.push({ line: `${key}: direct ${before}, gateway ${after}`, why })
  }
  return found
}

/**
 * @param {Outcome} outcome
 * @returns {string[]} a line for each check that failed
 */
export function failures(outcome) {
  return [...byCheck(outcome)]
    .filter(([, { statuses }]) => statuses.includes('FAILURE') || statuses.includes('WARNING'))
    .map(([key, { statuses, errors }]) => `${key}: ${statuses.join(' ')} ${errors[0] ?? ''}`)
}

/**
 * A check may be made several times in a scenario, in any order; remarks (INFO) are not checks.
 * @param {Outcome} outcome
 */
function byCheck({ scenarios }) {
  /** @type {Map<string, { statuses: string[], errors: string[] }>} */
  const checks = new Map()
  for (const [scenario, list] of scenarios) {
    for (const { id, name, status, errorMessage } of list) {
      if (status === 'INFO') continue
      const key = `${scenario} / ${id} / ${name}`
      const entry = checks.get(key) ?? { statuses: [], errors: [] }
      entry.statuses.push(status)
      entry.statuses.sort()
      if (errorMessage) entry.errors.push(errorMessage)
      checks.set(key, entry)
    }
  }
  return checks
}

/** @param {{ direct: Totals | string, gateway: Totals | string, name: string }} row */
export const formatRow = ({ name, direct, gateway }) => `${name.padEnd(48)}${cell(direct)}${cell(gateway)}`.trimEnd()

const WIDTH = 48

/** @param {Totals | string} totals */
function cell(totals) {
  if (typeof totals === 'string') return totals.padEnd(WIDTH)
  const { scenarios, checks } = totals
  const line = `${scenarios.passed}/${scenarios.total} scenarios, ${checks.passed} checks passed, ${checks.failed} failed`
  return line.padEnd(WIDTH)
}
