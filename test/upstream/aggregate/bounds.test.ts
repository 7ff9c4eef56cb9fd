// What an aggregate remembers of requests that are over, measured in bytes.
import { text as textOf } from 'node:stream/consumers'
import { heldBytes, MiB } from '../../faults/support-bounds.ts'
import { aggregated } from '../../support/aggregated.ts'
import { listen } from '../../support/listen.ts'
import { initialize } from '../../support/rpc.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

/** What a member answers, which itself remembers nothing. */
const RESULTS: Readonly<Record<string, object>> = {
  initialize: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {}, logging: {} },
    serverInfo: { name: 'one', version: '1' },
  },
  'tools/list': { tools: [{ name: 'a', inputSchema: { type: 'object' } }] },
  'tools/call': { content: [] },
  'logging/setLevel': {},
}

test.each(['tools/list', 'logging/setLevel', 'tools/call'])(
  'SC6 of %s that is answered nothing is kept of its parameters, though it could be cancelled',
  async (method) => {
    const one = await use(
      listen(async (request, response) => {
        const { id, method: asked = '' } = JSON.parse((await textOf(request)) || '{}')
        if (id === undefined) return void response.writeHead(request.method === 'GET' ? 405 : 202).end()
        response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'one' })
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result: RESULTS[asked] }))
      }),
    )
    const gateway = await aggregated({ members: { one: { url: `${one.origin}/mcp` } } })
    const session = await initialize(gateway.url('desk'))
    const padding = 'x'.repeat(MiB)
    const ask = async (): Promise<void> => {
      const { message } = await session.request(method, { name: 'one__a', level: 'info', padding })
      expect(message).toHaveProperty('result')
    }
    await ask()
    const before = await heldBytes()
    for (let count = 0; count < 24; count += 1) await ask()
    expect((await heldBytes()) - before).toBeLessThan(8 * MiB)
  },
)
