// @ts-check
// The proxies: found in proxies/, started as child processes, measured from outside.
import { readdirSync } from 'node:fs'
import { HAS_PROC, cpuFromProc, rssFromProc } from './cpu.mjs'
import { start } from './processes.mjs'

/**
 * @typedef {object} Proxy
 * @property {string} name
 * @property {string} title
 * @property {number} port
 * @property {() => Promise<number>} cpu microseconds used so far
 * @property {() => number} rss bytes, now; NaN where the system does not tell
 * @property {() => Promise<{ rss: number, heapUsed: number }>} memory after full collections
 * @property {() => Promise<void>} end
 */

/** Every file of proxies/ is a proxy. */
export const PROXIES = readdirSync(new URL('../proxies/', import.meta.url))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => file.slice(0, -'.mjs'.length))
  .toSorted()

export class Fleet {
  #origin
  /** By name and options of its Node. @type {Map<string, Proxy>} */
  #running = new Map()
  /** Why a proxy could not be measured, by name. @type {Map<string, string>} */
  absent = new Map()
  /** Those that are absent through a fault, not for want of software. @type {Set<string>} */
  faulty = new Set()

  #nodeOptions
  #node

  /**
   * @param {number} upstreamPort
   * @param {{ profile?: string | undefined, node?: string | undefined }} how the folder for CPU profiles, when they are
   *   wanted, and the Node that runs the proxies
   */
  constructor(upstreamPort, { profile, node }) {
    this.#node = node
    this.#nodeOptions = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
    this.#origin = `http://127.0.0.1:${upstreamPort}`
  }

  /** A proxy that stays up for the cases to come. @param {string} name @param {string[]} [nodeOptions] */
  async get(name, nodeOptions) {
    const key = [name, ...(nodeOptions ?? [])].join(' ')
    const proxy = this.#running.get(key) ?? (await this.fresh(name, nodeOptions))
    if (proxy) this.#running.set(key, proxy)
    return proxy
  }

  /** A proxy of one's own, with nothing behind it; the caller ends it. @param {string} name @param {string[]} [nodeOptions] @returns {Promise<Proxy | undefined>} */
  async fresh(name, nodeOptions = []) {
    if (this.absent.has(name)) return undefined
    const child = await this.#start(name, nodeOptions)
    if (!child) return undefined
    const { title, port, pid } = child.started
    return {
      name,
      title,
      port,
      cpu: async () => (HAS_PROC ? cpuFromProc(pid) : child.ask('cpu')),
      rss: () => (HAS_PROC ? rssFromProc(pid) : NaN),
      memory: () => child.ask('memory'),
      end: child.end,
    }
  }

  /** @param {string} name @param {string[]} nodeOptions */
  async #start(name, nodeOptions) {
    try {
      const options = [...this.#nodeOptions, ...nodeOptions]
      const child = await start('proxies/common/host.mjs', [name, this.#origin], options, this.#node)
      if (!child.started.absent) return child
      this.absent.set(name, child.started.absent)
      await child.end()
    } catch (error) {
      this.absent.set(name, /** @type {Error} */ (error).message)
      this.faulty.add(name)
    }
    return undefined
  }

  /** Ends a proxy that failed: the next case gets a new one. @param {Proxy} proxy */
  async drop(proxy) {
    for (const [key, one] of this.#running) if (one === proxy) this.#running.delete(key)
    await proxy.end()
  }

  async end() {
    await Promise.all([...this.#running.values()].map((proxy) => this.drop(proxy)))
  }
}
