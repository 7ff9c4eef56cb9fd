// @ts-check
// What is run, as data: the parts of the public suite, and the legs, each a part of it through one kind of gateway.

/**
 * @typedef {object} Leg
 * @property {string} revision
 * @property {keyof typeof SUITES} suite
 * @property {import('./servers.mjs').ServerName | import('./servers.mjs').PipeName | 'suite'} server the fixture behind; the
 *   suite's own where it tests clients
 * @property {import('./gateways.mjs').GatewayName} gateway
 * @property {import('./servers.mjs').ServerName} [direct] the server that is asked directly, where it is not the one behind
 * @property {true} [byHand] run with --all, or when it is named, and not in every run
 * @property {false} [compared] where the gateway answers for the server behind, which is asked less then
 * @property {readonly string[]} [differences] the known ones, as they are printed; one that is gone is a fault, too
 */

/**
 * @typedef {object} Suite
 * @property {'server' | 'client'} side what the suite tests: servers with a client of its own, or the reverse
 * @property {string[][]} runs the arguments of each run of the suite
 * @property {{ scenarios: number, checks: number }} expected the least that must pass, directly and through a gateway
 */

/**
 * Checks of servers that answer in event streams, which is theirs to choose: what a pipe, or a server of 2026-07-28, answers
 * at once is JSON, and the suite passes over them.
 */
const WITHOUT_STREAMS = [
  'server-sse-multiple-streams / server-sse-streams-functional / ServerSSEStreamsFunctional: direct SUCCESS, gateway absent',
  'server-sse-polling / server-sse-priming-event / ServerSendsPrimingEvent: direct SUCCESS, gateway absent',
  'server-sse-polling / server-sse-retry-field / ServerSendsRetryField: direct SUCCESS, gateway absent',
  'server-sse-polling / server-sse-disconnect-resume / ServerDisconnectResume: direct SUCCESS, gateway absent',
]

/**
 * What a bridge cannot do for a server of sessions. Its questions have no keys: the gateway makes them up, and the suite
 * answers `user_name` unasked. And it says that it lacks a capability of the client in words of its own, never by -32021.
 */
const WITHOUT_KEYS = [
  'input-required-result-basic-elicitation / sep-2322-elicitation-incomplete / InputRequiredResultElicitationIncomplete: direct SUCCESS, gateway FAILURE',
  'input-required-result-basic-elicitation / sep-2322-elicitation-complete / InputRequiredResultElicitationComplete: direct SUCCESS, gateway absent',
  'input-required-result-ignore-extra-params / sep-2322-ignore-unexpected-params / IgnoreUnexpectedParams: direct SUCCESS, gateway WARNING',
  'server-stateless / sep-2575-server-rejects-undeclared-capability / ServerRejectsUndeclaredCapability: direct SUCCESS, gateway FAILURE',
  'server-stateless / sep-2575-missing-capability-http-400 / MissingCapabilityHttp400: direct SUCCESS, gateway FAILURE',
]

/** What is run of every server, through every kind of gateway that is another one for it. @satisfies {readonly Omit<Leg, 'server'>[]} */
const OF_A_SERVER = /** @type {const} */ ([
  { revision: '2025-11-25', suite: 'required', gateway: 'plain' },
  { revision: '2025-11-25', suite: 'required', gateway: 'event log' },
  { revision: '2025-11-25', suite: 'required', gateway: 'recover' },
  { revision: '2025-11-25', suite: 'required', gateway: 'sealed' },

  { revision: '2025-06-18', suite: 'all', gateway: 'plain' },
  { revision: '2025-06-18', suite: 'all', gateway: 'event log' },
  { revision: '2025-06-18', suite: 'all', gateway: 'recover' },
  { revision: '2025-06-18', suite: 'all', gateway: 'sealed' },

  // Without sessions there is nothing to log, to recover or to seal; with them there is nothing to cache.
  { revision: '2026-07-28', suite: 'all', gateway: 'plain' },
  { revision: '2026-07-28', suite: 'all', gateway: 'cache' },
  { revision: '2026-07-28', suite: 'required', gateway: 'plain' },
])

/** Another kind of gateway, or another server, is a line here, and one where its name is explained. @type {readonly Leg[]} */
export const LEGS = [
  ...OF_A_SERVER.map((leg) => /** @type {const} */ ({ ...leg, server: 'dual-era' })),
  // With interceptors, a record and spans of each message, and the trace context that a server gets of them.
  // Event ids are withheld then, so that nobody can resume past an interceptor: the gateway itself polls for the rest.
  {
    revision: '2025-11-25',
    suite: 'required',
    server: 'dual-era',
    gateway: 'governed',
    differences: [
      'server-sse-polling / server-sse-priming-event / ServerSendsPrimingEvent: direct SUCCESS, gateway WARNING',
      ...WITHOUT_STREAMS.slice(-1),
    ],
  },
  { revision: '2025-06-18', suite: 'all', server: 'dual-era', gateway: 'governed' },
  { revision: '2026-07-28', suite: 'all', server: 'dual-era', gateway: 'governed' },
  { revision: '2026-07-28', suite: 'required', server: 'dual-era', gateway: 'governed' },
  ...OF_A_SERVER.map((leg) => onPipe('in process', leg)),
  ...OF_A_SERVER.map((leg) => onPipe('stdio', leg)),
  // That transport has no revision of its own: sessions are all that it serves.
  { revision: '2025-06-18', suite: 'all', server: 'sse', gateway: 'plain', direct: 'dual-era' },

  // Through a bridge: what a server of both eras answers directly is what one of 2026-07-28 alone is to answer.
  ...[OF_A_SERVER[0], OF_A_SERVER[1], OF_A_SERVER[4], OF_A_SERVER[5]].map(bridged),
  // Requests go to each of two nodes in turn: the one that is answered is not the one that has asked.
  bridged({ ...OF_A_SERVER[0], gateway: 'two nodes + log' }),

  // And the other way: a server of sessions alone, for clients of 2026-07-28.
  modernBridged('legacy-only', 'bridge'),
  modernBridged('legacy-only', 'bridge + keys'),
  modernBridged('asking in session', 'bridge'),
  modernBridged('asking in session', 'bridge + keys', true),
  modernBridged('asking in session', 'bridge + log', true),
  modernBridged('asking in session', 'two bridges'),
  // Of what the node that holds a call has not read there is no second copy: the answer goes to it.
  modernBridged('asking in session without ids', 'two bridges + log'),

  // One of several members, of which the others are broken.
  // It is what answers lists, in JSON.
  {
    revision: '2025-11-25',
    suite: 'required',
    server: 'dual-era',
    gateway: 'aggregate',
    differences: WITHOUT_STREAMS.slice(0, 1),
  },
  { revision: '2025-06-18', suite: 'all', server: 'dual-era', gateway: 'aggregate' },
  { revision: '2026-07-28', suite: 'all', server: 'dual-era', gateway: 'aggregate' },
  // And behind a bridge of its own, either way.
  { ...bridged(OF_A_SERVER[0]), gateway: 'aggregate of bridges' },
  modernBridged('legacy-only', 'aggregate of bridges'),

  // Its response goes on without the disconnection: the gateway itself comes back for the rest, past no interceptor.
  {
    revision: '2025-11-25',
    suite: 'required',
    server: 'dual-era',
    gateway: 'governed + log',
    differences: WITHOUT_STREAMS.slice(-1),
  },
  { revision: '2025-11-25', suite: 'clients', server: 'suite', gateway: 'governed' },
  { revision: '2025-11-25', suite: 'clients', server: 'suite', gateway: 'governed + log' },
  { revision: '2026-07-28', suite: 'clients', server: 'suite', gateway: 'governed' },

  { revision: '2025-11-25', suite: 'clients', server: 'suite', gateway: 'plain' },
  { revision: '2025-11-25', suite: 'clients', server: 'suite', gateway: 'event log' },
  { revision: '2025-11-25', suite: 'clients', server: 'suite', gateway: 'recover' },
  { revision: '2025-11-25', suite: 'clients', server: 'suite', gateway: 'sealed' },

  // Of what the suite's own servers answer nothing may be kept.
  { revision: '2026-07-28', suite: 'clients', server: 'suite', gateway: 'plain' },

  { revision: '2025-11-25', suite: 'logins', server: 'suite', gateway: 'plain', compared: false },
  { revision: '2026-07-28', suite: 'logins', server: 'suite', gateway: 'plain', compared: false },
]

const LOGINS = [
  'auth/scope-from-www-authenticate',
  'auth/scope-from-scopes-supported',
  'auth/scope-omitted-when-undefined',
  'auth/scope-step-up',
  'auth/scope-retry-limit',
]

const CLIENTS = {
  '2025-11-25': [
    'initialize',
    'tools_call',
    'elicitation-sep1034-client-defaults',
    'sse-retry',
    'json-schema-2020-12-preservation',
  ],
  '2026-07-28': [
    'tools_call',
    'request-metadata',
    'sep-2322-client-request-state',
    'http-standard-headers',
    'http-custom-headers',
    'http-invalid-tool-headers',
    'json-schema-ref-no-deref',
    'json-schema-2020-12-preservation',
  ],
}

/** The parts of the suite, by what is asked and by revision. @satisfies {Record<string, Record<string, Suite>>} */
const SUITES = {
  required: {
    '2025-11-25': serverSuite(['--requirements', '2025-11-25'], { scenarios: 33, checks: 84 }),
    // The 37 scenarios that are scored, and 13 that are not: 10 of them are about the tasks extension, which is relayed.
    '2026-07-28': serverSuite(['--requirements', '2026-07-28'], { scenarios: 50, checks: 196 }),
  },
  all: {
    '2025-06-18': serverSuite(['--suite', 'all', '--spec-version', '2025-06-18'], { scenarios: 27, checks: 56 }),
    '2026-07-28': serverSuite(['--suite', 'all', '--spec-version', '2026-07-28'], { scenarios: 40, checks: 152 }),
  },
  clients: {
    '2025-11-25': clientSuite('2025-11-25', CLIENTS['2025-11-25'], 20),
    '2026-07-28': clientSuite('2026-07-28', CLIENTS['2026-07-28'], 62),
  },
  // With the gateway as the resource server: its metadata, its challenges, its step-up. The other `auth/*` scenarios are about
  // authorization servers and clients alone, or check that `resource` is the URL of the suite's own server, where it is the
  // gateway's here: of `auth/metadata-*` that is the one check that fails, and all there is to `auth/resource-mismatch`.
  logins: {
    '2025-11-25': clientSuite('2025-11-25', LOGINS, 75),
    '2026-07-28': clientSuite('2026-07-28', LOGINS, 75),
  },
}

/**
 * @param {Pick<Leg, 'revision' | 'suite'>} leg
 * @returns {Suite}
 */
export function suiteOf({ revision, suite }) {
  /** @type {Record<string, Suite>} */
  const byRevision = SUITES[suite]
  const found = byRevision[revision]
  if (found) return found
  throw new Error(`The suite "${suite}" is not run in revision ${revision}`)
}

/** What `--only` takes: what is usual is not said. @param {Leg} leg */
export function nameOf({ revision, suite, server, gateway }) {
  const particular = [server, gateway].filter((name) => !['dual-era', 'suite', 'plain'].includes(name))
  return [revision, suite, ...particular].join(', ')
}

/**
 * The fixture at the end of a pipe, compared with itself over HTTP.
 * @param {import('./servers.mjs').PipeName} server
 * @param {typeof OF_A_SERVER[number]} leg
 * @returns {Leg}
 */
function onPipe(server, leg) {
  const differences = leg.revision === '2025-11-25' ? WITHOUT_STREAMS : []
  // Each session of `stdio` is a process, which takes its time; what is done with sessions, older revisions share; and
  // what is required of the modern one is hardly more than all of it.
  const isVariant = leg.gateway !== 'plain' && (server === 'stdio' || leg.revision === '2025-06-18')
  const isRare = isVariant || (leg.revision === '2026-07-28' && leg.suite === 'required')
  return { ...leg, server, direct: 'dual-era', differences, ...(isRare && { byHand: true }) }
}

/**
 * A leg through a bridge.
 * @param {Omit<Leg, 'server'>} leg
 * @returns {Leg}
 */
function bridged(leg) {
  const differences = leg.revision === '2025-11-25' ? WITHOUT_STREAMS : []
  return {
    ...leg,
    server: 'modern-only',
    direct: 'dual-era',
    differences,
    ...(leg.gateway === 'event log' && { byHand: true }),
  }
}

/**
 * A leg of clients of 2026-07-28 through a bridge: 38 of 40 scenarios.
 * @param {import('./servers.mjs').ServerName} server
 * @param {import('./gateways.mjs').GatewayName} gateway
 * @param {true} [byHand]
 * @returns {Leg}
 */
function modernBridged(server, gateway, byHand) {
  const leg = /** @type {const} */ ({ revision: '2026-07-28', suite: 'all', direct: 'dual-era' })
  return { ...leg, server, gateway, differences: WITHOUT_KEYS, ...(byHand && { byHand }) }
}

/**
 * @param {string[]} run
 * @param {Suite['expected']} expected
 * @returns {Suite}
 */
function serverSuite(run, expected) {
  return { side: 'server', runs: [run], expected }
}

/**
 * The suite runs a client's scenarios one by one, or all of them.
 * @param {string} version
 * @param {string[]} scenarios
 * @param {number} checks
 * @returns {Suite}
 */
function clientSuite(version, scenarios, checks) {
  const runs = scenarios.map((scenario) => ['--scenario', scenario, '--spec-version', version])
  return { side: 'client', runs, expected: { scenarios: scenarios.length, checks } }
}
