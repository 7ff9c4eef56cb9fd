// @ts-check
// The primary process of node:cluster: forks workers that share a port. node primary.mjs STORE UPSTREAM_ORIGIN
import cluster from 'node:cluster'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { serve } from '../harness/child.mjs'
import { freePort } from '../proxies/common/free-port.mjs'
import { startRedis } from '../proxies/common/redis.mjs'

const [store = '', origin = ''] = process.argv.slice(2)

const redisPort = store === 'redis' ? (await startRedis()).port : 0

cluster.setupPrimary({ exec: fileURLToPath(new URL('worker.mjs', import.meta.url)) })

/** @param {number} count */
async function fork(count) {
  const port = await freePort()
  const args = [store, origin, String(port), String(redisPort)]
  cluster.setupPrimary({ args })
  const workers = Array.from({ length: count }, () => cluster.fork())
  await Promise.all(workers.map((worker) => once(worker, 'listening')))
  return { port, pids: workers.map((worker) => Number(worker.process.pid)) }
}

process.on('exit', () => {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
})

serve({ fork }, {})
