// Starts a node, and ends it on SIGTERM.
import { once } from 'node:events'
import express from 'express'
import { makeApp } from './app.ts'
import { Readiness } from './readiness.ts'
import { connectRedis } from './redis.ts'
import { readSettings } from './settings.ts'

const settings = readSettings(process.env)
const redis = await connectRedis(settings.redisUrl)
const readiness = new Readiness(() => redis.client.isReady)
const { app, close } = makeApp(settings, redis)

const server = express().use(readiness.handler, app).listen(settings.port, settings.host)
// Longer than the balancer keeps an idle connection, so that it is never the node that closes one first.
server.keepAliveTimeout = 65_000
await once(server, 'listening')
console.log(`Listens on ${settings.port}.`)

async function end(): Promise<void> {
  await readiness.leave(server, settings.leaveMs)
  await close()
  await redis.close()
  // All responses are written. A connection that never sent a request is still open, and not idle for Node.js.
  setTimeout(() => server.closeAllConnections(), settings.leaveMs).unref()
}
process.once('SIGTERM', end)
process.once('SIGINT', end)
