// A real server on @modelcontextprotocol/sdk (v1) over HTTP+SSE, the transport of 2024-11-05.
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { listen } from './listen.ts'
import { createSdkV1Server } from './sdk-v1-server.ts'

export interface OldServer {
  readonly url: string
  /** The transports that are open, by session id. */
  readonly open: ReadonlyMap<string, SSEServerTransport>
  close(): Promise<void>
}

export async function startSseServer(): Promise<OldServer> {
  const open = new Map<string, SSEServerTransport>()
  const stage = { record: () => {}, givenUp: new AbortController().signal }
  const { origin, close } = await listen((req, res) => {
    const id = new URL(req.url!, 'http://a').searchParams.get('sessionId')
    if (req.method === 'POST') {
      const transport = open.get(id ?? '')
      if (transport) void transport.handlePostMessage(req, res)
      else res.writeHead(404).end()
      return
    }
    const transport = new SSEServerTransport('/messages', res)
    open.set(transport.sessionId, transport)
    res.once('close', () => open.delete(transport.sessionId))
    void createSdkV1Server(stage).connect(transport)
  })
  return { url: `${origin}/sse`, open, close }
}
