// @ts-check
// The app's own REST API as tools: operations with the tag "agents" and no others, called in the app without a socket, as
// the user whose agent it is, so that the app's own login, checks and routes decide.
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { fromJsonSchema, McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import express from 'express'
import { inProcess, mcpGateway } from 'express-mcp-gateway'
import { callerOf } from './call.mjs'
import { operationsOf } from './operations.mjs'
import { openapi, petstore } from './petstore.mjs'

/** @typedef {import('./petstore.mjs').User} User */

// ---- who is asking: whoever shows a key, or whoever's agent has called a tool, which nobody outside can say of himself
const users = new Map([['key-of-ada', { id: 'ada' }]])
/** @type {AsyncLocalStorage<User>} */
const agentOf = new AsyncLocalStorage()
const userByKey = (/** @type {import('node:http').IncomingMessage} */ { headers }) =>
  users.get(String(headers['x-api-key']))
const api = petstore((request) => agentOf.getStore() ?? userByKey(request))
const app = express().use(api)

// ---- what is added
const callApi = callerOf(api)
const operations = (await operationsOf(openapi)).filter(({ tags }) => tags.includes('agents'))

/** @param {User} user */
function makeServer(user) {
  const server = new McpServer({ name: 'pets', version: '1.0.0' })
  for (const { name, description, inputSchema, requestOf } of operations) {
    server.registerTool(name, { description, inputSchema: fromJsonSchema(inputSchema) }, async (args) => {
      const request = requestOf(/** @type {Record<string, unknown>} */ (args))
      const { statusCode, payload } = await agentOf.run(user, () => callApi(request))
      return { content: [{ type: 'text', text: payload }], isError: statusCode >= 400 }
    })
  }
  return server
}

const gateway = mcpGateway({
  authenticate: userByKey,
  servers: {
    pets: inProcess((transport, { principal }) => serveStdio(() => makeServer(principal), { transport })),
  },
})
app.use('/mcp-servers', gateway)

// ---- and what comes of it
const listening = app.listen(0, '127.0.0.1')
await once(listening, 'listening')
const { port } = /** @type {import('node:net').AddressInfo} */ (listening.address())
const headers = { 'x-api-key': 'key-of-ada' }
const url = new URL(`http://127.0.0.1:${port}/mcp-servers/pets/mcp`)
assert.equal((await fetch(url, { method: 'POST' })).status, 401)

const client = new Client({ name: 'agent', version: '1.0.0' })
await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }))
const { tools } = await client.listTools()
const names = tools.map(({ name }) => name)
assert.deepEqual(names.slice(0, 4), ['listPets', 'addPet', 'getPet', 'replacePet'])
assert.match(String(names[4]), /^get__a_very_long_path_without_an_operation_id_that_nobo_[0-9a-f]{8}$/)
assert.equal(names[4]?.length, 64)
const alike = await operationsOf({ paths: { '/': { get: { operationId: 'a.b' }, put: { operationId: 'a_b' } } } })
assert.equal(new Set(alike.map(({ name }) => name)).size, 2)
console.log(`Of the API's ${names.length + 1} operations ${names.length} have the tag "agents" and are tools.`)

const child = { name: 'Rex', parent: { name: 'Lassie', parent: { name: 'Pal' } } }
for (const [name, args, method, path, more] of /** @type {const} */ ([
  [
    'listPets',
    { tags: ['dog', 'small & old'], ids: ['1', '2'], age: { min: 3 } },
    'GET',
    '/pets?tags=dog&tags=small+%26+old&ids=1%2C2&age%5Bmin%5D=3',
    {},
  ],
  ['addPet', { body: child }, 'POST', '/pets', { body: child }],
  [
    'getPet',
    { id: 'a/../b?c', 'x-language': 'de' },
    'GET',
    '/pets/a%2F..%2Fb%3Fc',
    { headers: { 'x-language': 'de' } },
  ],
  [
    'replacePet',
    { path_id: '1', query_id: '2', body: { id: '3', name: 'Rex' } },
    'PUT',
    '/pets/1?id=2',
    { body: { id: '3', name: 'Rex' } },
  ],
  [names[4] ?? '', { id: '7' }, 'GET', '/a/very/long/path/without/an/operation/id/that/nobody/could/type/7', {}],
])) {
  const { body, ...rest } = /** @type {{ body?: object, headers?: Record<string, string> }} */ (more)
  const type = body && { 'content-type': 'application/json' }
  const direct = await fetch(new URL(`/api${path}`, url), {
    method,
    headers: { ...headers, ...type, ...rest.headers },
    ...(body && { body: JSON.stringify(body) }),
  })
  assert.deepEqual(await call(name, args), { isError: false, said: await direct.json() })
}
console.log('Each answers an agent what it answers ada herself: paths, queries, headers and bodies are the same.')

assert.deepEqual(await call('getPet', { id: 'nobody' }), { isError: true, said: { error: 'No such pet' } })
for (const [name, args] of /** @type {const} */ ([
  ['addPet', { body: { name: 'Rex', parent: { name: 1 } } }],
  ['getPet', { id: '..' }],
  ['getPet', {}],
  ['deletePet', { id: '1' }],
])) {
  const { isError } = await client.callTool({ name, arguments: args }).catch(() => ({ isError: true }))
  assert.equal(isError, true)
}
console.log('A 404 is an error of the tool; what breaks the schema, leaves its path or is not for agents is refused.')

await client.close()
await gateway.close()
listening.close()

/** @param {string} name @param {Record<string, unknown>} args */
async function call(name, args) {
  const { isError, content } = await client.callTool({ name, arguments: args })
  const [block] = content
  return { isError, said: JSON.parse(block?.type === 'text' ? block.text : '') }
}
