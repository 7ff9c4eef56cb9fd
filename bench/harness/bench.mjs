// @ts-check
// What a case is given to work with: the upstream, the load generator, the proxies, and how long to take.
import { Fleet } from './fleet.mjs'
import { start } from './processes.mjs'

/** @typedef {import('./fleet.mjs').Proxy} Proxy @typedef {import('../load.mjs').Figures} Figures */

/**
 * One case: measures its proxies and says what to show of them.
 * @typedef {object} Case
 * @property {string} name for --only and the JSON
 * @property {string[]} proxies those measured
 * @property {string[] | undefined} quick those measured in a quick run; none leaves the case out
 * @property {boolean} [comparesWithItself] needs no bare pipe beside it
 * @property {(quick: boolean) => { title: string, columns: Column[] }} describe in plain words
 * @property {(bench: Bench, names: string[]) => Promise<Row[]>} run
 *
 * @typedef {{ key: string, heading: string, digits: number }} Column
 * @typedef {{ proxy: string, title: string, failed?: string, [figure: string]: any }} Row
 */

/** How a job takes, at most, beyond its own seconds: sessions to open, answers to wait for. */
const PATIENCE_MS = 60_000
/** A proxy is warm when so many slices in a row were no cheaper than one before, or after the longest time. */
const STEADY_SLICES = 3
const SLICE_SECONDS = 0.4
const MAX_WARM_SECONDS = 6

/**
 * `most`: how many rounds where there are few proxies, or where they cost nearly the same.
 * `warmSeconds`: for how long a proxy is warmed at least.
 * `leadSeconds`: how much of each round is not counted, because a process that waited for its turn is cold.
 * `uncounted`: how many first rounds are not, because Node throws away compiled code of a process that waits for long.
 */
const FULL = { rounds: 5, most: 10, seconds: 1, leadSeconds: 0.3, uncounted: 1, warmSeconds: 2, quick: false }
const TARGETS = { ...FULL, seconds: 0.4, warmSeconds: 1.5 }
const BRIEF = { ...TARGETS, most: 5, warmSeconds: 0.8 }
const QUICK = { rounds: 3, most: 6, seconds: 0.3, leadSeconds: 0, uncounted: 0, warmSeconds: 1, quick: true }

export class Bench {
  #load
  #upstream

  /**
   * @param {import('./processes.mjs').Child} upstream @param {import('./processes.mjs').Child} load
   * @param {typeof FULL} pace @param {{ profile?: string | undefined, node?: string | undefined }} how
   */
  constructor(upstream, load, pace, how) {
    this.#upstream = upstream
    this.#load = load
    this.upstreamPort = /** @type {number} */ (upstream.started.port)
    this.fleet = new Fleet(this.upstreamPort, how)
    this.pace = pace
    /** Told what is being done. @type {(line: string) => void} */
    this.progress = () => {}
  }

  /** @param {import('./flags.mjs').Flags} flags */
  static async start({ quick, targets, brief, profile, node }) {
    const [upstream, load] = await Promise.all([start('upstream.mjs'), start('load.mjs')])
    return new Bench(upstream, load, quick ? QUICK : brief ? BRIEF : targets ? TARGETS : FULL, { profile, node })
  }

  /** Opens a job of the load generator, to be run and closed. @param {number} port @param {string} job @param {object} params */
  async open(port, job, params) {
    const id = await this.#load.ask('open', { job, port, params }, 2 * PATIENCE_MS)
    return {
      /** @param {number} seconds @returns {Promise<Figures>} */
      run: (seconds) => this.#load.ask('run', { id, seconds }, seconds * 1000 + PATIENCE_MS),
      close: () => this.#load.ask('close', { id }, PATIENCE_MS),
    }
  }

  /**
   * Runs a job and says what it cost the proxy, in CPU microseconds a unit. Of what it does in the lead nothing is counted.
   * @param {Proxy} proxy @param {string} job @param {object} params
   */
  async measure(proxy, job, params, seconds = this.pace.seconds, leadSeconds = 0) {
    const opened = await this.open(proxy.port, job, params)
    try {
      if (leadSeconds > 0) await opened.run(leadSeconds)
      const before = await proxy.cpu()
      const figures = await opened.run(seconds)
      return { ...figures, cpu: ((await proxy.cpu()) - before) / figures.units }
    } finally {
      await opened.close()
    }
  }

  /**
   * Runs a job until it gets no cheaper: the compiler is at work for thousands of calls, and a proxy that earlier cases have
   * warmed is not to be compared with one that is new.
   * @param {Proxy} proxy @param {string} job @param {object} params
   */
  async warm(proxy, job, params) {
    const began = performance.now()
    const seconds = () => (performance.now() - began) / 1_000
    let [least, steady] = [Infinity, 0]
    while (seconds() < this.pace.warmSeconds || (steady < STEADY_SLICES && seconds() < MAX_WARM_SECONDS)) {
      const { cpu } = await this.measure(proxy, job, params, SLICE_SECONDS)
      steady = cpu < least ? 0 : steady + 1
      least = Math.min(least, cpu)
    }
  }

  /** Waits until the upstream has no stream open. Says whether that came true in time. */
  async streamsGone(withinMs = 20_000) {
    for (const end = performance.now() + withinMs; performance.now() < end;) {
      const { streams } = await this.#upstream.ask('state')
      if (streams === 0) return true
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return false
  }

  async end() {
    await Promise.all([this.fleet.end(), this.#load.end(), this.#upstream.end()])
  }
}

/**
 * For a case that measures one proxy after the other: a row for each that is there, also for one that fails.
 * @param {Bench} bench @param {string[]} names @param {(proxy: Proxy) => Promise<object>} measure
 * @returns {Promise<Row[]>}
 */
export async function eachFresh(bench, names, measure) {
  /** @type {Row[]} */
  const rows = []
  for (const name of names) {
    bench.progress(name)
    const proxy = await bench.fleet.fresh(name)
    if (!proxy) continue
    try {
      rows.push({ proxy: name, title: proxy.title, ...(await measure(proxy)) })
    } catch (error) {
      rows.push({ proxy: name, title: proxy.title, failed: /** @type {Error} */ (error).message })
    } finally {
      await proxy.end()
    }
  }
  return rows
}
