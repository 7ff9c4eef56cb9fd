// @ts-check
// Memory of a proxy per idle GET stream, and what it keeps when the clients have vanished, then when their sessions end.
import { eachFresh } from '../harness/bench.mjs'

/** @typedef {import('../harness/bench.mjs').Bench} Bench @typedef {import('../harness/bench.mjs').Proxy} Proxy */

const KIB = 1024
const MB = 1e6
/** Opened and closed before the first look, so that code and buffers of the first streams do not count. */
const WARM_STREAMS = 100

/**
 * @param {{ name: string, title: string, counts: [number, number], quickCounts: [number, number], proxies: string[], quick: string[] }} spec
 * @returns {import('../harness/bench.mjs').Case}
 */
export function idleStreams({ title, counts, quickCounts, ...rest }) {
  /** @param {number[]} counts */
  const columns = ([few, many]) => [
    { key: 'few', heading: `KiB/stream, ${few}`, digits: 1 },
    { key: 'many', heading: `${many}`, digits: 1 },
    { key: 'heap', heading: 'of it heap', digits: 1 },
    { key: 'ratio', heading: '÷ bare pipe', digits: 2 },
    { key: 'heapKept', heading: 'heap kept, clients gone, MB', digits: 1 },
    { key: 'rssKept', heading: 'RSS kept, MB', digits: 1 },
    { key: 'heapAtEnd', heading: 'heap kept, sessions ended, MB', digits: 1 },
  ]
  return {
    ...rest,
    describe: (quick) => ({ title, columns: columns(quick ? quickCounts : counts) }),
    async run(bench, names) {
      const [few, many] = bench.pace.quick ? quickCounts : counts
      const rows = await eachFresh(bench, names, (proxy) => measure(bench, proxy, few, many))
      const pipe = rows.find(({ proxy }) => proxy === 'pipe')?.['many']
      for (const row of rows) row['ratio'] = row['many'] / pipe
      return rows
    },
  }
}

/** @param {Bench} bench @param {Proxy} proxy @param {number} few @param {number} many */
async function measure(bench, proxy, few, many) {
  const warm = await bench.open(proxy.port, 'idleStreams', { count: WARM_STREAMS })
  await warm.close()
  await bench.streamsGone()
  const start = await proxy.memory()
  const first = await bench.open(proxy.port, 'idleStreams', { count: few })
  const atFew = await proxy.memory()
  const second = await bench.open(proxy.port, 'idleStreams', { count: many - few })
  const atMany = await proxy.memory()
  await Promise.all([first.run(0), second.run(0)])
  if (!(await bench.streamsGone())) throw new Error('the clients are gone, but streams to the upstream are still open')
  const gone = await proxy.memory()
  await Promise.all([first.close(), second.close()])
  const end = await proxy.memory()
  return {
    counts: [few, many],
    few: (atFew.rss - start.rss) / few / KIB,
    many: (atMany.rss - start.rss) / many / KIB,
    heap: (atMany.heapUsed - start.heapUsed) / many / KIB,
    heapKept: (gone.heapUsed - start.heapUsed) / MB,
    sessionHeap: (gone.heapUsed - end.heapUsed) / many / KIB,
    rssKept: (gone.rss - start.rss) / MB,
    heapAtEnd: (end.heapUsed - start.heapUsed) / MB,
    rssStart: start.rss / MB,
  }
}
