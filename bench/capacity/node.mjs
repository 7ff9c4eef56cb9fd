// @ts-check
// One node of the capacity check, a process of its own: node node.mjs UPSTREAM_ORIGIN REDIS_PORT [log]
import express from 'express'
import { createClient } from 'redis'
import { createExpressServer, mcpGateway, RedisEventLog, RedisSessionStore } from '../../dist/index.js'
import { serve } from '../harness/child.mjs'

const [origin = '', port = '', log] = process.argv.slice(2)
const GC_ROUNDS = 4
const PATIENCE_MS = 60_000

async function connect() {
  return createClient({ socket: { host: '127.0.0.1', port: Number(port), tls: false } }).connect()
}

const client = await connect()
const gateway = mcpGateway({
  servers: { bench: { url: `${origin}/bench/mcp` } },
  // Each user is a principal of their own, as in an app.
  authenticate: ({ headers }) => ({ id: String(headers.authorization) }),
  // Where the cores are shared, what is late is not wrong.
  sessions: new RedisSessionStore({ client, timeoutMs: PATIENCE_MS }),
  ...(log === 'log' && {
    events: new RedisEventLog({ client, blockingClient: await connect(), timeoutMs: PATIENCE_MS }),
  }),
})
const server = createExpressServer(express().use(gateway))
// Idle streams are part of what is measured: nothing may time out.
Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })

/** Resident bytes after full collections. */
async function memory() {
  for (let round = 0; round < GC_ROUNDS; round++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return process.memoryUsage().rss
}

server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  serve({ memory }, { port: address.port })
})
