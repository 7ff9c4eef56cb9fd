// @ts-check
// What the gateway is to reach, each as a figure of the cases and a bound.

const GATEWAY = 'gateway-http'

/** @typedef {(caseName: string, proxy: string, key?: string) => number | undefined} Figure */
/** @typedef {{ words: string, value: (figure: Figure) => number | undefined, atMost?: number, atLeast?: number }} Target */
/** @typedef {{ words: string, goal: string, value: number | undefined, met: boolean | undefined }} Outcome */

/** @param {number | undefined} a @param {number | undefined} b */
const over = (a, b) => (a === undefined || b === undefined ? undefined : a / b)

/** One proxy against another in one case. @param {string} name @param {string} proxy @param {string} other @returns {Target['value']} */
const against = (name, proxy, other) => (figure) => over(figure(name, proxy), figure(name, other))

/** A proxy against the bare pipe of the same rounds. @param {string} name @param {string} [proxy] @returns {Target['value']} */
const againstPipe =
  (name, proxy = GATEWAY) =>
  (figure) =>
    figure(name, proxy, 'ratio')

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
  {
    words: 'SSE answer ÷ JSON answer',
    value: (figure) => over(figure('calls-sse', GATEWAY), figure('calls-json', GATEWAY)),
    atMost: 1.15,
  },
  { words: 'session set-up + DELETE ÷ bare pipe', value: againstPipe('session-setup'), atMost: 1 },
  { words: 'small event ÷ bare undici dispatch', value: against('events-small', GATEWAY, 'undici'), atMost: 1.5 },
  { words: '64 KB events ÷ bare pipe', value: againstPipe('events-64k'), atMost: 1.3 },
  { words: '1 MB result ÷ bare pipe', value: againstPipe('result-1mb'), atMost: 1.3 },
  { words: '10 MB result ÷ bare pipe', value: againstPipe('result-10mb'), atMost: 1.3 },
  {
    words: 'memory grown by 10 MB results less by 1 MB results, MB',
    value: (figure) => {
      const [ten, one] = [figure('result-10mb', GATEWAY, 'rssGrown'), figure('result-1mb', GATEWAY, 'rssGrown')]
      return ten === undefined || one === undefined ? undefined : ten - one
    },
    // What four results at once weigh more, whole.
    atMost: 36,
  },
  { words: 'memory per idle GET stream ÷ bare pipe', value: againstPipe('idle-streams'), atMost: 1.15 },
  {
    words: 'heap kept when their clients vanished ÷ heap they took',
    value: (figure) => over(figure('idle-streams', GATEWAY, 'heapKept'), figure('idle-streams', GATEWAY, 'heapTaken')),
    // What stays is their sessions, which live on for a while.
    atMost: 0.1,
  },
  { words: 'CPU per call with 5 000 idle sessions ÷ with none', value: againstPipe('idle-sessions'), atMost: 1.05 },
]

/** @param {{ name: string, rows: import('./harness/bench.mjs').Row[] }[]} results @returns {Outcome[]} */
export function judge(results) {
  /** @type {Figure} */
  const figure = (caseName, proxy, key = 'cpu') => {
    const row = results.find(({ name }) => name === caseName)?.rows.find((one) => one.proxy === proxy)
    return row?.failed ? undefined : row?.[key]
  }
  return TARGETS.map(({ words, value: read, atMost, atLeast }) => {
    const value = read(figure)
    const goal = atMost === undefined ? `>= ${atLeast}` : `<= ${atMost}`
    const met = value === undefined ? undefined : value <= (atMost ?? Infinity) && value >= (atLeast ?? -Infinity)
    return { words, goal, value, met }
  })
}
