// @ts-check
// A case in interleaved rounds (A B C, A B C, ...): CPU a unit of work, its ratio to the bare pipe of the same round.
import { median } from '../harness/stats.mjs'

/** @typedef {import('../harness/bench.mjs').Bench} Bench @typedef {import('../harness/bench.mjs').Proxy} Proxy */

/**
 * @typedef {object} Rounds
 * @property {string} name
 * @property {string} title
 * @property {string} unit what is counted: call, event, MB, session
 * @property {string} job of the load generator
 * @property {object} params of the job
 * @property {string[]} proxies
 * @property {string[]} [quick]
 * @property {boolean} [close] its proxies cost nearly the same: more rounds
 * @property {boolean} [direct] also run without a proxy, and say what each adds to the time on the way
 * @property {string[]} [nodeOptions] those that every proxy in Node is started with
 * @property {boolean} [memory] also say how far the proxy's memory grew
 */

/** @typedef {{ proxy: Proxy, samples: Sample[], failed?: string, rssBefore: number, rssPeak: number }} Entry */
/** @typedef {import('../load.mjs').Figures & { cpu: number }} Sample */

const MB = 1e6

/** With fewer proxies than so many there is time for more rounds. */
const FEW = 4

/** @param {Rounds} spec @returns {import('../harness/bench.mjs').Case} */
export function rounds(spec) {
  const { name, title, proxies, quick } = spec
  const described = { title, columns: columnsOf(spec) }
  return { name, proxies, quick, describe: () => described, run: (bench, names) => runRounds(bench, names, spec) }
}

/** @param {Rounds} spec */
function columnsOf({ unit, direct, memory }) {
  const columns = [
    { key: 'cpu', heading: `CPU µs per ${unit}`, digits: 1 },
    { key: 'ratio', heading: '÷ bare pipe', digits: 2 },
    { key: 'perSecond', heading: `${unit === 'MB' ? unit : `${unit}s`}/s`, digits: 0 },
    { key: 'p50', heading: 'p50 ms', digits: 2 },
  ]
  if (direct) columns.push({ key: 'added', heading: 'added p50 ms', digits: 2 })
  if (memory) columns.push({ key: 'rssBefore', heading: 'RSS before MB', digits: 0 })
  if (memory) columns.push({ key: 'rssGrown', heading: 'grown by MB', digits: 0 })
  return columns
}

/** @param {Bench} bench @param {string[]} names @param {Rounds} spec */
async function runRounds(bench, names, spec) {
  const entries = await startAll(bench, names, spec)
  for (const entry of entries) {
    bench.progress(`warming up ${entry.proxy.name}`)
    await attempt(bench, entry, () => warmUp(bench, entry, spec))
  }
  /** @type {number[]} */
  const direct = []
  // Few proxies leave time for more rounds.
  const { rounds: least, most, uncounted, seconds, leadSeconds } = bench.pace
  const wanted = spec.close ? most : Math.floor((FEW * least) / entries.length)
  const count = Math.max(least, Math.min(most, wanted))
  for (let round = 1; round <= uncounted + count; round++) {
    const isCounted = round > uncounted
    if (spec.direct && isCounted) direct.push(await withoutProxy(bench, spec))
    // Another one comes first each time, since whoever follows a heavy one finds the caches cold.
    const first = round % entries.length
    for (const entry of [...entries.slice(first), ...entries.slice(0, first)]) {
      if (entry.failed) continue
      bench.progress(`round ${round - uncounted} of ${count}, ${entry.proxy.name}`)
      const stop = spec.memory ? watchMemory(entry) : () => {}
      const sample = await attempt(bench, entry, () =>
        bench.measure(entry.proxy, spec.job, spec.params, seconds, leadSeconds),
      )
      stop()
      if (sample && isCounted) entry.samples.push(sample)
    }
  }
  const pipe = entries.find(({ proxy }) => proxy.name === 'pipe')
  return entries.map((entry) => toRow(entry, pipe, direct))
}

/** @param {Bench} bench @param {string[]} names @param {Rounds} spec */
async function startAll(bench, names, { nodeOptions }) {
  /** @type {Entry[]} */
  const entries = []
  for (const name of names) {
    bench.progress(`starting ${name}`)
    const proxy = await bench.fleet.get(name, nodeOptions)
    if (proxy) entries.push({ proxy, samples: [], rssBefore: 0, rssPeak: 0 })
  }
  return entries
}

/** @param {Bench} bench @param {Entry} entry @param {Rounds} spec */
async function warmUp(bench, entry, { job, params, memory }) {
  const warm = () => bench.warm(entry.proxy, job, params)
  await warm()
  if (!memory) return
  entry.rssBefore = (await entry.proxy.memory()).rss
  // Full collections throw compiled code away.
  await warm()
}

/** A proxy that fails is shown as failed and costs the others nothing. @template T @param {Bench} bench @param {Entry} entry @param {() => Promise<T>} work */
async function attempt(bench, entry, work) {
  try {
    return await work()
  } catch (error) {
    entry.failed = /** @type {Error} */ (error).message
    await bench.fleet.drop(entry.proxy)
    return undefined
  }
}

/** @param {Bench} bench @param {Rounds} spec */
async function withoutProxy(bench, { job, params }) {
  const opened = await bench.open(bench.upstreamPort, job, params)
  const { p50 } = await opened.run(bench.pace.seconds)
  await opened.close()
  return p50
}

/** @param {Entry} entry */
function watchMemory(entry) {
  const timer = setInterval(() => (entry.rssPeak = Math.max(entry.rssPeak, entry.proxy.rss())), 20)
  return () => clearInterval(timer)
}

/** @param {Entry} entry @param {Entry | undefined} pipe @param {number[]} direct */
function toRow({ proxy, samples, failed, rssBefore, rssPeak }, pipe, direct) {
  const { name, title } = proxy
  if (failed) return { proxy: name, title, failed }
  /** @param {(sample: Sample, round: number) => number} of */
  const middle = (of) => median(samples.map(of))
  return {
    proxy: name,
    title,
    cpu: middle(({ cpu }) => cpu),
    ratio: middle(({ cpu }, round) => cpu / (pipe?.samples[round]?.cpu ?? NaN)),
    perSecond: middle(({ perSecond }) => perSecond),
    p50: middle(({ p50 }) => p50),
    p99: middle(({ p99 }) => p99),
    added: middle(({ p50 }, round) => p50 - (direct[round] ?? NaN)),
    rssBefore: rssBefore / MB,
    rssGrown: (rssPeak - rssBefore) / MB,
    rounds: samples.map(({ cpu }) => cpu),
  }
}
