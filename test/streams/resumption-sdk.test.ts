// The real SDK as an upstream that keeps its events: its streams break at every byte.
import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import type { RpcMessage } from '../support/exchange.ts'
import { MemoryEventStore } from '../support/memory-event-store.ts'
import { initialize, type OpenStream, type Session } from '../support/rpc.ts'
import { serveSessions, type RunningServer } from '../support/sessions.ts'

let server: RunningServer
let proxy: FaultProxy
let gateway: RunningGateway
let session: Session

beforeAll(async () => {
  const open = async (_: unknown, opened: (id: string) => void): Promise<StreamableHTTPServerTransport> => {
    const options = { eventStore: new MemoryEventStore(), retryInterval: 1 }
    const sessions = { sessionIdGenerator: () => randomUUID(), onsessioninitialized: opened }
    const transport = new StreamableHTTPServerTransport({ ...options, ...sessions })
    const mcp = new McpServer({ name: 'resumable', version: '1.0.0' }, { capabilities: { logging: {} } })
    mcp.registerTool('tell', {}, async (extra) => {
      for (const data of ['one', 'zwei, für alle €']) {
        await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } })
      }
      return { content: [{ type: 'text', text: 'told' }] }
    })
    await mcp.connect(transport)
    return transport
  }
  server = await serveSessions(open)
  proxy = await startFaultProxy(new URL(server.url).origin)
  gateway = await startGateway({ servers: { a: { url: `${proxy.origin}/mcp` } } })
  session = await initialize(gateway.url('a'))
})

afterAll(async () => {
  await gateway.close()
  await proxy.close()
  await server.close()
})

const tell = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'tell', arguments: {} } }
const whole = [
  { params: { data: 'one' } },
  { params: { data: 'zwei, für alle €' } },
  { id: 'call-1', result: { content: [{ text: 'told' }] } },
]

/** Reads a call to its end, which is to come by itself. */
async function read(client: OpenStream): Promise<RpcMessage[]> {
  const messages = [await client.nextMessage()]
  while (messages.at(-1)?.method !== undefined) messages.push(await client.nextMessage())
  return messages
}

test('a call that breaks off at any byte brings each message once, then its answer (SE1, SE7)', async () => {
  await proxy.end()
  await session.post(tell)
  const wire = proxy.connections.entries.at(-1)!.passed.down
  const start = wire.indexOf('\r\n\r\n') + 4
  const primed = wire.indexOf('\n\n', start) + 2
  for (let at = start + 1; at < wire.length; at += 5) {
    await proxy.end()
    proxy.plan({ down: [{ at, how: at % 2 === 0 ? 'end' : 'reset' }] })
    const client = await session.stream(tell)
    const messages = client.status === 200 ? await read(client) : []
    client.close()
    expect({ at, messages }).toMatchObject({
      at,
      messages: at < primed ? [{ id: 'call-1', error: { code: 502 } }] : whole,
    })
  }
})

test('a call that broke off ends with its answer, though the server leaves the stream open (SE1)', async () => {
  await proxy.end()
  const { length } = proxy.connections.entries.at(-1)!.passed.down
  proxy.plan({ down: [{ at: length - 10, how: 'reset' }] })
  const client = await session.stream(tell)
  expect(await read(client)).toMatchObject(whole)
  expect(await client.over).toBe('complete')
})
