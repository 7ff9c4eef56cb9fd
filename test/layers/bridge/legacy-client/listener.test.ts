// A client with sessions that listens to a server without them: what it is told, and that a new filter loses nothing.
import { jest } from '@jest/globals'
import type { ClientSession } from '../../../../lib/exchange/exchange.ts'
import type { PushBody } from '../../../../lib/exchange/push-body.ts'
import type { EventsReply } from '../../../../lib/exchange/reply.ts'
import {
  agree,
  type Bridged,
  bridged,
  type BridgedOptions,
  messagesOf,
  paramsOf,
  refuse,
  SUBSCRIPTION,
} from '../../../support/bridged.ts'
import { legacyCall, settled } from '../../../support/fixture.ts'
import type { MemoryClient } from '../../../support/memory-client.ts'
import type { Asked, MemoryStream } from '../../../support/memory-upstream.ts'

let gateway: Bridged
let session: ClientSession
let streams: MemoryStream[]

async function start(options: BridgedOptions = {}): Promise<void> {
  streams = []
  gateway = bridged(options)
  gateway.upstream.on('subscriptions/listen', (asked) => void streams.push(agree(asked)))
  session = await gateway.open()
}

afterEach(() => gateway.close())

async function listen(headers: Record<string, string> = {}): Promise<MemoryClient> {
  session = await gateway.find(session.id)
  const client = gateway.send(undefined, { session, headers })
  await settled()
  return client
}

async function send(method: string, params: object): Promise<string[]> {
  const client = gateway.send(legacyCall(method, params), { session })
  await client.over
  return client.says
}

const subscribe = (uri: string) => send('resources/subscribe', { uri })
const unsubscribe = (uri: string) => send('resources/unsubscribe', { uri })
const filters = () => listens().map((asked) => paramsOf(asked)['notifications'])
const listens = (): Asked[] => gateway.upstream.asked.entries.filter(({ kind }) => kind === 'subscriptions/listen')
const urisOf = (client: MemoryClient) =>
  messagesOf(client, 'notifications/resources/updated').map(({ params }) => (params as { uri: string }).uri)

const TOOLS = { method: 'notifications/tools/list_changed', params: { _meta: { [SUBSCRIPTION]: 'x' } } }
const updated = (uri: string) => ({
  method: 'notifications/resources/updated',
  params: { uri, _meta: { [SUBSCRIPTION]: 'x', keep: 1 } },
})

describe('a listener', () => {
  test('ST15 ST16 PU5 is told what the server offers to tell, without what belongs to the protocol', async () => {
    await start()
    const client = await listen()
    expect(filters()).toEqual([{ toolsListChanged: true }])
    expect(client.response.status).toBe(200)
    streams[0]!.say(TOOLS)
    streams[0]!.say({ method: 'notifications/message', params: {} })
    streams[0]!.say({ id: 1, method: 'ping' })
    await settled()
    expect(messagesOf(client)).toEqual([{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }])
  })

  test('SE10 is one for each session: a second one is 409, and may come when the first has left', async () => {
    await start()
    const client = await listen()
    const second = await listen()
    expect(second.says).toEqual(['refused 409'])
    client.leave()
    gateway.inFlight.stopSession(session.id, (await import('../../../support/fixture.ts')).closing)
    await settled()
    expect((await listen()).response.status).toBe(200)
    expect(listens()[0]!.exchange.life.stopped).toBeDefined()
  })

  test('RT3 is 405 where there is nothing to hear, and the server is not asked', async () => {
    await start({ offered: { tools: {}, resources: {} } })
    expect((await listen()).says).toEqual(['refused 405'])
    expect(listens()).toEqual([])
  })

  test('RT3 is 405 where the server does not know how, 502 where it refuses', async () => {
    await start()
    gateway.upstream.on('subscriptions/listen', (asked) => refuse(asked, -32_601, undefined, 404))
    expect((await listen()).says).toEqual(['refused 405'])
    gateway.upstream.on('subscriptions/listen', (asked) => refuse(asked, -32_603, undefined, 200))
    expect((await listen()).says).toEqual(['refused 502'])
    gateway.upstream.on('subscriptions/listen', (asked) =>
      asked.events().say({ id: asked.exchange.requestIds[0], error: { code: -32_602, message: 'no' } }),
    )
    expect((await listen()).says).toEqual(['refused 502'])
    gateway.upstream.on('subscriptions/listen', (asked) => asked.events().end())
    expect((await listen()).says).toEqual(['refused 502'])
  })

  test('hears nothing, and costs the server nothing, while there is nothing that it wants to hear', async () => {
    await start({ offered: { resources: { subscribe: true } } })
    const client = await listen()
    expect(client.response.status).toBe(200)
    expect(listens()).toEqual([])
    await subscribe('a')
    streams[0]!.say(updated('a'))
    await settled()
    expect(urisOf(client)).toEqual(['a'])
  })

  test('SE5 that leaves is not listened for any more', async () => {
    await start()
    await listen()
    gateway.inFlight.stop((await import('../../../support/fixture.ts')).closing(), () => true)
    await expect(streams[0]!.over).resolves.toBe('let go')
  })

  test('SE16 that does not read has the server wait, and hears all of it when it reads', async () => {
    await start()
    const handle = gateway.pipeline.handleOf(gateway.config, 'client')
    const reply = (await handle(gateway.exchange(undefined, { session }))) as EventsReply
    const body = reply.body as PushBody
    for (let count = 0; count < 20; count += 1) streams[0]!.say(updated('x'.repeat(40_000) + count))
    await settled()
    expect(body.keptBytes).toBeLessThan(150_000)
    let heard = ''
    body.pipe({ data: (chunk) => (heard += chunk.toString()) !== '', end: () => {} })
    await settled()
    expect(heard.split('notifications/resources/updated')).toHaveLength(21)
  })
})

describe('subscriptions', () => {
  test('11 of a client that does not listen yet count when it does', async () => {
    await start()
    expect([await subscribe('a'), await subscribe('b'), await subscribe('b'), await unsubscribe('a')]).toEqual([
      ['result'],
      ['result'],
      ['result'],
      ['result'],
    ])
    expect(listens()).toEqual([])
    await listen()
    expect(filters()).toEqual([{ toolsListChanged: true, resourceSubscriptions: ['b'] }])
  })

  test('11 the new stream is agreed to before the client is answered, and before the old one ends', async () => {
    await start()
    const client = await listen()
    const asked: Asked[] = []
    gateway.upstream.on('subscriptions/listen', (one) => void asked.push(one))
    const answering = subscribe('a')
    await settled()
    streams[0]!.say(TOOLS)
    await settled()
    expect(messagesOf(client)).toHaveLength(1)
    expect(listens()[0]!.exchange.life.stopped).toBeUndefined()
    streams.push(agree(asked[0]!))
    expect(await answering).toEqual(['result'])
    expect(filters()[1]).toEqual({ toolsListChanged: true, resourceSubscriptions: ['a'] })
    await expect(streams[0]!.over).resolves.toBe('let go')
    streams[1]!.say(updated('a'))
    await settled()
    expect(messagesOf(client)[1]).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/resources/updated',
      params: { uri: 'a', _meta: { keep: 1 } },
    })
  })

  test('11 while both streams are there nothing is said twice, and nothing is lost that only one of them says', async () => {
    await start()
    await subscribe('a')
    const client = await listen()
    await subscribe('b')
    const [old, young] = streams
    // Both say it, in either order; twice; and what only one of them has.
    old!.say(updated('a'))
    young!.say(updated('a'))
    young!.say(TOOLS)
    old!.say(TOOLS)
    young!.say(updated('a'))
    old!.say(updated('a'))
    young!.say(updated('b'))
    old!.say({ method: 'notifications/prompts/list_changed' })
    await settled()
    expect(urisOf(client)).toEqual(['a', 'a', 'b'])
    expect(messagesOf(client, TOOLS.method)).toHaveLength(1)
    expect(messagesOf(client, 'notifications/prompts/list_changed')).toHaveLength(1)
    await old!.over
    young!.say(updated('a'))
    await settled()
    expect(urisOf(client)).toEqual(['a', 'a', 'b', 'a'])
  })

  test('11 of several at the same time all are listened for', async () => {
    await start()
    await listen()
    await Promise.all(['a', 'b', 'c'].map(subscribe))
    await unsubscribe('b')
    expect(filters().at(-1)).toEqual({ toolsListChanged: true, resourceSubscriptions: ['a', 'c'] })
    expect(Object.keys((await gateway.find(session.id)).record.upstream.client!.subscriptions!)).toEqual(['a', 'c'])
  })

  test('SE5 of a client that leaves before the server has agreed are listened for no more', async () => {
    await start()
    const handle = gateway.pipeline.handleOf(gateway.config, 'client')
    const { body } = (await handle(gateway.exchange(undefined, { session }))) as EventsReply
    const waiting: Asked[] = []
    gateway.upstream.on('subscriptions/listen', (one) => void waiting.push(one))
    const answering = subscribe('a')
    await settled()
    waiting[0]!.events()
    await settled()
    body.cancel()
    const stream = agree(waiting[0]!)
    expect(await answering).toEqual(['result'])
    await expect(stream.over).resolves.toBe('let go')
  })

  test('SC6 to which the server agrees too late are let go, and nothing is said twice', async () => {
    await start()
    const client = await listen()
    const waiting: Asked[] = []
    gateway.upstream.on('subscriptions/listen', (one) => void waiting.push(one))
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] })
    try {
      const answering = subscribe('a')
      await settled()
      await jest.advanceTimersByTimeAsync(10_000)
      expect(await answering).toEqual(['refused 504'])
    } finally {
      jest.useRealTimers()
    }
    const late = agree(waiting[0]!)
    await settled()
    for (const stream of [streams[0]!, late]) stream.say(TOOLS)
    await settled()
    expect(messagesOf(client)).toHaveLength(1)
    await expect(late.over).resolves.toBe('let go')
  })

  test('11 C16 of requests that found the session as it was before are all kept', async () => {
    await start()
    const found = await Promise.all(['a', 'b'].map(async (uri) => ({ uri, session: await gateway.find(session.id) })))
    for (const each of found) {
      await gateway.send(legacyCall('resources/subscribe', { uri: each.uri }), { session: each.session }).over
    }
    await listen()
    expect(filters()).toEqual([{ toolsListChanged: true, resourceSubscriptions: ['a', 'b'] }])
  })

  test('to what the server does not tell of is refused, and not kept', async () => {
    await start()
    await listen()
    gateway.upstream.on('subscriptions/listen', (asked) => {
      asked.events().say({
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications: { toolsListChanged: true } },
      })
    })
    expect(await subscribe('a')).toEqual(['error -32602'])
    expect((await gateway.find(session.id)).record.upstream.client).not.toHaveProperty('subscriptions')
  })

  test('that the server refuses leave the stream as it was', async () => {
    await start()
    const client = await listen()
    gateway.upstream.on('subscriptions/listen', (asked) => refuse(asked, -32_603, undefined, 200))
    expect(await subscribe('a')).toEqual(['refused 502'])
    streams[0]!.say(TOOLS)
    await settled()
    expect(messagesOf(client)).toHaveLength(1)
  })

  test('SC6 are no more than a session can keep', async () => {
    await start()
    const outcomes = []
    for (let count = 0; count < 501; count += 1) outcomes.push((await subscribe(`uri:${count}`))[0])
    expect(outcomes.slice(0, 500).every((outcome) => outcome === 'result')).toBe(true)
    expect(outcomes[500]).toBe('error -32602')
  })
})

describe("the server's stream ends", () => {
  test.each(['answer', 'cut', 'end'] as const)(
    '11 by %s: it is asked for again, and what may have changed is said once',
    async (how) => {
      await start()
      await subscribe('a')
      const client = await listen()
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] })
      try {
        if (how === 'answer') streams[0]!.answer({ resultType: 'complete' })
        else streams[0]![how]()
        gateway.upstream.once('subscriptions/listen', (asked) => refuse(asked, -32_603, undefined, 200))
        await settled()
        await jest.advanceTimersByTimeAsync(1_000)
        await settled()
        await jest.advanceTimersByTimeAsync(2_000)
        await settled()
      } finally {
        jest.useRealTimers()
      }
      expect(listens()).toHaveLength(3)
      expect(messagesOf(client).map(({ method, params }) => [method, params])).toEqual([
        ['notifications/tools/list_changed', undefined],
        ['notifications/resources/updated', { uri: 'a' }],
      ])
      streams.at(-1)!.say(TOOLS)
      await settled()
      expect(messagesOf(client, TOOLS.method)).toHaveLength(2)
    },
  )
})
