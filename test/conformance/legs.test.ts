// The table of conformance legs is sound, and what it knows to differ must go on to differ: without the suite itself.
import { type Leg, LEGS, nameOf, suiteOf } from './legs.mjs'
import { isPipeName } from './servers.mjs'
import type { Outcome } from './suite.mjs'
import { directFaults, gatewayFaults } from './verdict.mjs'

const LEG: Leg = { revision: '2025-06-18', suite: 'all', server: 'dual-era', gateway: 'plain' }
const DIFFERENCE = 'ping / a / A: direct SUCCESS, gateway FAILURE'

/** As many scenarios and checks as the leg expects; of the scenario `ping` the one check has this status. */
function outcome(status: string, { ok = true, output = '' } = {}): Outcome {
  const { scenarios, checks } = suiteOf(LEG).expected
  const passed = { id: 'b', name: 'B', status: 'SUCCESS' }
  const found: Outcome['scenarios'] = new Map([['ping', [{ id: 'a', name: 'A', status }]]])
  for (let index = 2; index < scenarios; index += 1) found.set(`scenario ${index}`, [passed])
  const rest = Array.from({ length: checks - found.size }, () => passed)
  found.set('the rest', rest)
  return { ok, output, scenarios: found }
}

test('each leg has a name of its own and a suite', () => {
  expect(new Set(LEGS.map(nameOf)).size).toBe(LEGS.length)
  for (const leg of LEGS) expect(suiteOf(leg).runs).not.toHaveLength(0)
  expect(() => suiteOf({ ...LEG, revision: '2024-11-05' })).toThrow('The suite "all" is not run in revision 2024-11-05')
})

test('a server without a URL is compared with one that has one, in every revision and in every run', () => {
  const onPipes = LEGS.filter(({ server }) => isPipeName(server))
  expect(onPipes.filter(({ direct }) => direct === undefined)).toEqual([])
  const usual = onPipes.filter(({ byHand }) => !byHand).map(({ server, revision }) => `${server}, ${revision}`)
  const revisions = ['2025-06-18', '2025-11-25', '2026-07-28']
  const expected = ['in process', 'stdio'].flatMap((server) => revisions.map((revision) => `${server}, ${revision}`))
  expect([...new Set(usual)].toSorted()).toEqual(expected)
})

test('what is usual is not part of a name', () => {
  expect(nameOf(LEG)).toBe('2025-06-18, all')
  expect(nameOf({ ...LEG, gateway: 'event log' })).toBe('2025-06-18, all, event log')
})

test('equal columns that pass are no fault', () => {
  expect(directFaults(LEG, outcome('SUCCESS'))).toEqual([])
  expect(gatewayFaults(LEG, outcome('SUCCESS'), outcome('SUCCESS'))).toEqual([])
})

test('a direct column that falls short says which checks failed, and what the suite said', () => {
  expect(directFaults(LEG, outcome('FAILURE', { ok: false, output: 'oh' }))).toEqual([
    'direct: expected 27 scenarios to pass',
    'direct: expected 56 checks to pass',
    'direct: the suite says it failed',
    'ping / a / A: FAILURE ',
    'oh',
  ])
})

test('a check that differs is a fault, unless it is known', () => {
  const failed = outcome('FAILURE', { ok: false })
  expect(gatewayFaults(LEG, outcome('SUCCESS'), failed)).toContain(DIFFERENCE)
  expect(gatewayFaults({ ...LEG, differences: [DIFFERENCE] }, outcome('SUCCESS'), failed)).toEqual([])
})

test('a known difference that is gone is a fault', () => {
  const leg = { ...LEG, differences: [DIFFERENCE] }
  expect(gatewayFaults(leg, outcome('SUCCESS'), outcome('SUCCESS'))).toEqual([`known, but gone: ${DIFFERENCE}`])
})

test('columns that are not compared must still pass', () => {
  const leg = { ...LEG, compared: false } as const
  expect(gatewayFaults(leg, outcome('SKIPPED'), outcome('SUCCESS'))).toEqual([])
  expect(gatewayFaults(leg, outcome('SUCCESS'), outcome('FAILURE'))).toHaveLength(2)
})
