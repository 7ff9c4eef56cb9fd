// @ts-check
// Clients that ask for much and do not read: how far a proxy's memory grows, and what its other callers feel of it.
import { eachFresh } from '../harness/bench.mjs'

/** @typedef {import('../harness/bench.mjs').Bench} Bench @typedef {import('../harness/bench.mjs').Proxy} Proxy */

const MB = 1e6
const CALLS = { connections: 16 }

/**
 * @param {{ name: string, title: (count: number) => string, count: number, quickCount: number, proxies: string[], quick: string[] }} spec
 * @returns {import('../harness/bench.mjs').Case}
 */
export function stalledReaders({ title, count, quickCount, ...rest }) {
  const columns = [
    { key: 'grown', heading: 'RSS grown by MB', digits: 0 },
    { key: 'kib', heading: 'KiB/reader', digits: 0 },
    { key: 'p50Before', heading: 'p50 ms of calls before', digits: 2 },
    { key: 'p50', heading: 'meanwhile', digits: 2 },
    { key: 'rssKept', heading: 'RSS kept after, MB', digits: 0 },
  ]
  return {
    ...rest,
    describe: (quick) => ({ title: title(quick ? quickCount : count), columns }),
    run: (bench, names) =>
      eachFresh(bench, names, (proxy) => measure(bench, proxy, bench.pace.quick ? quickCount : count)),
  }
}

/** @param {Bench} bench @param {Proxy} proxy @param {number} count */
async function measure(bench, proxy, count) {
  await bench.warm(proxy, 'calls', CALLS)
  const calm = await bench.measure(proxy, 'calls', CALLS)
  const start = await proxy.memory()
  const stalled = await bench.open(proxy.port, 'stalledReaders', { count })
  const meanwhile = await bench.measure(proxy, 'calls', CALLS)
  const full = await proxy.memory()
  await stalled.close()
  if (!(await bench.streamsGone())) throw new Error('the clients are gone, but streams to the upstream are still open')
  const end = await proxy.memory()
  return {
    count,
    grown: (full.rss - start.rss) / MB,
    kib: (full.rss - start.rss) / count / 1024,
    p50Before: calm.p50,
    p50: meanwhile.p50,
    rssKept: (end.rss - start.rss) / MB,
  }
}
