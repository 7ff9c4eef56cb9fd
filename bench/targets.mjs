// @ts-check
// What the gateway is to reach, each as a figure of the cases and a bound.

const GATEWAY = 'gateway-http'

/** @typedef {(caseName: string, proxy: string, key?: string) => number} Figure `NaN` for what was not measured */
/** @typedef {{ words: string, value: (figure: Figure) => number, atMost?: number, atLeast?: number }} Target */
/** @typedef {{ words: string, goal: string, value: number | undefined, met: boolean | undefined }} Outcome */

/** One proxy against another in one case. @param {string} name @param {string} proxy @param {string} other @param {string} [key] @returns {Target['value']} */
const against = (name, proxy, other, key) => (figure) => figure(name, proxy, key) / figure(name, other, key)

/** A proxy against the bare pipe of the same rounds. @param {string} name @param {string} [proxy] @returns {Target['value']} */
const againstPipe =
  (name, proxy = GATEWAY) =>
  (figure) =>
    figure(name, proxy, 'ratio')

/** The most memory the gateway had while it relayed: what it had before and what it grew by. @param {Figure} figure @param {string} name */
const peakRss = (figure, name) => figure(name, GATEWAY, 'rssBefore') + figure(name, GATEWAY, 'rssGrown')

/** @type {Target[]} */
const TARGETS = [
  { words: 'CPU per call ÷ bare pipe: on node:http, everything on', value: againstPipe('calls-json'), atMost: 0.7 },
  { words: '… in Connect', value: againstPipe('calls-json', 'gateway-connect'), atMost: 0.75 },
  { words: '… in Express 5, fast server', value: againstPipe('calls-json', 'gateway-express5-fast'), atMost: 0.95 },
  { words: '… in plain Express 5', value: againstPipe('calls-json', 'gateway-express5'), atMost: 2 },
  { words: 'CPU per call ÷ nginx', value: against('calls-json', GATEWAY, 'nginx'), atMost: 3 },
  { words: 'mcp-proxy ÷ gateway', value: against('calls-json', 'mcp-proxy', GATEWAY), atLeast: 20 },
  { words: 'SDK v1 back to back ÷ gateway', value: against('calls-json', 'sdk-v1', GATEWAY), atLeast: 20 },
  { words: 'SDK v2 back to back ÷ gateway', value: against('calls-json', 'sdk-v2', GATEWAY), atLeast: 20 },
  { words: 'sealed store ÷ memory store', value: against('calls-stores', `${GATEWAY}-sealed`, GATEWAY), atMost: 1.1 },
  { words: 'Redis store ÷ memory store', value: against('calls-stores', `${GATEWAY}-redis`, GATEWAY), atMost: 1.6 },
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
    words: 'a call through a bridge ÷ a relayed one, in 2026-07-28',
    value: against('calls-bridged', `${GATEWAY}-bridge`, GATEWAY),
    atMost: 2.5,
  },
  {
    words: 'SSE answer ÷ JSON answer',
    value: (figure) => figure('calls-sse', GATEWAY) / figure('calls-json', GATEWAY),
    atMost: 1.15,
  },
  { words: 'session set-up + DELETE ÷ bare pipe', value: againstPipe('session-setup'), atMost: 1 },
  {
    words: 'small event, flood ÷ bare undici dispatch',
    value: against('events-small', GATEWAY, 'undici'),
    atMost: 1.5,
  },
  { words: '… 32 paced streams', value: against('events-paced', GATEWAY, 'undici'), atMost: 1.5 },
  { words: '64 KB events ÷ bare pipe', value: againstPipe('events-64k'), atMost: 1.3 },
  { words: '1 MB result ÷ bare pipe', value: againstPipe('result-1mb'), atMost: 1.3 },
  { words: '10 MB result ÷ bare pipe', value: againstPipe('result-10mb'), atMost: 1.3 },
  { words: '1 MB result ÷ bare pipe, both with room in the heap', value: againstPipe('result-1mb-roomy'), atMost: 1.3 },
  { words: '10 MB result ÷ bare pipe, both with room', value: againstPipe('result-10mb-roomy'), atMost: 1.3 },
  {
    words: 'peak RSS with 10 MB results less with 1 MB results, MB',
    value: (figure) => peakRss(figure, 'result-10mb') - peakRss(figure, 'result-1mb'),
    // Four are on their way at once, each longer by 9 MB: whoever keeps a single one of them whole does not pass.
    // Less than that is the garbage between two collections, which comes and goes.
    atMost: 9,
  },
  { words: 'memory per idle GET stream ÷ bare pipe', value: againstPipe('idle-streams'), atMost: 1.15 },
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
    value: against('idle-streams', GATEWAY, 'pipe', 'rssKept'),
    // The allocator gives little back to the system, whoever asked for it.
    atMost: 1.15,
  },
  { words: 'CPU per call with 5 000 idle sessions ÷ with none', value: againstPipe('idle-sessions'), atMost: 1.05 },
]

/** @param {{ name: string, rows: import('./harness/bench.mjs').Row[] }[]} results @returns {Outcome[]} */
export function judge(results) {
  /** @type {Figure} */
  const figure = (caseName, proxy, key = 'cpu') => {
    const row = results.find(({ name }) => name === caseName)?.rows.find((one) => one.proxy === proxy)
    return row?.failed ? NaN : (row?.[key] ?? NaN)
  }
  return TARGETS.map(({ words, value: read, atMost, atLeast }) => {
    const seen = read(figure)
    const value = Number.isNaN(seen) ? undefined : seen
    const goal = atMost === undefined ? `>= ${atLeast}` : `<= ${atMost}`
    const met = value === undefined ? undefined : value <= (atMost ?? Infinity) && value >= (atLeast ?? -Infinity)
    return { words, goal, value, met }
  })
}
