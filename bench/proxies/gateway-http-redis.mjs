// @ts-check
// This gateway on node:http with its sessions in a local Redis, when that is installed. Redis's own CPU does not count.
import http from 'node:http'
import { createClient } from 'redis'
import { RedisSessionStore } from '../../dist/index.js'
import { benchGateway } from './common/gateway.mjs'
import { startNative } from './common/native.mjs'

export const title = 'this gateway on node:http, Redis'

/** @param {URL} upstream */
export async function start(upstream) {
  const { port, end } = await startNative(
    'redis-server',
    (_folder, file) => [file],
    (free, folder) => `
bind 127.0.0.1
port ${free}
dir ${folder}
save ""
loglevel warning
`,
  )
  process.once('exit', end)
  const client = createClient({ socket: { host: '127.0.0.1', port, tls: false } })
  await client.connect()
  const sessions = new RedisSessionStore({ sendCommand: (...args) => client.sendCommand(args) })
  return http.createServer(benchGateway(upstream, { sessions }))
}
