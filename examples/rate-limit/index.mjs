// @ts-check
// Rate limits by the libraries that exist for them: HTTP requests in front of the gateway, calls per user and tool in a
// layer, in words that an agent understands.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import express from 'express'
import { GatewayError, inProcess, mcpGateway } from 'express-mcp-gateway'
import { rateLimit } from 'express-rate-limit'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

function makeSearch() {
  const server = new McpServer({ name: 'search', version: '1.0.0' })
  for (const name of ['search', 'crawl']) {
    server.registerTool(name, {}, () => ({ content: [{ type: 'text', text: 'found' }] }))
  }
  return server
}

// ---- per user and tool: RateLimiterRedis counts for all nodes
const calls = new RateLimiterMemory({ points: 2, duration: 60 })
const crawls = new RateLimiterMemory({ points: 1, duration: 60 })

/** @param {RateLimiterMemory} limiter @param {string} key @returns {Promise<number>} the seconds to wait; 0: go on */
async function secondsToWait(limiter, key) {
  try {
    await limiter.consume(key)
    return 0
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return Math.ceil(refusal.msBeforeNext / 1_000)
    throw refusal // The limiter itself failed: so does the call.
  }
}

/** @type {import('express-mcp-gateway').Interceptor} */
const limits = {
  'tools/call': async ({ principal, params }, next) => {
    const seconds = await secondsToWait(calls, `${principal?.id} ${params.name}`)
    if (seconds === 0) return next()
    // A result, which the model reads; an error would be the client's to handle.
    const text = `Too many calls of ${params.name}. Try again in ${seconds} seconds.`
    return { resultType: 'complete', content: [{ type: 'text', text }], isError: true }
  },
}

/** @type {import('express-mcp-gateway').Interceptor} */
const hardLimit = {
  'tools/call': async ({ params }, next) => {
    const seconds = params.name === 'crawl' ? await secondsToWait(crawls, 'crawl') : 0
    if (seconds === 0) return next()
    throw new GatewayError('rate_limited', 'Too many crawls', { headers: { 'retry-after': String(seconds) } })
  },
}

const gateway = mcpGateway({
  authenticate: ({ headers }) => ({ id: String(headers['x-user']) }), // see ../logins
  servers: { search: inProcess((transport) => makeSearch().connect(transport)) },
  intercept: [limits, hardLimit],
})
const app = express()
// ---- in front: whoever it is, before the login is asked
app.use(
  '/mcp-servers',
  rateLimit({ windowMs: 60_000, limit: 40, standardHeaders: 'draft-8', legacyHeaders: false }),
  gateway,
)

// ---- and what comes of it
const listening = app.listen(0, '127.0.0.1')
await once(listening, 'listening')
const { port } = /** @type {import('node:net').AddressInfo} */ (listening.address())
const url = new URL(`http://127.0.0.1:${port}/mcp-servers/search/mcp`)

/** @param {string} user */
async function connect(user) {
  const client = new Client({ name: 'agent', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: { 'x-user': user } } }))
  return client
}
const ada = await connect('ada')
const grace = await connect('grace')

assert.equal((await ada.callTool({ name: 'search' })).isError, undefined)
assert.equal((await ada.callTool({ name: 'search' })).isError, undefined)
const third = /** @type {{ isError: boolean, content: { text: string }[] }} */ (await ada.callTool({ name: 'search' }))
assert.equal(third.isError, true)
assert.match(String(third.content[0]?.text), /^Too many calls of search\. Try again in \d+ seconds\.$/)
assert.equal((await grace.callTool({ name: 'search' })).isError, undefined)
console.log('ada searches twice a minute, and reads when she may again; grace has a count of her own.')

await ada.callTool({ name: 'crawl' })
await assert.rejects(grace.callTool({ name: 'crawl' }), /Too many crawls/)
console.log('One crawl a minute for all: the next is 429, with Retry-After.')

let status = 0
while (status !== 429) ({ status } = await fetch(url, { method: 'GET' }))
console.log('The 41st HTTP request of a minute is 429 before anybody is asked who it is.')

await Promise.allSettled([ada.close(), grace.close()])
await gateway.close()
listening.close()
