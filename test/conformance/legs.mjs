// @ts-check
// What is run, and the least that counts as passed: each leg once against the server itself, once through the gateway.

/**
 * @typedef {object} Leg
 * @property {string} name
 * @property {'server' | 'client'} side what the suite tests: servers with a client of its own, or the reverse
 * @property {string[][]} runs the arguments of each run of the suite
 * @property {{ scenarios: number, checks: number }} expected passed ones
 * @property {false} [compared] where the gateway answers for the server behind, which is asked less then
 * @property {boolean} [withEvents] whether it is run once more through a gateway with an event log
 */

const LOGINS = [
  'auth/scope-from-www-authenticate',
  'auth/scope-from-scopes-supported',
  'auth/scope-omitted-when-undefined',
  'auth/scope-step-up',
  'auth/scope-retry-limit',
]

/** @type {readonly Leg[]} */
export const LEGS = [
  {
    name: '2025-11-25, required',
    side: 'server',
    runs: [['--requirements', '2025-11-25']],
    expected: { scenarios: 33, checks: 84 },
    withEvents: true,
  },
  {
    name: '2025-06-18, all',
    side: 'server',
    runs: [['--suite', 'all', '--spec-version', '2025-06-18']],
    expected: { scenarios: 27, checks: 56 },
  },
  {
    name: '2026-07-28, all',
    side: 'server',
    runs: [['--suite', 'all', '--spec-version', '2026-07-28']],
    expected: { scenarios: 40, checks: 152 },
  },
  {
    // The 37 scenarios that are scored, and 13 that are not: 9 of them want the tasks extension, which is not served.
    name: '2026-07-28, required',
    side: 'server',
    runs: [['--requirements', '2026-07-28']],
    expected: { scenarios: 41, checks: 164 },
  },
  {
    name: '2025-11-25, clients',
    side: 'client',
    runs: clientRuns('2025-11-25', [
      'initialize',
      'tools_call',
      'elicitation-sep1034-client-defaults',
      'sse-retry',
      'json-schema-2020-12-preservation',
    ]),
    expected: { scenarios: 5, checks: 20 },
    withEvents: true,
  },
  {
    name: '2026-07-28, clients',
    side: 'client',
    runs: clientRuns('2026-07-28', [
      'tools_call',
      'request-metadata',
      'sep-2322-client-request-state',
      'http-standard-headers',
      'http-custom-headers',
      'http-invalid-tool-headers',
      'json-schema-ref-no-deref',
      'json-schema-2020-12-preservation',
    ]),
    expected: { scenarios: 8, checks: 62 },
  },
  // With the gateway as the resource server: its metadata, its challenges, its step-up. The other `auth/*` scenarios are about
  // authorization servers and clients alone, or check that `resource` is the URL of the suite's own server, where it is the
  // gateway's here: of `auth/metadata-*` that is the one check that fails, and all there is to `auth/resource-mismatch`.
  {
    name: '2025-11-25, logins',
    side: 'client',
    runs: clientRuns('2025-11-25', LOGINS),
    expected: { scenarios: 5, checks: 75 },
    compared: false,
  },
  {
    name: '2026-07-28, logins',
    side: 'client',
    runs: clientRuns('2026-07-28', LOGINS),
    expected: { scenarios: 5, checks: 75 },
    compared: false,
  },
]

/**
 * The suite runs a client's scenarios one by one, or all of them.
 * @param {string} version
 * @param {string[]} scenarios
 */
function clientRuns(version, scenarios) {
  return scenarios.map((scenario) => ['--scenario', scenario, '--spec-version', version])
}
