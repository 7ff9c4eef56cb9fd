// @ts-check
// Two runs at once, each on a lane with servers of its own: a server tells all of its clients what one of them has changed.

import { startServer } from './servers.mjs'

const LANES = 2

/** @typedef {import('./servers.mjs').ServerName} ServerName */

class Lane {
  /** @type {Map<ServerName, ReturnType<typeof startServer>>} */
  #servers = new Map()

  /** @param {ServerName} name @returns {ReturnType<typeof startServer>} it is started when it is first asked for */
  server(name) {
    const running = this.#servers.get(name) ?? startServer(name)
    this.#servers.set(name, running)
    return running
  }

  async close() {
    const started = await Promise.allSettled(this.#servers.values())
    await Promise.all(started.map(async (server) => server.status === 'fulfilled' && server.value.close()))
  }
}

export class Lanes {
  #lanes = Array.from({ length: LANES }, () => new Lane())
  #free = [...this.#lanes]
  /** @type {((lane: Lane) => void)[]} */
  #waiting = []

  /**
   * First come, first served.
   * @template Result
   * @param {(lane: Lane) => Promise<Result>} run
   * @returns {Promise<Result>}
   */
  async use(run) {
    /** @type {Lane} */
    const lane = this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)))
    try {
      return await run(lane)
    } finally {
      const next = this.#waiting.shift()
      if (next) next(lane)
      else this.#free.push(lane)
    }
  }

  async close() {
    await Promise.all(this.#lanes.map((lane) => lane.close()))
  }
}
