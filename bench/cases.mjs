// @ts-check
// The cases, in the order they run. To add one, add an entry; a new kind of measuring is a file in cases/.
import { idleSessions } from './cases/idle-sessions.mjs'
import { idleStreams } from './cases/idle-streams.mjs'
import { rounds } from './cases/rounds.mjs'
import { stalledReaders } from './cases/stalled-readers.mjs'
import { PROXIES } from './harness/fleet.mjs'

/** The gateway with one thing set otherwise: each is for a case of its own. */
const ALL = PROXIES.filter((name) => !name.startsWith('gateway-http-'))
/** The SDK's transports in session mode refuse a call without a session. */
const STATELESS = ALL.filter((name) => !name.startsWith('sdk-'))
const PIPES = ['pipe', 'undici', 'nginx', 'haproxy', 'http-proxy-3']
const GATEWAYS = ALL.filter((name) => name.startsWith('gateway-'))
const LOGS = ['pipe', 'gateway-http', 'gateway-http-log', 'gateway-http-redis-log']
/** The gateway with a server at the end of a pipe, beside itself with one behind HTTP. */
const PIPE_SERVERS = ['pipe', 'gateway-http', 'gateway-http-stdio', 'gateway-http-in-process']
/** A heap with room, as that of most apps: see docs/performance.md on long results. */
const ROOMY_HEAP = ['--initial-old-space-size=256']
const LONG_RESULTS = ['pipe', 'undici', 'http-proxy-3', 'http-proxy-middleware', ...GATEWAYS]
/** For a quick look: those that the targets of most cases are made of. */
const FEW = ['pipe', 'undici', 'gateway-http']
const TWO = ['pipe', 'gateway-http']
/** Requests of 2026-07-28, relayed as they are, and translated. */
const BRIDGED = [...TWO, 'gateway-http-bridge']
/** A call to a member, and to the same server alone. */
const AGGREGATED = [...TWO, 'gateway-http-aggregate']
const LONG_REQUESTS = ['pipe', 'undici', 'nginx', 'gateway-http']
const INTERCEPTED = [...TWO, 'gateway-http-intercept']
/** With what is told of each call; the SDK's own calls without the gateway's are the floor of telemetry. */
const OBSERVED = ['audit', 'telemetry', 'sdk-calls', 'telemetry-unsampled', 'sdk-calls-unsampled']
/** Those of all that a quick look leaves out. */
const NOT_QUICK = new Set(['gateway-express4', 'haproxy', 'http-proxy-middleware'])

/** @type {import('./harness/bench.mjs').Case[]} */
export const CASES = [
  rounds({
    name: 'calls-json',
    title: 'tools/call answered as JSON, 16 connections',
    unit: 'call',
    job: 'calls',
    params: { connections: 16 },
    proxies: ALL,
    quick: ALL.filter((name) => !NOT_QUICK.has(name)),
  }),
  rounds({
    name: 'calls-json-1',
    title: 'tools/call answered as JSON, 1 connection',
    unit: 'call',
    job: 'calls',
    params: { connections: 1 },
    proxies: [...PIPES, ...GATEWAYS],
  }),
  rounds({
    name: 'calls-json-64',
    title: 'tools/call answered as JSON, 64 connections',
    unit: 'call',
    job: 'calls',
    params: { connections: 64 },
    proxies: [...PIPES, ...GATEWAYS],
  }),
  rounds({
    name: 'calls-sse',
    title: 'tools/call answered as SSE, 16 connections',
    unit: 'call',
    job: 'calls',
    params: { connections: 16, as: 'sse' },
    proxies: ALL,
    quick: FEW,
  }),
  rounds({
    name: 'calls-modern',
    title: 'tools/call of 2026-07-28 (stateless), 16 connections',
    unit: 'call',
    job: 'calls',
    params: { connections: 16, era: 'modern' },
    proxies: STATELESS,
    quick: TWO,
  }),
  rounds({
    name: 'lists-modern',
    title: 'tools/list of 2026-07-28, which may be kept, 16 connections',
    unit: 'call',
    job: 'calls',
    params: { connections: 16, era: 'modern', list: true },
    proxies: [...PIPES, 'gateway-http', 'gateway-http-cache'],
  }),
  rounds({
    name: 'calls-stores',
    title: 'tools/call answered as JSON, 16 connections, sessions in this store and that',
    unit: 'call',
    job: 'calls',
    close: true,
    params: { connections: 16 },
    proxies: ['pipe', 'gateway-http', 'gateway-http-sealed', 'gateway-http-redis'],
  }),
  rounds({
    name: 'calls-pipes',
    title: 'tools/call answered as JSON, 1 connection, the server behind a URL, a child process or in the same process',
    unit: 'call',
    job: 'calls',
    close: true,
    params: { connections: 1 },
    proxies: PIPE_SERVERS,
  }),
  rounds({
    name: 'calls-pipes-16',
    title: 'the same with 16 connections: as many child processes, each of which is woken for each call',
    unit: 'call',
    job: 'calls',
    params: { connections: 16 },
    proxies: PIPE_SERVERS,
  }),
  rounds({
    name: 'calls-pipes-modern',
    title: 'the same in 2026-07-28: all calls share one child process, or one server in the same process',
    unit: 'call',
    job: 'calls',
    close: true,
    params: { connections: 16, era: 'modern' },
    proxies: PIPE_SERVERS,
  }),
  rounds({
    name: 'calls-bridged',
    title: 'tools/call of 2026-07-28, 16 connections: relayed, and through a bridge to a server with sessions',
    unit: 'call',
    job: 'calls',
    params: { connections: 16, era: 'modern' },
    proxies: BRIDGED,
  }),
  rounds({
    name: 'calls-log',
    title: 'tools/call answered as SSE, 16 connections, with and without an event log',
    unit: 'call',
    job: 'calls',
    close: true,
    params: { connections: 16, as: 'sse' },
    proxies: LOGS,
  }),
  rounds({
    name: 'session-setup',
    title: 'a session opened and ended: initialize, initialized, DELETE, 16 connections',
    unit: 'session',
    job: 'setup',
    params: { connections: 16 },
    proxies: ALL,
    quick: FEW,
  }),
  rounds({
    name: 'session-setup-early',
    title: 'the same of a client that its server may ask something at once: the gateway listens before the client does',
    unit: 'session',
    job: 'setup',
    params: { connections: 16, roots: true },
    proxies: TWO,
  }),
  rounds({
    name: 'events-small',
    title: 'one stream, a flood of small events (170 bytes)',
    unit: 'event',
    job: 'streams',
    params: { connections: 1 },
    proxies: ALL,
    quick: FEW,
  }),
  rounds({
    name: 'events-log',
    title: 'one stream, a flood of small events, with and without an event log',
    unit: 'event',
    job: 'streams',
    params: { connections: 1 },
    proxies: LOGS,
  }),
  rounds({
    name: 'events-64k',
    title: 'one stream, a flood of 64 KB events',
    unit: 'MB',
    job: 'streams',
    params: { connections: 1, size: 64_000 },
    proxies: ALL,
    quick: FEW,
  }),
  rounds({
    name: 'events-paced',
    title: '32 streams, an event every 10 ms on each',
    unit: 'event',
    job: 'streams',
    params: { connections: 32, every: 10 },
    direct: true,
    proxies: ALL,
    quick: FEW,
  }),
  rounds({
    name: 'calls-intercept',
    title: 'tools/call answered as JSON, 16 connections, through an interceptor that changes nothing',
    unit: 'call',
    job: 'calls',
    close: true,
    params: { connections: 16 },
    proxies: INTERCEPTED,
  }),
  rounds({
    name: 'calls-intercept-1kb',
    title: '… with results of 1 KB',
    unit: 'MB',
    job: 'calls',
    close: true,
    params: { connections: 16, bytes: 1_000 },
    proxies: INTERCEPTED,
  }),
  rounds({
    name: 'calls-observed',
    title: 'tools/call answered as JSON, 16 connections, with audit and with telemetry',
    unit: 'call',
    job: 'calls',
    close: true,
    params: { connections: 16 },
    proxies: [...TWO, ...OBSERVED.map((name) => `gateway-http-${name}`)],
  }),
  rounds({
    name: 'calls-full',
    title:
      'tools/call answered as JSON, 16 connections: JWT, scopes, sealed ids and an interceptor that changes nothing',
    unit: 'call',
    job: 'calls',
    close: true,
    params: { connections: 16 },
    proxies: [...TWO, 'gateway-http-full'],
  }),
  rounds({
    name: 'calls-aggregate',
    title: 'tools/call answered as JSON, 16 connections, to a member of an aggregate of three',
    unit: 'call',
    job: 'calls',
    close: true,
    params: { connections: 16, tool: 'one__tool_1' },
    proxies: AGGREGATED,
  }),
  rounds({
    name: 'lists-aggregate',
    title: 'tools/list of 2026-07-28, 4 connections: 3 tools of one server, 3 x 200 of an aggregate',
    unit: 'call',
    job: 'calls',
    params: { connections: 4, era: 'modern', list: true },
    proxies: AGGREGATED,
  }),
  ...[10, 100, 1000].map((kb) =>
    rounds({
      name: kb === 1000 ? 'request-1mb' : `request-${kb}kb`,
      title: `tools/call with arguments of ${kb} KB, 8 connections`,
      unit: 'call',
      job: 'calls',
      params: { connections: 8, sent: kb * 1000 },
      proxies: LONG_REQUESTS,
    }),
  ),
  rounds({
    name: 'result-1mb',
    title: 'results of 1 MB, 4 connections',
    unit: 'MB',
    job: 'calls',
    params: { connections: 4, bytes: 1_000_000 },
    memory: true,
    proxies: ALL,
    quick: TWO,
  }),
  rounds({
    name: 'result-10mb',
    title: 'results of 10 MB, 4 connections',
    unit: 'MB',
    job: 'calls',
    params: { connections: 4, bytes: 10_000_000 },
    memory: true,
    proxies: ALL,
    quick: TWO,
  }),
  rounds({
    name: 'result-1mb-roomy',
    title: `results of 1 MB, 4 connections, node ${ROOMY_HEAP.join(' ')}`,
    unit: 'MB',
    job: 'calls',
    params: { connections: 4, bytes: 1_000_000 },
    nodeOptions: ROOMY_HEAP,
    memory: true,
    proxies: LONG_RESULTS,
    quick: TWO,
  }),
  rounds({
    name: 'result-10mb-roomy',
    title: `results of 10 MB, 4 connections, node ${ROOMY_HEAP.join(' ')}`,
    unit: 'MB',
    job: 'calls',
    params: { connections: 4, bytes: 10_000_000 },
    nodeOptions: ROOMY_HEAP,
    memory: true,
    proxies: LONG_RESULTS,
  }),
  idleStreams({
    name: 'idle-streams',
    title: 'memory per idle GET stream, its session included',
    counts: [1000, 5000],
    quickCounts: [250, 1000],
    proxies: [...PIPES, 'gateway-http', 'gateway-express5'],
    quick: TWO,
  }),
  idleSessions({
    name: 'idle-sessions',
    title: (count) => `CPU per call with ${count} idle sessions, 16 connections`,
    count: 5000,
    quickCount: 1000,
    proxies: TWO,
    quick: ['gateway-http'],
  }),
  stalledReaders({
    name: 'stalled-readers',
    title: (count) => `${count} readers that stall, 4 MB on the way to each`,
    count: 500,
    quickCount: 50,
    proxies: [...PIPES, 'gateway-http', 'gateway-express5'],
    quick: TWO,
  }),
]
