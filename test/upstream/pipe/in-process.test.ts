// SDK servers of both generations in this very process, behind the gateway, with clients of both eras.
import { AsyncLocalStorage } from 'node:async_hooks'
import { McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { z } from 'zod'
import { inProcess, type PipeServer, type Principal, type ServerTransport } from '../../../lib/index.ts'
import { connectSdkV1, connectSdkV2, textOf } from '../../support/clients.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'
import { createJournal } from '../../support/journal.ts'
import { initialize, post, send } from '../../support/rpc.ts'
import { createSdkV1Server } from '../../support/sdk-v1-server.ts'
import { createSdkV2Server } from '../../support/sdk-v2-server.ts'
import type { Happening, Stage } from '../../support/sessions.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

const happenings = createJournal<Happening>()
const stage: Stage = { record: happenings.record, givenUp: new AbortController().signal }

/** A server of SDK v1 on each transport. */
const v1 = (transport: ServerTransport): Promise<void> => createSdkV1Server(stage).connect(transport)
const v2 = (transport: ServerTransport): unknown => serveStdio(() => createSdkV2Server(stage), { transport })

const gatewayOf = (server: PipeServer, rest: object = {}): Promise<RunningGateway> =>
  use(startGateway({ servers: { here: server }, ...rest }))

describe.each([
  ['SDK v1', v1],
  ['SDK v2', v2],
])('a server of %s', (_sdk, connect) => {
  describe.each([
    ['SDK v1', connectSdkV1],
    ['SDK v2', connectSdkV2],
  ])('with a client of %s', (_client, connectClient) => {
    test('lists, calls, reports progress, logs, asks, samples, and ends', async () => {
      const gateway = await gatewayOf(inProcess(connect))
      const client = await use(connectClient(gateway.url('here')))
      expect((await client.tools()).map(({ name }) => name)).toContain('echo')
      expect(textOf(await client.call('echo', { text: 'häl\u2028lo' }))).toBe('häl\u2028lo')
      const progress: number[] = []
      await client.call('count', { to: 3 }, { onprogress: (told) => progress.push(told.progress) })
      expect(progress).toEqual([1, 2, 3])
      expect(textOf(await client.call('ask'))).toBe('accept: Ada')
      expect(textOf(await client.call('sample'))).toContain('Hello.')
      expect(textOf(await client.call('roots'))).toBe('file:///home/ada')
      await client.call('log', { text: 'noted' })
      await client.told.next(({ method }) => method === 'notifications/message')
      await client.call('grow', { name: 'grown' })
      await client.told.next(({ method }) => method === 'notifications/tools/list_changed')
      await client.endSession()
      const after = await send('DELETE', gateway.url('here'), { 'mcp-session-id': client.sessionId })
      expect(after.status).toBe(404)
      expect(gateway.reported.entries).toEqual([])
    })

    test('cancels', async () => {
      const gateway = await gatewayOf(inProcess(connect))
      const client = await use(connectClient(gateway.url('here')))
      const quit = new AbortController()
      const started = happenings.next((each) => each === 'slow started')
      const call = client.call('slow', {}, { signal: quit.signal })
      call.catch(() => {})
      await started
      const cancelled = happenings.next((each) => each === 'slow cancelled')
      quit.abort()
      await cancelled
      await expect(call).rejects.toThrow(/abort/i)
      expect(textOf(await client.call('echo', { text: 'still here' }))).toBe('still here')
    })
  })
})

test('a modern client of a server of SDK v2 calls, hears of progress and of changes, and cancels', async () => {
  const gateway = await gatewayOf(inProcess(v2))
  const client = await use(connectSdkV2(gateway.url('here'), { mode: 'auto' }))
  expect(client.sessionId).toBeUndefined()
  expect(textOf(await client.call('echo', { text: 'hello' }))).toBe('hello')
  const progress: number[] = []
  await client.call('count', { to: 3 }, { onprogress: (told) => progress.push(told.progress) })
  expect(progress).toEqual([1, 2, 3])
  const quit = new AbortController()
  const started = happenings.next((each) => each === 'slow started')
  const call = client.call('slow', {}, { signal: quit.signal })
  call.catch(() => {})
  await started
  const cancelled = happenings.next((each) => each === 'slow cancelled')
  quit.abort()
  await cancelled
  expect(textOf(await client.call('echo', { text: 'still here' }))).toBe('still here')
})

test('a modern client that finds a legacy server goes on with a handshake', async () => {
  const gateway = await gatewayOf(inProcess(v1))
  const client = await use(connectSdkV2(gateway.url('here'), { mode: 'auto' }))
  expect(textOf(await client.call('echo', { text: 'hello' }))).toBe('hello')
})

const principals: Readonly<Record<string, Principal>> = {
  ada: { id: 'ada', scopes: ['read'], expiresAt: 4_102_444_800 },
  bob: { id: 'bob' },
}

test('handlers know who asks, in the async context of the request, and no two principals share a server', async () => {
  const requests = new AsyncLocalStorage<string>()
  const context: unknown[] = []
  const server = inProcess((transport, { principal, server: name, era }) => {
    context.push([principal?.id, name, era, requests.getStore()])
    return serveStdio(
      () => {
        const made = new McpServerV2({ name: 'who', version: '1' })
        made.registerTool('who', { inputSchema: z.object({}) }, (_args, { http }) => {
          const said = [principal?.id, http?.authInfo?.clientId, http?.authInfo?.scopes, requests.getStore()]
          return { content: [{ type: 'text' as const, text: JSON.stringify(said) }] }
        })
        return made
      },
      { transport },
    )
  })
  const authenticate = (request: { headers: Record<string, unknown> }): Principal | undefined =>
    principals[String(request.headers['authorization']).slice(7)]
  const host = {
    prefix: '',
    mount: (gateway: RunningGateway['gateway']) => (req: never, res: never) =>
      requests.run((req as { headers: Record<string, string> }).headers['authorization'] ?? '', gateway, req, res),
  }
  const gateway = await use(startGateway({ servers: { here: server }, authenticate }, host as never))
  for (const mode of ['legacy', 'auto'] as const) {
    for (const name of ['ada', 'bob', 'ada']) {
      const headers = { authorization: `Bearer ${name}` }
      const client = await use(connectSdkV2(gateway.url('here'), { headers, mode }))
      const [own, , , store] = JSON.parse(textOf(await client.call('who')))
      expect([own, store]).toEqual([name, `Bearer ${name}`])
    }
  }
  const opens = context.map((each) => (each as string[]).slice(0, 3).join(' '))
  expect(opens.filter((each) => each.endsWith('modern')).toSorted()).toEqual(['ada here modern', 'bob here modern'])
  expect(opens.filter((each) => each.endsWith('legacy'))).toHaveLength(3)
  expect(context).toContainEqual(['bob', 'here', 'legacy', 'Bearer bob'])
})

test('handlers of SDK v1 find the principal of each request in authInfo', async () => {
  const server = inProcess((transport) => {
    const made = new McpServer({ name: 'who', version: '1' })
    made.registerTool('who', {}, (extra) => ({
      content: [{ type: 'text' as const, text: JSON.stringify(extra.authInfo) }],
    }))
    return made.connect(transport)
  })
  const gateway = await gatewayOf(server, { authenticate: () => principals['ada'] })
  const client = await use(connectSdkV1(gateway.url('here')))
  expect(JSON.parse(textOf(await client.call('who')))).toEqual({
    token: '',
    clientId: 'ada',
    scopes: ['read'],
    expiresAt: 4_102_444_800,
    extra: { principal: principals['ada'] },
  })
})

test('what a factory throws is 502, and told to onError', async () => {
  const fault = new Error('no such cart')
  const gateway = await gatewayOf(inProcess(() => Promise.reject(fault)))
  const answer = await post(gateway.url('here'), {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
  })
  expect(answer.status).toBe(502)
  expect(answer.body).not.toContain('cart')
  expect(gateway.reported.entries[0]?.error.cause).toBe(fault)
})

test('a server that closes its transport ends the session, and its waiting requests at once', async () => {
  const servers: McpServer[] = []
  const gateway = await gatewayOf(
    inProcess((transport) => {
      const server = createSdkV1Server(stage)
      servers.push(server)
      return server.connect(transport)
    }),
  )
  const session = await initialize(gateway.url('here'))
  const started = happenings.next((each) => each === 'slow started')
  const waiting = session.request('tools/call', { name: 'slow', arguments: {} })
  await started
  await servers[0]!.close()
  expect((await waiting).status).toBe(502)
  expect((await session.request('ping')).status).toBe(404)
})

test('ending a session closes its server, and so does closing the gateway', async () => {
  const ends: string[] = []
  let count = 0
  const gateway = await gatewayOf(
    inProcess((transport) => {
      const server = createSdkV1Server(stage)
      const name = `server ${(count += 1)}`
      server.server.onclose = () => ends.push(name)
      return server.connect(transport)
    }),
  )
  const first = await initialize(gateway.url('here'))
  await initialize(gateway.url('here'))
  expect((await first.end()).status).toBe(200)
  expect(ends).toEqual(['server 1'])
  await gateway.gateway.close({ graceMs: 0 })
  expect(ends).toEqual(['server 1', 'server 2'])
})

test('a pipe of a lookup function needs a key', async () => {
  const make = (options?: { key: string }): Promise<RunningGateway> =>
    use(startGateway({ servers: () => inProcess(v1, options) }))
  const without = await make()
  await expect(initialize(without.url('a'))).rejects.toThrow('500')
  expect(String(without.reported.entries[0]?.error)).toContain('needs a "key"')
  const session = await initialize((await make({ key: 'v1' })).url('a'))
  expect((await session.request('tools/list')).status).toBe(200)
})

test('a result that JSON cannot say is an error response', async () => {
  const circle: Record<string, unknown> = {}
  circle['circle'] = circle
  const gateway = await gatewayOf(
    inProcess((transport) => {
      const server = new McpServer({ name: 'odd', version: '1' })
      server.registerTool('odd', {}, () => ({ content: [], _meta: circle }))
      return server.connect(transport)
    }),
  )
  const session = await initialize(gateway.url('here'))
  const { message } = await session.request('tools/call', { name: 'odd', arguments: {} })
  expect(message).toMatchObject({ error: { code: -32603 } })
})

test.each([
  ['no function', () => inProcess('server' as never), /takes a function/],
  ['an option that there is not', () => inProcess(v1, { keys: 'a' } as never), /did you mean "key"/],
  ['a bound that is none', () => startGateway({ servers: { a: inProcess(v1, { idleMs: 0 }) } }), /"idleMs"/],
  ['another key', () => startGateway({ servers: { a: { ...inProcess(v1), url: 'http://a' } as never } }), /"url"/],
  ['no pipe', () => startGateway({ servers: { a: { pipe: 'sh' } as never } }), /"pipe" must be a function/],
])('%s is a TypeError', async (_what, make, words) => {
  await expect((async () => make())()).rejects.toThrow(words)
  await expect((async () => make())()).rejects.toThrow(TypeError)
})
