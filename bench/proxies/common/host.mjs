// @ts-check
// Runs one proxy of proxies/ in a process of its own: node host.mjs NAME UPSTREAM_ORIGIN
import http from 'node:http'
import { rssFromProc } from '../../harness/cpu.mjs'
import { serve } from '../../harness/child.mjs'
import { Absent } from './absent.mjs'

/**
 * What a file of proxies/ exports: `title`, and `start`, which gives a server (not listening yet), or the port, process
 * and end of something that listens already.
 * @typedef {{ title: string, start: (upstream: URL) => Started | Promise<Started> }} Proxy
 * @typedef {http.Server | { port: number, pid?: number, end?: () => void }} Started
 */

const GC_ROUNDS = 4

const [name = '', origin = ''] = process.argv.slice(2)

/** @returns {Promise<object>} */
async function startProxy() {
  try {
    /** @type {Proxy} */
    const { title, start } = await import(`../${name}.mjs`)
    const started = await start(new URL('/bench/mcp', origin))
    if (started instanceof http.Server) return { title, ...(await listen(started)) }
    if (started.end) process.once('exit', started.end)
    return { title, port: started.port, pid: started.pid ?? process.pid }
  } catch (error) {
    return { absent: whyAbsent(error) }
  }
}

/** @param {http.Server} server @returns {Promise<{ port: number, pid: number }>} */
function listen(server) {
  // As every proxy is set up here: idle streams are part of what is measured, so nothing may time out.
  Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
      resolve({ port, pid: process.pid })
    })
  })
}

/** Missing software is no fault of the bench: it is left out, and said. @param {any} error */
function whyAbsent(error) {
  if (error instanceof Absent) return error.message
  if (error?.code === 'ENOENT') return `${error.path ?? name} is not installed`
  if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
  return /dist[\\/]index\.js/.test(error.message)
    ? 'not built: npm run build'
    : `${error.message.split('\n')[0]} (npm ci --prefix bench)`
}

/** Memory after full collections: one alone leaves what finalizers let go of. */
async function memory() {
  for (let round = 0; round < GC_ROUNDS; round++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { rss, heapUsed } = process.memoryUsage()
  return started.pid === process.pid ? { rss, heapUsed } : { rss: rssFromProc(started.pid), heapUsed: NaN }
}

function cpu() {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** @type {any} */
const started = await startProxy()
serve({ memory, cpu }, started)
