// @ts-check
// node bench/cluster.mjs [--workers N] [--rounds N]: what several processes that share a port by node:cluster give, beside one.
import { parseArgs } from 'node:util'
import { placeAnywhere } from './harness/cores.mjs'
import { cpuFromProc } from './harness/cpu.mjs'
import { start } from './harness/processes.mjs'
import { median } from './harness/stats.mjs'

/** @typedef {import('./load.mjs').Figures} Figures @typedef {{ port: number, pids: number[], workers: number, samples: Sample[] }} Nodes @typedef {{ cpu: number, perSecond: number }} Sample */

const STORES = ['sealed', 'redis']
const WARM_SECONDS = 4
const ROUND_SECONDS = 1
const PATIENCE_MS = 60_000
const CALLS = { connections: 16 }

const { values } = parseArgs({
  options: { workers: { type: 'string', default: '2' }, rounds: { type: 'string', default: '10' } },
})
const [workers, rounds] = [Number(values.workers), Number(values.rounds)]

/** The scheduler places all of them: cores are what is compared. @param {string} script @param {string[]} [args] */
async function startAnywhere(script, args) {
  const child = await start(script, args)
  placeAnywhere(child.pid)
  return child
}

const [upstream, load] = await Promise.all([startAnywhere('upstream.mjs'), startAnywhere('load.mjs')])
const origin = `http://127.0.0.1:${/** @type {{ port: number }} */ (upstream.started).port}`

/** @param {Nodes} nodes @param {number} seconds @returns {Promise<Sample>} */
async function measure({ port, pids }, seconds) {
  const id = await load.ask('open', { job: 'calls', port, params: CALLS }, PATIENCE_MS)
  const cpu = () => pids.reduce((sum, pid) => sum + cpuFromProc(pid), 0)
  try {
    const before = cpu()
    /** @type {Figures} */
    const { units, perSecond } = await load.ask('run', { id, seconds }, PATIENCE_MS)
    return { cpu: (cpu() - before) / units, perSecond }
  } finally {
    await load.ask('close', { id }, PATIENCE_MS)
  }
}

/** @param {string} store */
async function compare(store) {
  const primary = await startAnywhere('cluster/primary.mjs', [store, origin])
  /** @type {Nodes[]} */
  const both = []
  for (const count of [1, workers]) {
    const started = await primary.ask('fork', count, PATIENCE_MS)
    both.push({ ...started, workers: count, samples: [] })
  }
  for (const nodes of both) await measure(nodes, WARM_SECONDS)
  for (let round = 0; round < rounds; round++) {
    for (const nodes of both) nodes.samples.push(await measure(nodes, ROUND_SECONDS))
  }
  for (const { workers: count, samples } of both) {
    const perSecond = Math.round(median(samples.map((sample) => sample.perSecond)))
    const cpu = median(samples.map((sample) => sample.cpu)).toFixed(1)
    console.log(
      `${store}, ${count} ${count === 1 ? 'process' : 'processes'}: ${perSecond} calls/s, ${cpu} µs of CPU a call`,
    )
  }
  await primary.end()
}

try {
  for (const store of STORES) await compare(store)
} finally {
  await Promise.all([upstream.end(), load.end()])
}
