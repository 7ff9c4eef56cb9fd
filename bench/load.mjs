// @ts-check
// The load generator, a child process: opens a job against a port, runs it when told to, closes it.
import { serve } from './harness/child.mjs'
import { calls } from './load/calls.mjs'
import { idleSessions, idleStreams, stalledReaders } from './load/holds.mjs'
import { setup } from './load/setup.mjs'
import { streams } from './load/streams.mjs'

/**
 * What a job is: opened ahead, so that a run is nothing but the work that is measured.
 * @typedef {object} Job
 * @property {(params: { seconds: number }) => Promise<Figures>} run
 * @property {() => Promise<void>} close
 */

/**
 * What a run says. A unit is what the case counts: calls, events, MB; times are in milliseconds.
 * @typedef {{ units: number, perSecond: number, p50: number, p99: number }} Figures
 */

/** @type {Record<string, (port: number, params: any) => Promise<Job>>} */
const kinds = { calls, setup, streams, idleStreams, idleSessions, stalledReaders }

/** @type {Map<number, Job>} */
const jobs = new Map()
let last = 0

serve(
  {
    /** @param {{ job: string, port: number, params: object }} args */
    async open({ job, port, params }) {
      const kind = kinds[job]
      if (!kind) throw new Error(`there is no job "${job}"`)
      jobs.set(++last, await kind(port, params))
      return last
    },
    /** @param {{ id: number, seconds: number }} args */
    run: ({ id, seconds }) => jobs.get(id)?.run({ seconds }),
    /** @param {{ id: number }} args */
    async close({ id }) {
      await jobs.get(id)?.close()
      jobs.delete(id)
    },
  },
  {},
)
