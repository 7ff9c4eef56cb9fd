// @ts-check
// The MCP server behind: it counts the calls of a session, slowly, and can send its events again.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'

/** Keeps events in memory, in order. */
class Events {
  /** @type {{ id: string, stream: string, message: import('@modelcontextprotocol/sdk/types.js').JSONRPCMessage }[]} */
  #events = []

  /** @param {string} stream @param {import('@modelcontextprotocol/sdk/types.js').JSONRPCMessage} message */
  async storeEvent(stream, message) {
    const id = `${stream}_${this.#events.length}`
    this.#events.push({ id, stream, message })
    return id
  }

  /** @param {string} lastId @param {{ send: (id: string, message: import('@modelcontextprotocol/sdk/types.js').JSONRPCMessage) => Promise<void> }} to */
  async replayEventsAfter(lastId, { send }) {
    const last = this.#events.findIndex(({ id }) => id === lastId)
    const stream = this.#events[last]?.stream ?? ''
    for (const event of this.#events.slice(last + 1)) if (event.stream === stream) await send(event.id, event.message)
    return stream
  }
}

/** @type {Map<string, StreamableHTTPServerTransport>} */
const transports = new Map()

const server = createServer(async (req, res) => {
  const known = transports.get(String(req.headers['mcp-session-id']))
  if (known) return known.handleRequest(req, res)
  let count = 0
  const mcp = new McpServer({ name: 'counter', version: '1.0.0' })
  mcp.registerTool('count', {}, async () => {
    const text = String((count += 1))
    await new Promise((resolve) => setTimeout(resolve, 300))
    return { content: [{ type: 'text', text }] }
  })
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void transports.set(id, transport),
    eventStore: new Events(),
    retryInterval: 100,
  })
  await mcp.connect(transport)
  await transport.handleRequest(req, res)
})
server.listen(Number(process.env['PORT'] ?? 0), process.env['HOST'] ?? '127.0.0.1', () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  console.log(`Listens on ${address.port}.`)
})
