// @ts-check
// CPU per call of a proxy that holds many idle sessions, against one of its kind that holds none, in the same rounds.
import { eachFresh } from '../harness/bench.mjs'
import { median } from '../harness/stats.mjs'

/** @typedef {import('../harness/bench.mjs').Bench} Bench @typedef {import('../harness/bench.mjs').Proxy} Proxy */

const CALLS = { connections: 16 }

/**
 * @param {{ name: string, title: (count: number) => string, count: number, quickCount: number, proxies: string[], quick: string[] }} spec
 * @returns {import('../harness/bench.mjs').Case}
 */
export function idleSessions({ title, count, quickCount, ...rest }) {
  /** @param {boolean} quick */
  const countOf = (quick) => (quick ? quickCount : count)
  /** @param {boolean} quick */
  const columns = (quick) => [
    { key: 'without', heading: 'CPU µs/call, none', digits: 1 },
    { key: 'cpu', heading: `with ${countOf(quick)}`, digits: 1 },
    { key: 'ratio', heading: 'with ÷ without', digits: 2 },
    { key: 'kib', heading: 'KiB/session', digits: 2 },
  ]
  return {
    ...rest,
    comparesWithItself: true,
    describe: (quick) => ({ title: title(countOf(quick)), columns: columns(quick) }),
    run: (bench, names) => eachFresh(bench, names, (loaded) => compare(bench, loaded, countOf(bench.pace.quick))),
  }
}

/** @param {Bench} bench @param {Proxy} loaded @param {number} count */
async function compare(bench, loaded, count) {
  const empty = await bench.fleet.fresh(loaded.name)
  if (!empty) throw new Error(String(bench.fleet.absent.get(loaded.name)))
  try {
    const both = [loaded, empty]
    const warm = () => inTurn(both, (proxy) => bench.warm(proxy, 'calls', CALLS))
    await warm()
    const [before] = await inTurn(both, (proxy) => proxy.memory())
    await (await bench.open(loaded.port, 'idleSessions', { count })).close()
    const [after] = await inTurn(both, (proxy) => proxy.memory())
    // Full collections throw compiled code away, and the figure is a small difference: both as warm as can be.
    await warm()
    if (!bench.pace.quick) await warm()
    const pairs = []
    for (let round = 0; round < 2 * bench.pace.rounds; round++) {
      const { cpu: without } = await bench.measure(empty, 'calls', CALLS)
      const { cpu } = await bench.measure(loaded, 'calls', CALLS)
      pairs.push({ without, cpu, ratio: cpu / without })
    }
    return {
      without: median(pairs.map(({ without }) => without)),
      cpu: median(pairs.map(({ cpu }) => cpu)),
      ratio: median(pairs.map(({ ratio }) => ratio)),
      kib: (Number(after?.rss) - Number(before?.rss)) / count / 1024,
    }
  } finally {
    await empty.end()
  }
}

/** One after the other. @template T @param {Proxy[]} proxies @param {(proxy: Proxy) => Promise<T>} work */
async function inTurn(proxies, work) {
  const results = []
  for (const proxy of proxies) results.push(await work(proxy))
  return results
}
