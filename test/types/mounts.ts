// Compile-only: the gateway is typed on node:http alone and still fits, without a cast, into every host's own types.
import { createServer } from 'node:http'
import connect from 'connect'
import express from 'express'
import express4 from 'express4'
import { type Gateway, mcpGateway } from '../../lib/index.ts'

const gateway: Gateway = mcpGateway({ servers: {}, authenticate: false })

// Express 5: the app, a path with parameters, a nested router, beside other middleware.
express().use(gateway)
express().use('/mcp-servers', gateway)
express().all('/tenants/:tenant/*rest', gateway)
express().use('/mcp-servers', express.json(), gateway)
express().use('/api', express.Router().use('/mcp-servers', gateway))

// Express 4: the same, on types of its own that know nothing of Express 5's.
express4().use(gateway)
express4().use('/mcp-servers', gateway)
express4().all('/tenants/:tenant/*', gateway)
express4().use('/mcp-servers', express4.json(), gateway)
express4().use('/api', express4.Router().use('/mcp-servers', gateway))

// Connect: its IncomingMessage declares `originalUrl` in a way that `exactOptionalPropertyTypes` is strict about.
connect().use(gateway)
connect().use('/mcp-servers', gateway)

// node:http: no `next` at all, and a host of one's own that hands one in.
createServer(gateway)
createServer((request, response) => gateway(request, response, (error?: unknown) => response.destroy(error as Error)))

// close() is a promise to wait for, with or without a deadline.
const closed: Promise<void>[] = [gateway.close(), gateway.close({}), gateway.close({ graceMs: 1000 })]
void closed

// A value that may be undefined can be handed over as it is, under `exactOptionalPropertyTypes` too.
declare const maybe: {
  sessions?: undefined
  path: string | undefined
  publicUrl: URL | undefined
  ms: number | undefined
}
mcpGateway({
  servers: {},
  authenticate: false,
  sessions: maybe.sessions,
  path: maybe.path,
  publicUrl: maybe.publicUrl,
  limits: { bodyBytes: maybe.ms },
  timeouts: { connectMs: maybe.ms, responseMs: maybe.ms },
})
