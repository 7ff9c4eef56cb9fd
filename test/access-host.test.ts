// What a gateway does for an `authenticate` hook that asks for it: servers by their URI, look-ups, and the end of access.
import {
  type AccessHost,
  type BearerAuthenticate,
  type GatewayOptions,
  mcpGateway,
  type Principal,
} from '../lib/index.ts'

const PUBLIC = 'https://app.example.com/mcp-servers'
const request = {} as Parameters<AccessHost['lookUp']>[1]['request']
const principal: Principal = { id: 'ada' }

/** A gateway, and what its hook was given. */
function attached(options: Partial<GatewayOptions> = {}) {
  const hosts: AccessHost[] = []
  let detached = 0
  const authenticate: BearerAuthenticate = Object.assign(() => principal, {
    protectedResource: { authorizationServers: ['https://login.example.com'] },
    needsResource: true,
    attach: (host: AccessHost) => {
      hosts.push(host)
      return () => void (detached += 1)
    },
  })
  const servers = { notes: { url: 'http://127.0.0.1:9/mcp', title: 'Notes' } }
  const gateway = mcpGateway({ servers, publicUrl: PUBLIC, ...options, authenticate })
  return { gateway, host: hosts[0]!, detached: () => detached }
}

test.each([`${PUBLIC}/notes/mcp`, `${PUBLIC}/notes/mcp/`, 'HTTPS://APP.example.com/mcp-servers/notes/mcp'])(
  'the server of %s is found, with the canonical URI',
  async (uri) => {
    const { gateway, host } = attached()
    expect(host.serverOf(uri)).toEqual({ name: 'notes', resource: `${PUBLIC}/notes/mcp` })
    await gateway.close()
  },
)

test.each([
  PUBLIC,
  `${PUBLIC}/`,
  `${PUBLIC}/notes`,
  `${PUBLIC}/notes/mcp/more`,
  `${PUBLIC}/notes/mcp?x=1`,
  `${PUBLIC}/notes/mcp#x`,
  `${PUBLIC}//notes/mcp`,
  `${PUBLIC}/%6eotes/mcp`,
  `${PUBLIC}/%/mcp`,
  'https://app.example.com.evil.example/mcp-servers/notes/mcp',
  'https://app.example.com/MCP-servers/notes/mcp',
  'http://app.example.com/mcp-servers/notes/mcp',
  '',
])('no server has the URI %j', async (uri) => {
  const { gateway, host } = attached()
  expect(host.serverOf(uri)).toBeUndefined()
  await gateway.close()
})

test('the server of a path without a name is found', async () => {
  const { gateway, host } = attached({ path: '/mcp' })
  expect(host.serverOf(`${PUBLIC}/mcp`)).toEqual({ name: 'notes', resource: `${PUBLIC}/mcp` })
  await gateway.close()
})

test('lookUp answers the config, nothing for a refusal, and rejects when the hook fails', async () => {
  const { gateway, host } = attached()
  expect(await host.lookUp('notes', { principal, request })).toMatchObject({ title: 'Notes' })
  expect(await host.lookUp('other', { principal, request })).toBeUndefined()
  await gateway.close()
  const failing = attached({ servers: () => Promise.reject(new Error('the database is away')) })
  await expect(failing.host.lookUp('notes', { principal, request })).rejects.toThrow('the database is away')
  await failing.gateway.close()
})

test('a gateway that closes lets go of its hook, once', async () => {
  const { gateway, detached } = attached()
  expect(detached()).toBe(0)
  await gateway.close()
  await gateway.close()
  expect(detached()).toBe(1)
})
