// @ts-check
// What the gateway is to reach, each as a figure of the cases and a bound.
import { median } from './harness/stats.mjs'

const GATEWAY = 'gateway-http'
const PLAIN = 'gateway-express5'
const FAST = 'gateway-express5-fast'

/** @typedef {(caseName: string, proxy: string, key?: string) => number} Figure `NaN` for what was not measured */
/** @typedef {Figure & { paired: (caseName: string, proxy: string, other: string) => number }} Figures `paired`: CPU, of the same rounds */
/** @typedef {{ words: string, value: (figure: Figures) => number, atMost?: number | ((node: string) => number), atLeast?: number }} Target */
/** @typedef {{ words: string, goal: string, seen: number[], value: number | undefined, met: boolean | undefined }} Outcome `value` is the worst that was seen */

/** Express's change of prototypes is dear up to Node 23, and cheap from 24 on. @param {number} before24 @param {number} from24 */
const byNode = (before24, from24) => (/** @type {string} */ node) =>
  parseInt(node.slice(1), 10) < 24 ? before24 : from24

/** One proxy against another in the same rounds. @param {string} name @param {string} proxy @param {string} other @returns {Target['value']} */
const against = (name, proxy, other) => (figure) => figure.paired(name, proxy, other)

/** A proxy against the bare pipe of the same rounds. @param {string} name @param {string} [proxy] @returns {Target['value']} */
const againstPipe =
  (name, proxy = GATEWAY) =>
  (figure) =>
    figure(name, proxy, 'ratio')

/** A figure of the gateway in two cases. @param {string} name @param {string} other @returns {Target['value']} */
const betweenCases = (name, other) => (figure) => figure(name, GATEWAY) / figure(other, GATEWAY)

/** The most memory the gateway had while it relayed: what it had before and what it grew by. @param {Figure} figure @param {string} name */
const peakRss = (figure, name) => figure(name, GATEWAY, 'rssBefore') + figure(name, GATEWAY, 'rssGrown')

/** @type {Target[]} */
const TARGETS = [
  { words: 'CPU per call ÷ bare pipe: on node:http, everything on', value: againstPipe('calls-json'), atMost: 0.65 },
  { words: '… in Connect', value: againstPipe('calls-json', 'gateway-connect'), atMost: 0.75 },
  {
    words: '… in Express 5 on createExpressServer()',
    value: againstPipe('calls-json', FAST),
    atMost: byNode(0.95, 0.7),
  },
  { words: '… in plain Express 5', value: againstPipe('calls-json', PLAIN), atMost: byNode(2.2, 0.75) },
  { words: 'createExpressServer() ÷ app.listen()', value: against('calls-json', FAST, PLAIN), atMost: 1 },
  { words: 'CPU per call ÷ nginx', value: against('calls-json', GATEWAY, 'nginx'), atMost: 2.1 },
  { words: 'CPU per call ÷ bare undici dispatch', value: against('calls-json', GATEWAY, 'undici'), atMost: 1.05 },
  { words: 'mcp-proxy ÷ gateway', value: against('calls-json', 'mcp-proxy', GATEWAY), atLeast: 20 },
  { words: 'SDK v1 back to back ÷ gateway', value: against('calls-json', 'sdk-v1', GATEWAY), atLeast: 20 },
  { words: 'SDK v2 back to back ÷ gateway', value: against('calls-json', 'sdk-v2', GATEWAY), atLeast: 20 },
  { words: 'SSE answer ÷ bare pipe', value: againstPipe('calls-sse'), atMost: 0.8 },
  {
    words: 'SSE answer with a memory event log ÷ without',
    value: against('calls-log', `${GATEWAY}-log`, GATEWAY),
    atMost: 1.5,
  },
  { words: 'session set-up + DELETE ÷ bare pipe', value: againstPipe('session-setup'), atMost: 1 },
  { words: '1 MB result ÷ bare pipe', value: againstPipe('result-1mb'), atMost: 1.1 },
  { words: '10 MB result ÷ bare pipe', value: againstPipe('result-10mb'), atMost: 0.9 },
  { words: '64 KB events ÷ bare pipe', value: againstPipe('events-64k'), atMost: 1.2 },
  {
    words: 'peak RSS with 10 MB results less with 1 MB results, MB',
    value: (figure) => peakRss(figure, 'result-10mb') - peakRss(figure, 'result-1mb'),
    // Four are on their way at once, each longer by 9 MB: whoever keeps a single one of them whole does not pass.
    // Less than that is the garbage between two collections, which comes and goes.
    atMost: 9,
  },
  { words: 'request of 10 KB ÷ bare pipe', value: againstPipe('request-10kb'), atMost: 1 },
  { words: 'request of 100 KB ÷ bare pipe', value: againstPipe('request-100kb'), atMost: 1.6 },
  { words: 'request of 1 MB ÷ bare pipe', value: againstPipe('request-1mb'), atMost: 2 },
  {
    words: 'JWT, scopes, sealed ids and an interceptor that changes nothing ÷ none of them',
    value: against('calls-full', `${GATEWAY}-full`, GATEWAY),
    atMost: 1.15,
  },
  {
    words: 'an interceptor that changes nothing ÷ none',
    value: against('calls-intercept', `${GATEWAY}-intercept`, GATEWAY),
    atMost: 1.25,
  },
  {
    words: '… with results of 1 KB',
    value: against('calls-intercept-1kb', `${GATEWAY}-intercept`, GATEWAY),
    atMost: 1.25,
  },
  { words: 'audit ÷ none', value: against('calls-observed', `${GATEWAY}-audit`, GATEWAY), atMost: 1.1 },
  {
    words: 'telemetry, sampled ÷ none',
    value: against('calls-observed', `${GATEWAY}-telemetry`, GATEWAY),
    atMost: 1.6,
  },
  {
    words: "… ÷ the calls of OpenTelemetry's SDK alone",
    value: against('calls-observed', `${GATEWAY}-telemetry`, `${GATEWAY}-sdk-calls`),
    atMost: 1.25,
  },
  {
    words: 'telemetry, unsampled ÷ none',
    value: against('calls-observed', `${GATEWAY}-telemetry-unsampled`, GATEWAY),
    atMost: 1.3,
  },
  {
    words: "… ÷ the calls of OpenTelemetry's SDK alone, unsampled",
    value: against('calls-observed', `${GATEWAY}-telemetry-unsampled`, `${GATEWAY}-sdk-calls-unsampled`),
    atMost: 1.25,
  },
  { words: 'sealed store ÷ memory store', value: against('calls-stores', `${GATEWAY}-sealed`, GATEWAY), atMost: 1.05 },
  {
    words: 'Redis store ÷ memory store',
    value: against('calls-stores', `${GATEWAY}-redis`, GATEWAY),
    // What the user's own client costs is most of it.
    atMost: 1.96,
  },
  {
    words: 'child process ÷ server behind HTTP',
    value: against('calls-pipes', `${GATEWAY}-stdio`, GATEWAY),
    atMost: 1,
  },
  {
    words: '… one child process for all, in 2026-07-28',
    value: against('calls-pipes-modern', `${GATEWAY}-stdio`, GATEWAY),
    atMost: 1,
  },
  {
    words: 'server in the same process, its own work included ÷ server behind HTTP',
    value: against('calls-pipes', `${GATEWAY}-in-process`, GATEWAY),
    atMost: 1,
  },
  {
    words: '… in 2026-07-28',
    value: against('calls-pipes-modern', `${GATEWAY}-in-process`, GATEWAY),
    atMost: 1,
  },
  {
    words: 'a call to a member of an aggregate ÷ to the server alone',
    value: against('calls-aggregate', `${GATEWAY}-aggregate`, GATEWAY),
    atMost: 1.15,
  },
  {
    words: 'a call through a bridge ÷ a relayed one, in 2026-07-28',
    value: against('calls-bridged', `${GATEWAY}-bridge`, GATEWAY),
    atMost: 2.5,
  },
  { words: 'SSE answer ÷ JSON answer', value: betweenCases('calls-sse', 'calls-json'), atMost: 1.15 },
  {
    words: 'small event, flood ÷ bare undici dispatch',
    value: against('events-small', GATEWAY, 'undici'),
    atMost: 1.5,
  },
  { words: '… 32 paced streams', value: against('events-paced', GATEWAY, 'undici'), atMost: 1.5 },
  { words: 'memory per idle GET stream ÷ bare pipe', value: againstPipe('idle-streams'), atMost: 1 },
  {
    words: '… heap kept for each whose client vanished, its session, KiB',
    value: (figure) => figure('idle-streams', GATEWAY, 'sessionHeap'),
    // Sessions live on until they expire; what is gone when they are ended is theirs.
    atMost: 1,
  },
  {
    words: '… heap kept of all when their sessions ended too, MB',
    value: (figure) => figure('idle-streams', GATEWAY, 'heapAtEnd'),
    // The start again, but for what any warm process wavers by: the bare pipe keeps 1 to 1.5.
    atMost: 2,
  },
  {
    words: '… RSS kept when their clients vanished ÷ bare pipe',
    value: (figure) => figure('idle-streams', GATEWAY, 'rssKept') / figure('idle-streams', 'pipe', 'rssKept'),
    // The allocator gives little back to the system, whoever asked for it.
    atMost: 1.15,
  },
  { words: 'CPU per call with 5 000 idle sessions ÷ with none', value: againstPipe('idle-sessions'), atMost: 1.05 },
]

/** What the targets read: the proxies by the name of the case. @returns {Map<string, string[]>} */
export function measuredForTargets() {
  /** @type {Map<string, Set<string>>} */
  const read = new Map()
  /** @type {(caseName: string, ...proxies: string[]) => number} */
  const note = (caseName, ...proxies) => {
    read.set(caseName, new Set([...(read.get(caseName) ?? []), ...proxies]))
    return NaN
  }
  const figure = (/** @type {string} */ caseName, /** @type {string} */ proxy) => note(caseName, proxy)
  for (const { value } of TARGETS) value(Object.assign(figure, { paired: note }))
  return new Map([...read].map(([name, proxies]) => [name, [...proxies]]))
}

/**
 * The worst of all runs decides.
 * @param {import('./worst.mjs').Result[][]} runs @param {string} node the version of it @returns {Outcome[]}
 */
export function judge(runs, node) {
  return TARGETS.map(({ words, value: read, atMost, atLeast }) => {
    const bound = typeof atMost === 'function' ? atMost(node) : atMost
    const seen = runs.map((results) => read(figureOf(results))).filter((value) => !Number.isNaN(value))
    const value = seen.length === 0 ? undefined : bound === undefined ? Math.min(...seen) : Math.max(...seen)
    const goal = bound === undefined ? `>= ${atLeast}` : `<= ${bound}`
    const met = value === undefined ? undefined : value <= (bound ?? Infinity) && value >= (atLeast ?? -Infinity)
    return { words, goal, seen, value, met }
  })
}

/** @param {import('./worst.mjs').Result[]} results @returns {Figures} */
function figureOf(results) {
  const rowOf = (/** @type {string} */ caseName, /** @type {string} */ proxy) => {
    const row = results.find(({ name }) => name === caseName)?.rows.find((one) => one.proxy === proxy)
    return row?.failed ? undefined : row
  }
  const figure = (/** @type {string} */ caseName, /** @type {string} */ proxy, key = 'cpu') =>
    rowOf(caseName, proxy)?.[key] ?? NaN
  const paired = (/** @type {string} */ caseName, /** @type {string} */ proxy, /** @type {string} */ other) => {
    const [ours = [], theirs = []] = [proxy, other].map((name) => rowOf(caseName, name)?.['rounds'])
    return median(ours.map((/** @type {number} */ cpu, /** @type {number} */ round) => cpu / theirs[round]))
  }
  return Object.assign(figure, { paired })
}
