// What an aggregate remembers, measured in bytes: of requests, sessions and principals that are over, and of lists.
import type { IncomingHttpHeaders } from 'node:http'
import { text as textOf } from 'node:stream/consumers'
import { heldBytes, MiB } from '../../faults/support-bounds.ts'
import { cursorOf } from '../../../lib/upstream/aggregate/cursors.ts'
import { sharedEventId } from '../../../lib/upstream/aggregate/member-ids.ts'
import { aggregated } from '../../support/aggregated.ts'
import type { RunningGateway } from '../../support/gateway.ts'
import { listen } from '../../support/listen.ts'
import { initialize, type Session } from '../../support/rpc.ts'
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
    expect((await heldBytes(before + 8 * MiB)) - before).toBeLessThan(8 * MiB)
  },
)

/** A server of any number of tools, which itself remembers nothing. */
async function listing(tools: (headers: IncomingHttpHeaders) => readonly string[]): Promise<string> {
  const one = await use(
    listen(async (request, response) => {
      const { id, method: asked = '' } = JSON.parse((await textOf(request)) || '{}')
      if (id === undefined) return void response.writeHead(request.method === 'GET' ? 405 : 202).end()
      const found = tools(request.headers).map((name) => ({ name, inputSchema: { type: 'object' } }))
      const result = asked === 'tools/list' ? { tools: found } : RESULTS[asked]
      response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': `${Math.random()}` })
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
    }),
  )
  return `${one.origin}/mcp`
}

/** Sessions of as many principals, each with a member of its own name, who list and call and go. */
async function comeAndGo(
  gateway: RunningGateway,
  from: number,
  count: number,
  each: (session: Session) => Promise<unknown>,
): Promise<void> {
  const all = Array.from({ length: count }, (_, index) => from + index).values()
  const worker = async (): Promise<void> => {
    for (const index of all) {
      const session = await initialize(gateway.url('desk'), { headers: { 'x-user': `${index}` } })
      await each(session)
      await session.end()
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}

const byUser = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) => ({ id: String(headers['x-user']) })

test('SC6 of sessions that are over nothing is kept: lists, calls, listeners, names, whoever the members were', async () => {
  const url = await listing(() => ['a', 'b'])
  const members = ({ principal }: { principal: { id: string } }) => ({
    [`m${principal.id}`]: { url },
    [`dead${principal.id}`]: { url: 'http://127.0.0.1:9/mcp' },
  })
  const gateway = await aggregated({
    members: {},
    config: { members, separator: false },
    gateway: { authenticate: byUser, onError: () => {} },
  })
  const each = async (session: Session): Promise<void> => {
    const listener = await session.listen()
    await session.request('tools/list')
    await session.request('tools/call', { name: 'a' })
    listener.close()
  }
  await comeAndGo(gateway, 0, 16, each)
  const before = await heldBytes()
  await comeAndGo(gateway, 16, 48, each)
  // Names are remembered for 30 seconds, with the pages that they were read from.
  expect((await heldBytes(before + 2 * MiB)) - before).toBeLessThan(2 * MiB)
})

test('SC6 the pages that are known have a limit together, whatever each principal’s list is', async () => {
  const long = 'x'.repeat(900)
  const url = await listing(({ 'x-tools': tools }) =>
    Array.from({ length: 1_000 }, (_, index) => `${String(tools)}${index}${long}`),
  )
  const headers = ({ principal }: { principal: { id: string } }) => ({ 'x-tools': principal.id })
  const members = ({ principal }: { principal: { id: string } }) => ({ [`m${principal.id}`]: { url, headers } })
  const gateway = await aggregated({ members: {}, config: { members }, gateway: { authenticate: byUser } })
  const each = (session: Session): Promise<unknown> => session.request('tools/list')
  const before = await heldBytes()
  await comeAndGo(gateway, 0, 24, each)
  expect((await heldBytes(before + 20 * MiB)) - before).toBeLessThan(20 * MiB)
})

test('SC6 a cursor and an event id hold no more than the members’ own', async () => {
  const pairs = Array.from({ length: 24 }, (_, index) => ({ member: `m${index}`, cursor: 'x'.repeat(1_000) }))
  expect(cursorOf(pairs)!.length).toBeLessThan(24 * 1_400)
  const ids = new Map(pairs.map(({ member, cursor }) => [member, cursor]))
  expect(sharedEventId(ids).length).toBeLessThan(24 * 1_400)
})
