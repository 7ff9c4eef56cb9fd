// Real SDK clients whose connection breaks in the middle of a call, at a server that can send nothing again: with an event
// log they have their answer all the same, by their own reconnecting.
import { MemoryEventLog } from '../../../lib/index.ts'
import { connectSdkV1, connectSdkV2, textOf, type TestClient } from '../../support/clients.ts'
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { startUpstream, type Exchange, type RpcMessage, type Upstream } from '../../support/upstream.ts'

let upstream: Upstream
let gateway: RunningGateway
let proxy: FaultProxy

beforeEach(async () => {
  upstream = await startUpstream()
  for (const kind of ['tools/call', 'GET']) {
    upstream.on(kind, (exchange) => exchange.stream().write('retry: 100\n\n'))
  }
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, events: new MemoryEventLog() })
  proxy = await startFaultProxy(gateway.origin)
})

afterEach(async () => {
  await proxy.close()
  await gateway.close()
  await upstream.close()
})

function step({ message }: Exchange, progress: number): RpcMessage {
  const { progressToken } = message!.params!['_meta'] as { progressToken: string | number }
  return { method: 'notifications/progress', params: { progressToken, progress } }
}

/** A call that has brought one step; the steps so far, and its result to come. */
async function begin(client: TestClient): Promise<{ steps: number[]; result: Promise<unknown>; exchange: Exchange }> {
  const steps: number[] = []
  let first: () => void
  const begun = new Promise<void>((resolve) => (first = resolve))
  const onprogress = ({ progress }: { progress: number }): void => {
    steps.push(progress)
    first()
  }
  const result = client.call('echo', {}, { onprogress })
  const exchange = await upstream.nextRequest('tools/call')
  await exchange.stream().send(step(exchange, 1))
  await begun
  return { steps, result, exchange }
}

const ways = ['end', 'reset'] as const

describe.each([
  ['SDK v1', connectSdkV1],
  ['SDK v2', connectSdkV2],
])('%s', (_, connect) => {
  test.each(ways)('a call that loses its connection (%s) goes on where it was (SE7)', async (how) => {
    const client = await connect(`${proxy.origin}/a/mcp`)
    try {
      const { steps, result, exchange } = await begin(client)
      for (const connection of proxy.connections.entries) connection.cut(how)
      await exchange.stream().send(step(exchange, 2))
      await exchange.stream().send(step(exchange, 3))
      exchange.stream().finish({ content: [{ type: 'text', text: 'whole' }] })
      expect(textOf(await result)).toBe('whole')
      expect(steps).toEqual([1, 2, 3])
      expect(upstream.requests('tools/call')).toHaveLength(1)
    } finally {
      await client.close()
    }
  })

  test('a listener that loses its connection hears what it missed (SE7)', async () => {
    const client = await connect(`${proxy.origin}/a/mcp`)
    try {
      const listener = await upstream.nextRequest('GET')
      await listener.stream().send({ method: 'notifications/message', params: { level: 'info', data: 1 } })
      await client.told.next()
      for (const connection of proxy.connections.entries) connection.cut('reset')
      await listener.stream().send({ method: 'notifications/message', params: { level: 'info', data: 2 } })
      expect((await client.told.next()).params).toMatchObject({ data: 2 })
      await listener.stream().send({ method: 'notifications/message', params: { level: 'info', data: 3 } })
      expect((await client.told.next()).params).toMatchObject({ data: 3 })
      expect(client.told.entries).toHaveLength(3)
      expect(upstream.requests('GET')).toHaveLength(1)
    } finally {
      await client.close()
    }
  })

  test('ten calls at once that lose their connections, some again and again, have their answers once', async () => {
    const client = await connect(`${proxy.origin}/a/mcp`)
    try {
      const calls = []
      for (let count = 0; count < 10; count += 1) calls.push(await begin(client))
      for (const connection of proxy.connections.entries) connection.cut('reset')
      for (const { exchange } of calls) await exchange.stream().send(step(exchange, 2))
      // Those that come back first are cut once more.
      for (let count = 0; count < 3; count += 1) (await nextResume()).cut('end')
      for (const [index, { exchange }] of calls.entries()) exchange.stream().finish(text(`answer ${index}`))
      for (const [index, { result, steps }] of calls.entries()) {
        expect(textOf(await result)).toBe(`answer ${index}`)
        expect(steps).toEqual([1, 2])
      }
    } finally {
      await client.close()
    }
  })
})

const text = (said: string) => ({ content: [{ type: 'text', text: said }] })

/** The next connection that asks for the rest of a call. */
async function nextResume() {
  for (;;) {
    const connection = await proxy.connections.next()
    while (!connection.passed.up.includes('\r\n\r\n')) await new Promise(setImmediate)
    if (/last-event-id/i.test(connection.passed.up.toString())) return connection
  }
}
