// @ts-check
// What the suite says of a leg, in both columns: of a server directly, and of the same through a gateway.

import { join } from 'node:path'
import { startGateway } from './gateway.mjs'
import { nameOf, suiteOf } from './legs.mjs'
import { isPipeName, PIPES } from './servers.mjs'
import { runSuite } from './suite.mjs'

/**
 * @typedef {import('./lanes.mjs').Lanes} Lanes
 * @typedef {import('./legs.mjs').Leg} Leg
 * @typedef {import('./legs.mjs').Suite} Suite
 * @typedef {import('./suite.mjs').Outcome} Outcome
 * @typedef {{ options: string[], close?: () => Promise<void> }} Target what the suite is pointed at
 * @typedef {Parameters<Parameters<Lanes['use']>[0]>[0]} Lane
 */

export class Columns {
  #node
  #directory
  #lanes
  /** Legs that differ in their gateway have this column in common. @type {Map<string, Promise<Outcome>>} */
  #direct = new Map()

  /**
   * @param {string} node the Node that runs the suite
   * @param {string} directory where the suite leaves its checks
   * @param {Lanes} lanes
   */
  constructor(node, directory, lanes) {
    this.#node = node
    this.#directory = directory
    this.#lanes = lanes
  }

  /** @param {Leg} leg @returns {Promise<Outcome>} */
  direct(leg) {
    const { revision, suite, direct: server = leg.server } = leg
    if (isPipeName(server)) throw new Error(`The suite asks servers by URL: "${nameOf(leg)}" needs a "direct"`)
    const name = `direct, ${server}, ${revision}, ${suite}`
    const outcome =
      this.#direct.get(name) ??
      this.#run(name, suiteOf(leg), async (lane) => ({
        options: server === 'suite' ? command('client.mjs') : ['--url', (await lane.server(server)).url],
      }))
    this.#direct.set(name, outcome)
    return outcome
  }

  /** @param {Leg} leg @returns {Promise<Outcome>} */
  through(leg) {
    const { server, gateway: kind } = leg
    return this.#run(nameOf(leg), suiteOf(leg), async (lane) => {
      if (server === 'suite') return { options: command('client-through-gateway.mjs', kind) }
      const { url, close } = await startGateway(await behind(lane, server), kind)
      return { options: ['--url', url], close }
    })
  }

  /**
   * @param {string} name
   * @param {Suite} suite
   * @param {(lane: Lane) => Promise<Target>} aim
   * @returns {Promise<Outcome>} of all runs together
   */
  async #run(name, { side, runs }, aim) {
    const outcomes = await Promise.all(
      runs.map((run, index) =>
        this.#lanes.use(async (lane) => {
          const { options, close } = await aim(lane)
          try {
            const directory = join(this.#directory, name.replaceAll(/\W+/g, '-'), String(index))
            return await runSuite(this.#node, [side, ...options, ...run], directory)
          } finally {
            await close?.()
          }
        }),
      ),
    )
    return {
      ok: outcomes.every(({ ok }) => ok),
      output: outcomes.map(({ output }) => output).join(''),
      scenarios: new Map(outcomes.flatMap(({ scenarios }) => Array.from(scenarios))),
    }
  }
}

/**
 * @param {Lane} lane
 * @param {import('./servers.mjs').ServerName | import('./servers.mjs').PipeName} name
 * @returns {Promise<import('./servers.mjs').Behind>}
 */
async function behind(lane, name) {
  if (isPipeName(name)) return PIPES[name]
  const { entry } = await lane.server(name)
  return () => entry
}

/** The suite has a shell run it. @param {string} program @param {string[]} words */
function command(program, ...words) {
  const line = [process.execPath, join(import.meta.dirname, program), ...words]
  return ['--command', line.map((word) => `"${word}"`).join(' ')]
}
