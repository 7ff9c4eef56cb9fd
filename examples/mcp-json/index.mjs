// @ts-check
// An `mcpServers` file, as desktop clients have it, behind one gateway: read, and read again when it changes, without a
// restart. Who can write the file can name any command: which ones are started is for the code to say.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { mcpGateway } from 'express-mcp-gateway'
import { stdio } from 'express-mcp-gateway/stdio'
import { McpFile, remoteOf } from './mcp-file.mjs'

// ---- an MCP server somewhere: it says what key it was shown
const weather = express()
weather.post('/mcp', async (req, res) => {
  const mcp = new McpServer({ name: 'weather', version: '1.0.0' })
  mcp.registerTool('key', {}, () => ({ content: [{ type: 'text', text: String(req.headers['x-key']) }] }))
  const transport = new StreamableHTTPServerTransport({})
  await mcp.connect(transport)
  await transport.handleRequest(req, res)
})
weather.all('/mcp', (_req, res) => void res.status(405).set('allow', 'POST').end())
const weatherServer = weather.listen(0, '127.0.0.1')
await once(weatherServer, 'listening')

// ---- the file
const folder = await mkdtemp(join(tmpdir(), 'mcp-json-'))
const path = join(folder, 'mcp.json')
const remote = { type: 'http', url: `http://127.0.0.1:${portOf(weatherServer)}/mcp` }
const memory = {
  command: 'npx',
  args: ['-y', '@modelcontextprotocol/server-memory'],
  env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') },
}
process.env['WEATHER_KEY'] = 's3cret'
await write({
  weather: { ...remote, headers: { 'x-key': '${WEATHER_KEY}' } },
  memory,
  shell: { command: 'sh', args: ['-c', 'echo whatever the file says'] },
})

// ---- the gateway: `servers` is asked on every request, so that a change holds at once. A command is half of what is
// run: arguments, and variables such as NODE_OPTIONS, can name any other program.
/** The packages that npx may run, and the variables that each may be given. @type {Map<string, string[]>} */
const runnable = new Map([['@modelcontextprotocol/server-memory', ['MEMORY_FILE_PATH']]])
const file = new McpFile(path, (name, { command, args: [yes, packageName = '', ...more] = [], env = {} }) => {
  const variables = runnable.get(packageName)
  if (command === 'npx' && yes === '-y' && variables) {
    const given = Object.entries(env).filter(([variable]) => variables.includes(variable))
    return stdio({ command, args: [yes, packageName, ...more], env: Object.fromEntries(given) })
  }
  console.log(`"${name}" is left out: this app starts no ${command}.`)
  return undefined
})
await file.read()
const gateway = mcpGateway({ authenticate: false, servers: (name) => file.servers.get(name) })
const app = express().use('/mcp-servers', gateway)
const listening = app.listen(0, '127.0.0.1')
await once(listening, 'listening')

// ---- and what comes of it
assert.deepEqual([...file.servers.keys()], ['weather', 'memory'])
assert.deepEqual(await call('weather', 'key'), [{ type: 'text', text: 's3cret' }])
console.log('"weather" is a URL, and was shown the key of the environment.')

const entities = [{ name: 'Ada', entityType: 'person', observations: ['writes programs'] }]
await call('memory', 'create_entities', { entities })
assert.match(JSON.stringify(await call('memory', 'read_graph')), /writes programs/)
console.log('"memory" is a command, which the code lets npx run; each session has a process of its own.')

await assert.rejects(call('shell', 'anything'), { code: 404 })

// From a `server.json`, as the registry has it.
const document = {
  name: 'com.example/weather',
  remotes: [
    { type: 'streamable-http', url: remote.url, headers: [{ name: 'x-key', isRequired: true, isSecret: true }] },
  ],
}
let changed = file.changed()
await write({ forecast: remoteOf(document, { 'x-key': 'another' }) })
await changed
assert.deepEqual(await call('forecast', 'key'), [{ type: 'text', text: 'another' }])
await assert.rejects(call('memory', 'read_graph'), { code: 404 })
console.log('The file is another one: "forecast" is there, and "memory" is gone.')

const [fault] = await Promise.all([once(file, 'fault'), writeFile(path, '{ "mcpServers": {')])
assert.match(String(fault), /JSON/)
assert.deepEqual(await call('forecast', 'key'), [{ type: 'text', text: 'another' }])
console.log('The file is broken: what was there is served on.')

changed = file.changed()
await write({ weather: remote })
await changed
assert.deepEqual(await call('weather', 'key'), [{ type: 'text', text: 'undefined' }])
console.log('It is mended, and read again.')

await gateway.close()
for (const each of [file, listening, weatherServer]) each.close()
await rm(folder, { recursive: true })

/** @param {Record<string, object>} mcpServers */
function write(mcpServers) {
  return writeFile(path, JSON.stringify({ mcpServers }, undefined, 2))
}

/** @param {string} server @param {string} tool @param {Record<string, unknown>} [args] */
async function call(server, tool, args = {}) {
  const client = new Client({ name: 'agent', version: '1.0.0' })
  const transport = new StreamableHTTPClientTransport(
    new URL(`http://127.0.0.1:${portOf(listening)}/mcp-servers/${server}/mcp`),
  )
  await client.connect(transport)
  const { content } = await client.callTool({ name: tool, arguments: args })
  await transport.terminateSession()
  await client.close()
  return content
}

/** @param {import('node:http').Server} server */
function portOf(server) {
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port
}
