// @ts-check
// The client the suite tests: an SDK client that does what the scenario named in the environment wants.
// `node client.mjs URL` talks to the scenario's server directly.

import { pathToFileURL } from 'node:url'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Login } from './oauth.mjs'

/** @typedef {(client: Client, standing: Promise<unknown>) => Promise<unknown>} Scenario */

/** @type {Record<string, Scenario>} */
const SCENARIOS = {
  initialize: (client) => client.listTools(),
  tools_call: (client) => call(client, 'add_numbers', { a: 5, b: 3 }),
  // The server asks on the standing stream and forgets it without one; the SDK opens that in passing, and whoever calls
  // sooner than it arrives waits for nothing.
  'elicitation-sep1034-client-defaults': async (client, standing) => {
    await standing
    await call(client, 'test_client_elicitation_defaults')
  },
  'sse-retry': (client) => call(client, 'test_reconnection'),
  'json-schema-2020-12-preservation': echoSchema,
  'request-metadata': (client) => client.listTools(),
  'sep-2322-client-request-state': answerQuestions,
  'http-standard-headers': useEverything,
  'http-custom-headers': callFromContext,
  'http-invalid-tool-headers': callAllTools,
  'json-schema-ref-no-deref': (client) => client.listTools(),
}

/**
 * Connects to `url`, plays the scenario the suite has asked for and ends the session.
 * @param {string} url
 * @param {typeof fetch} [fetching]
 */
export async function playScenario(url, fetching = fetch) {
  const name = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
  if (name.startsWith('auth/')) return logIn(url, fetching)
  const scenario = SCENARIOS[name]
  if (!scenario) throw new Error(`No such scenario: ${name}`)

  const { standing, watched } = watchStreams(fetching)
  const transport = new StreamableHTTPClientTransport(new URL(url), { fetch: watched })
  const client = createClient(process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] === '2026-07-28' ? 'auto' : 'legacy')
  await client.connect(transport)
  await scenario(client, standing)
  await transport.terminateSession()
  await client.close()
}

/**
 * @param {typeof fetch} fetching
 * @returns `standing` resolves when the first GET has been answered
 */
function watchStreams(fetching) {
  /** @type {(answered: Response) => void} */
  let answered
  /** @type {Promise<Response>} */
  const standing = new Promise((resolve) => {
    answered = resolve
  })
  /** @type {typeof fetch} */
  const watched = async (input, init) => {
    const response = await fetching(input, init)
    if (init?.method === 'GET') answered(response)
    return response
  }
  return { standing, watched }
}

/**
 * Connects as somebody who must log in for it, lists the tools and calls one.
 * @param {string} url
 * @param {typeof fetch} fetching
 */
async function logIn(url, fetching) {
  const login = new Login()
  const mode = process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] === '2026-07-28' ? 'auto' : 'legacy'
  /** @type {Client} */
  let client
  /** @type {StreamableHTTPClientTransport} */
  let transport
  const finish = (/** @type {URLSearchParams} */ back) => transport.finishAuth(back)
  await login.attempt(async () => {
    transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: login.provider, fetch: fetching })
    client = createClient(mode)
    await client.connect(transport)
  }, finish)
  await login.attempt(() => client.listTools(), finish)
  await login.attempt(() => client.callTool({ name: 'test-tool', arguments: {} }), finish)
  // @ts-expect-error It is assigned by now.
  await client.close()
}

/** @param {'auto' | 'legacy'} mode */
function createClient(mode) {
  const client = new Client(
    { name: 'express-mcp-gateway-conformance', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: { applyDefaults: true } } },
      versionNegotiation: { mode },
    },
  )
  // A user who confirms what is asked for and leaves everything else at its default.
  client.setRequestHandler('elicitation/create', ({ params }) => {
    const asked = 'requestedSchema' in params ? Object.keys(params.requestedSchema.properties) : []
    return { action: 'accept', content: asked.includes('confirmed') ? { confirmed: true } : {} }
  })
  return client
}

/**
 * @param {Client} client
 * @param {string} name
 * @param {Record<string, unknown>} [toolArguments]
 */
async function call(client, name, toolArguments = {}) {
  await client.listTools()
  return client.callTool({ name, arguments: toolArguments })
}

/** @param {Client} client */
async function echoSchema(client) {
  const { tools } = await client.listTools()
  const schema = tools.find(({ name }) => name === 'json_schema_2020_12_tool')?.inputSchema
  await client.callTool({ name: 'json_schema_echo', arguments: { schema } })
}

/**
 * Calls an unrelated tool while a question is open.
 * @param {Client} client
 */
async function answerQuestions(client) {
  await client.listTools()
  await Promise.all(['test_mrtr_echo_state', 'test_mrtr_unrelated'].map((name) => client.callTool({ name })))
  await client.callTool({ name: 'test_mrtr_no_state' })
  // The SDK refuses a result without `resultType`; all the scenario wants is that nothing is retried.
  await client.callTool({ name: 'test_mrtr_no_result_type' }).catch((error) => {
    if (error.code !== 'INVALID_RESULT') throw error
  })
}

/** @param {Client} client */
async function useEverything(client) {
  const { tools } = await client.listTools()
  for (const { name } of tools) await client.callTool({ name, arguments: {} })
  const { resources } = await client.listResources()
  for (const { uri } of resources) await client.readResource({ uri })
  const { prompts } = await client.listPrompts()
  for (const { name } of prompts) await client.getPrompt({ name })
}

/** @param {Client} client */
async function callFromContext(client) {
  await client.listTools()
  const { toolCalls } = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}')
  for (const toolCall of toolCalls) await client.callTool(toolCall)
}

/**
 * Calls all tools the client has kept: those with invalid headers it must have dropped.
 * @param {Client} client
 */
async function callAllTools(client) {
  const { tools } = await client.listTools()
  for (const { name } of tools) await client.callTool({ name, arguments: { region: 'us-west1' } })
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await playScenario(process.argv[2] ?? '')
}
