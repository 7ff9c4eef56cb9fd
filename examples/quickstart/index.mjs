// @ts-check
// Quick start: an Express app with a route of its own, the gateway mounted in it, a real MCP server behind it as a child
// process, and a real MCP client that goes through. Stays up until Ctrl-C; with `--once` it ends after the calls.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import express from 'express'
import { mcpGateway } from 'express-mcp-gateway'
import { stdio } from 'express-mcp-gateway/stdio'

const runOnce = process.argv.includes('--once')

// The MCP server: the protocol's own reference server, which the gateway starts for each session. Elsewhere that is
// stdio({ command: 'npx', args: ['-y', '@modelcontextprotocol/server-everything'] }).
const program = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))
const everything = stdio({ command: process.execPath, args: [program] })

// The app: one route of its own, and the gateway.
const app = express()
app.get('/', (_req, res) => void res.send('This is the app itself.\n'))
const gateway = mcpGateway({
  servers: { everything },
  authenticate: false, // everybody may; see ../existing-app for an app with a login
})
app.use('/mcp-servers', gateway)

const port = Number(process.env['PORT'] ?? (runOnce ? 0 : 3000))
const server = app.listen(port, '127.0.0.1')
await once(server, 'listening').catch((error) => {
  console.error(`Cannot listen on port ${port} (${error.code}). Choose another: PORT=3005 npm start`)
  process.exit(1)
})
const address = /** @type {import('node:net').AddressInfo} */ (server.address())
const origin = `http://127.0.0.1:${address.port}`
const url = `${origin}/mcp-servers/everything/mcp`
assert.equal(await (await fetch(origin)).text(), 'This is the app itself.\n')
console.log(`1. An Express app runs at ${origin}, and its own route still answers.`)

// The client: any MCP client will do; this one answers when the server has a question.
const client = new Client({ name: 'quickstart', version: '1.0.0' }, { capabilities: { elicitation: {} } })
client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
  console.log(`   The server asks: "${params.message}" The client answers: Ada.`)
  return { action: 'accept', content: { name: 'Ada' } }
})
const transport = new StreamableHTTPClientTransport(new URL(url))
await client.connect(transport)
console.log(`2. A client opened a session at ${url}.`)
console.log(`3. For it the gateway started ${client.getServerVersion()?.title}, a child process without a port.`)

const { tools } = await client.listTools()
assert.ok(tools.length > 10, `only ${tools.length} tools`)
console.log(
  `4. It lists ${tools.length} tools: ${tools
    .slice(0, 3)
    .map((tool) => tool.name)
    .join(', ')} ...`,
)

const echo = await client.callTool({ name: 'echo', arguments: { message: 'hello' } })
assert.deepEqual(echo.content, [{ type: 'text', text: 'Echo: hello' }])
console.log('5. It calls "echo" and gets "Echo: hello".')

/** @type {number[]} */
const steps = []
await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 0.9, steps: 3 } }, undefined, {
  onprogress({ progress, total }) {
    steps.push(progress)
    console.log(`   Progress: ${progress} of ${total}.`)
  },
})
assert.deepEqual(steps, [1, 2, 3])
console.log('6. It called a tool that takes its time, and saw how far it was.')

const asked = await client.callTool({ name: 'trigger-elicitation-request', arguments: {} })
assert.match(JSON.stringify(asked.content), /Name: Ada/)
console.log('7. It called a tool that asks the user something, and the answer came back.')

const ended = transport.sessionId ?? ''
await transport.terminateSession()
await client.close()
const late = await fetch(url, { headers: { accept: 'text/event-stream', 'mcp-session-id': ended } })
assert.equal(late.status, 404)
console.log('8. It ended its session; the session id is worth nothing now.')

async function stop() {
  await gateway.close()
  server.close()
}

if (runOnce) {
  await stop()
} else {
  console.log(`\nPoint your own MCP client at ${url}. Ctrl-C ends.`)
  process.once('SIGINT', stop)
}
