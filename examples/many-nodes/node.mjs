// @ts-check
// One node of several: an Express app with the gateway, whose sessions and events are in Redis. Any node answers any
// request, so the balancer needs no stickiness. On SIGTERM it ends what it has begun, and leaves the rest to the others.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { mcpGateway, RedisEventLog, RedisSessionStore } from 'express-mcp-gateway'
import { createClient } from 'redis'

const { PORT, HOST = '0.0.0.0', REDIS_URL, SERVER_URL, PUBLIC_URL, LEAVE_MS = '1000', GRACE_MS = '10000' } = process.env
if (!PORT || !REDIS_URL || !SERVER_URL || !PUBLIC_URL) {
  throw new Error('PORT, REDIS_URL, SERVER_URL and PUBLIC_URL must be set')
}

const client = createClient({ url: REDIS_URL }).on('error', console.error)
const blockingClient = client.duplicate().on('error', console.error)
await Promise.all([client.connect(), blockingClient.connect()])

let isLeaving = false
const app = express()
// The readiness probe: a node takes new requests while it has its Redis, and until it leaves.
app.get('/ready', (_req, res) => void res.status(!isLeaving && client.isReady ? 200 : 503).end())

const gateway = mcpGateway({
  servers: { counter: { url: SERVER_URL } },
  // Clients see one address, whatever node they reach; nothing is derived from Host or X-Forwarded-*.
  publicUrl: PUBLIC_URL,
  authenticate: ({ headers }) => {
    const [, id] = /^Bearer (\w+)$/.exec(headers.authorization ?? '') ?? []
    return id ? { id } : undefined // a real app verifies the token: see ../access-tokens
  },
  sessions: new RedisSessionStore({ client }),
  events: new RedisEventLog({ client, blockingClient }),
})
app.use('/mcp-servers', gateway)

const server = app.listen(Number(PORT), HOST)
await once(server, 'listening')
console.log(`Listens on ${PORT}.`)

process.once('SIGTERM', async () => {
  isLeaving = true
  // It refuses connections from here on, so that the balancer takes another node. What has connected is still served.
  server.close()
  await sleep(Number(LEAVE_MS))
  // Calls may end; streams are cut after the grace, and their clients go on at another node.
  await gateway.close({ graceMs: Number(GRACE_MS) })
  await Promise.all([client.close(), blockingClient.close()])
  // All responses are written. A connection that never sent a request is still open, and not idle for Node.js.
  setTimeout(() => server.closeAllConnections(), Number(LEAVE_MS)).unref()
})
