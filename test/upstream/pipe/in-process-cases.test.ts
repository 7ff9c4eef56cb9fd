// In-process servers as they are in the wild: questions with no request, handlers that never answer, ends of all kinds.
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { inProcess, type PipeServer, type ServerTransport } from '../../../lib/index.ts'
import { connectSdkV1, connectSdkV2, textOf } from '../../support/clients.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { initialize } from '../../support/rpc.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

const gatewayOf = (server: PipeServer, rest: object = {}): Promise<RunningGateway> =>
  use(startGateway({ servers: { here: server }, ...rest }))

const say = (text: string): { content: Array<{ type: 'text'; text: string }> } => ({
  content: [{ type: 'text', text }],
})

const question = {
  message: 'Who?',
  requestedSchema: { type: 'object' as const, properties: { name: { type: 'string' as const } } },
}

function v1(transport: ServerTransport): Promise<void> {
  const server = new McpServer({ name: 'v1', version: '1' }, { capabilities: { tools: { listChanged: true } } })
  // By the SDK's own call the question names no request: over HTTP it would go to the GET stream.
  server.registerTool('elicit', {}, async () =>
    say(String((await server.server.elicitInput(question)).content?.['name'])),
  )
  server.registerTool('change', {}, () => (server.sendToolListChanged(), say('changed')))
  server.registerTool('hang', {}, () => new Promise(() => {}))
  server.registerTool('throw', {}, () => {
    throw new Error('out of order')
  })
  return server.connect(transport)
}

function v2(transport: ServerTransport): unknown {
  const make = (): McpServerV2 => {
    const server = new McpServerV2({ name: 'v2', version: '1' })
    server.registerTool('elicit', {}, async () => {
      const { content } = (await server.server.elicitInput(question)) as { content?: Record<string, unknown> }
      return say(String(content?.['name']))
    })
    server.registerTool('change', {}, () => (server.sendToolListChanged(), say('changed')))
    server.registerTool('hang', {}, () => new Promise(() => {}))
    server.registerTool('throw', {}, () => {
      throw new Error('out of order')
    })
    return server
  }
  return serveStdio(make, { transport })
}

describe.each([
  ['SDK v1', v1],
  ['SDK v2', v2],
])('a server of %s', (_sdk, connect) => {
  test('asks by elicitInput, which names no request, and gets its answer', async () => {
    const gateway = await gatewayOf(inProcess(connect))
    for (const connectClient of [connectSdkV1, connectSdkV2]) {
      const client = await use(connectClient(gateway.url('here')))
      expect(textOf(await client.call('elicit'))).toBe('Ada')
    }
  })

  test('says that its tools have changed on the GET stream', async () => {
    const gateway = await gatewayOf(inProcess(connect))
    const session = await initialize(gateway.url('here'))
    const listener = await session.listen()
    await session.request('tools/call', { name: 'change', arguments: {} })
    expect(await listener.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
    listener.close()
  })

  test('may never answer a request: it is 504, and others go on', async () => {
    const gateway = await gatewayOf(inProcess(connect), { timeouts: { responseMs: 700 } })
    const session = await initialize(gateway.url('here'))
    expect((await session.request('tools/call', { name: 'hang', arguments: {} })).status).toBe(504)
    expect((await session.request('tools/list')).status).toBe(200)
  })

  test('may throw in a handler: that is an error for its request alone', async () => {
    const gateway = await gatewayOf(inProcess(connect))
    const session = await initialize(gateway.url('here'))
    const { message } = await session.request('tools/call', { name: 'throw', arguments: {} })
    expect(message?.result).toMatchObject({ isError: true })
    expect((await session.request('tools/list')).status).toBe(200)
  })
})

test('servers of both generations stand side by side in one gateway', async () => {
  const gateway = await use(startGateway({ servers: { one: inProcess(v1), other: inProcess(v2) } }))
  const clients = [connectSdkV1, connectSdkV2].flatMap((connect) =>
    ['one', 'other'].map((name) => use(connect(gateway.url(name)))),
  )
  const names = (await Promise.all(clients)).map(({ server }) => (server.info as { name: string }).name)
  expect(names).toEqual(['v1', 'v2', 'v1', 'v2'])
})

test('a server that says something behind its end is refused, and nobody hears of it', async () => {
  let transport: ServerTransport | undefined
  const gateway = await gatewayOf(inProcess((own) => v1((transport = own))))
  await (await initialize(gateway.url('here'))).end()
  await expect(transport!.send({ jsonrpc: '2.0', method: 'notifications/message' })).rejects.toThrow('closed')
  expect(gateway.reported.entries).toEqual([])
})

test.each([
  [
    'throws',
    () => {
      throw new Error('no such cart')
    },
  ],
  ['rejects', () => Promise.reject(new Error('no such cart'))],
])('a factory that %s is 502 in both eras, and the next one is asked again', async (_how, fail) => {
  let count = 0
  const gateway = await gatewayOf(inProcess((transport) => ((count += 1) < 3 ? fail() : v2(transport))))
  await expect(initialize(gateway.url('here'))).rejects.toThrow('502')
  expect((await postModern(gateway.url('here'), modernRequest('tools/list'))).status).toBe(502)
  expect((await postModern(gateway.url('here'), modernRequest('tools/list'))).status).toBe(200)
  await initialize(gateway.url('here'))
})

test('a question before "initialized" waits for the listener, and its answer goes back', async () => {
  const answered = new Promise<unknown>((resolve) => {
    const server = inProcess(async (transport) => {
      transport.onmessage = (message: { id?: number | string; method?: string; result?: unknown }) => {
        if (message.method === 'initialize') {
          const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'n', version: '1' } }
          void transport.send({ jsonrpc: '2.0', id: message.id, result })
          void transport.send({ jsonrpc: '2.0', id: 'early', method: 'roots/list' })
        } else if (message.id === 'early') resolve(message.result)
      }
      await transport.start()
    })
    void gatewayOf(server).then(async (gateway) => {
      const session = await initialize(gateway.url('here'))
      const listener = await session.listen()
      const { id } = await listener.nextMessage()
      await session.post({ jsonrpc: '2.0', id, result: { roots: [] } })
      listener.close()
    })
  })
  expect(await answered).toEqual({ roots: [] })
})

test('servers whose sessions have ended are freed, with all that they held', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const servers: WeakRef<object>[] = []
  const gateway = await gatewayOf(
    inProcess((transport) => {
      const server = new McpServer({ name: 'v1', version: '1' })
      server.registerTool('hold', {}, () => say(String(big.length)))
      const big = Buffer.alloc(100_000)
      servers.push(new WeakRef(server), new WeakRef(transport))
      return server.connect(transport)
    }),
  )
  for (let count = 0; count < 50; count += 1) {
    const session = await initialize(gateway.url('here'))
    await session.request('tools/call', { name: 'hold', arguments: {} })
    await session.end()
  }
  let left = servers
  for (let turn = 0; turn < 50 && left.length > 4; turn += 1) {
    await sleep(20)
    collect()
    left = left.filter((each) => each.deref() !== undefined)
  }
  // The last one may be held by what is still on the stack.
  expect(left.length).toBeLessThanOrEqual(4)
})
