// Streams through layers: what leaves at once, what is held, and that resuming is no way round. (governance 15-23)
import { MemoryEventLog } from '../../../lib/index.ts'
import type { Exchange } from '../../support/exchange.ts'
import { modernRequest, openModern } from '../../support/modern.ts'
import { cleanUp, deferred, layer, world } from './setup.ts'

afterEach(cleanUp)

const progress = (at: number) => ({ method: 'notifications/progress', params: { progressToken: 1, progress: at } })
const call = (id: number | string = 7, name = 'x') => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } })
const pass = layer({ 'tools/call': (_, next) => next() })
const marking = layer({ 'tools/call': async (_, next) => ({ ...(await next()), seen: true }) })

test('15. what a server says before its response leaves at once, the response alone is held', async () => {
  const gate = deferred()
  const got = deferred()
  const intercept = layer({
    'tools/call': async (_, next) => {
      const result = await next()
      got.resolve()
      await gate.promise
      return { ...result, seen: true }
    },
  })
  const { upstream, open } = await world({ intercept })
  upstream.on('tools/call', async (exchange) => {
    const stream = exchange.stream()
    await stream.send(progress(1))
    await stream.send(progress(2))
    stream.finish({ content: [] })
  })
  const stream = await (await open()).stream(call())
  expect((await stream.nextMessage()).params).toMatchObject({ progress: 1 })
  expect((await stream.nextMessage()).params).toMatchObject({ progress: 2 })
  await got.promise
  expect(stream.bytes().toString()).not.toContain('"result"')
  gate.resolve()
  expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', id: 7, result: { content: [], seen: true } })
  expect(await stream.over).toBe('complete')
})

test('16. a slow layer stops the server’s stream, and what it lets through keeps its order', async () => {
  const gates = [deferred(), deferred()]
  const at: number[] = []
  const intercept = layer({
    'notifications/progress': async ({ params }, next) => {
      at.push(params.progress)
      await gates[params.progress - 1]!.promise
      await next()
    },
  })
  const { upstream, open } = await world({ intercept })
  upstream.on('tools/call', async (exchange) => {
    const stream = exchange.stream()
    await stream.send(progress(1))
    await stream.send(progress(2))
    stream.finish({ content: [] })
  })
  const stream = await (await open()).stream(call())
  while (at.length === 0) await new Promise((resolve) => setImmediate(resolve))
  gates[1]!.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  expect(at).toEqual([1])
  gates[0]!.resolve()
  expect((await stream.nextMessage()).params).toMatchObject({ progress: 1 })
  expect((await stream.nextMessage()).params).toMatchObject({ progress: 2 })
  expect(await stream.nextMessage()).toMatchObject({ id: 7, result: {} })
})

test('17. a changed event keeps its fields, and is one line of data, however it came', async () => {
  const intercept = layer({ 'notifications/message': ({ params }, next) => next({ ...params, data: 'changed' }) })
  const { upstream, open } = await world({ intercept })
  const said = '{"jsonrpc":"2.0","method":"notifications/message",\ndata: "params":{"level":"info","data":"secret"}}'
  for (const end of ['\n', '\r\n', '\r']) {
    upstream.once('GET', (exchange) => {
      const text = `\uFEFFid: 4\nevent: message\nretry: 50\ndata: ${said}\n\n`.replaceAll('\n', end)
      void exchange.stream().write(text)
    })
    const stream = await (await open()).listen()
    const event = await stream.next()
    expect(event).toMatchObject({ id: '4', event: 'message' })
    expect(stream.bytes().toString()).toContain('retry: 50\n')
    expect(event.data.split('\n')).toHaveLength(1)
    expect(JSON.parse(event.data)).toMatchObject({ params: { level: 'info', data: 'changed' } })
    stream.close()
  }
})

test('18. of a dropped event its id stays, so that a client resumes behind it', async () => {
  const intercept = layer({
    'notifications/message': ({ params }, next) => (params.level === 'debug' ? undefined : next()),
  })
  const { upstream, open } = await world({ intercept })
  upstream.on('GET', async (exchange) => {
    const stream = exchange.stream()
    await stream.send({ method: 'notifications/message', params: { level: 'debug', data: 'secret' } }, { id: '5' })
    await stream.send({ method: 'notifications/message', params: { level: 'info', data: 'kept' } }, { id: '6' })
  })
  const stream = await (await open()).listen()
  expect(await stream.next()).toMatchObject({ id: '5', data: '' })
  expect(await stream.next()).toMatchObject({ id: '6' })
  expect(stream.bytes().toString()).not.toContain('secret')
  stream.close()
})

describe('19. resuming is no way round a layer', () => {
  const broken = (exchange: Exchange): void => {
    const stream = exchange.stream()
    void stream.send(progress(1), { id: 'e1' }).then(() => stream.end())
  }

  test('without an event log the server’s ids are withheld, and the gateway asks for the rest itself', async () => {
    const { upstream, open } = await world({ intercept: [marking] })
    upstream.on('tools/call', broken)
    upstream.on('GET', (exchange) => {
      if (exchange.headers['last-event-id'] === undefined) return exchange.status(405)
      const stream = exchange.stream()
      void stream.send({ jsonrpc: '2.0', id: 7, result: { content: [] } }, { id: 'e2' }).then(() => stream.end())
    })
    const stream = await (await open()).stream(call())
    expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/progress' })
    expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', id: 7, result: { content: [], seen: true } })
    expect(stream.bytes().toString()).not.toMatch(/^id:/m)
    expect(upstream.requests('GET').at(-1)!.headers['last-event-id']).toBe('e1')
  })

  test('a response on a stream to listen on, or to a guessed id, is not relayed', async () => {
    const { upstream, open } = await world({ intercept: [marking] })
    upstream.on('GET', async (exchange) => {
      const stream = exchange.stream()
      await stream.send({ jsonrpc: '2.0', id: 7, result: { content: ['secret'] } }, { id: 'e2' })
      await stream.send({ method: 'notifications/message', params: { level: 'info', data: 'kept' } }, { id: 'e3' })
    })
    const session = await open()
    for (const headers of [{}, { 'last-event-id': 'e1' }]) {
      const stream = await session.listen(headers)
      expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/message' })
      expect(stream.bytes().toString()).not.toContain('secret')
      stream.close()
    }
  })

  test('an event log has what the layers made, and a replay runs none of them', async () => {
    let runs = 0
    const intercept = layer({ 'tools/call': async (_, next) => ((runs += 1), { ...(await next()), seen: true }) })
    const { upstream, open } = await world({ intercept, events: new MemoryEventLog() })
    upstream.on('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.send(progress(1))
      stream.finish({ content: [] })
    })
    const session = await open()
    const stream = await session.stream(call())
    const first = await stream.next()
    for (;;) if ((await stream.next()).data.includes('"result"')) break
    const again = await session.listen({ 'last-event-id': first.id! })
    for (let event = await again.next(); ; event = await again.next()) {
      if (!event.data.includes('"result"')) continue
      expect(JSON.parse(event.data)).toMatchObject({ id: 7, result: { seen: true } })
      break
    }
    expect(runs).toBe(1)
    again.close()
  })
})

test('20. nor are tasks: their results go the way of calls, or are refused', async () => {
  const { upstream, open, modern, url } = await world({ intercept: [marking] })
  upstream.on('tasks/result', (exchange) => exchange.result({ content: [] }))
  expect((await (await open()).request('tasks/result', { taskId: 't' })).message?.result).toEqual({
    content: [],
    seen: true,
  })
  upstream.on('tasks/get', (exchange) => exchange.result({ status: 'completed', result: { content: ['secret'] } }))
  expect((await modern('tasks/get', { taskId: 't' })).message?.error?.code).toBe(-32601)
  upstream.on('subscriptions/listen', async (exchange) => {
    const stream = exchange.stream()
    await stream.send({ method: 'notifications/tasks', params: { result: { content: ['secret'] } } })
    await stream.send({ method: 'notifications/tools/list_changed' })
  })
  const stream = await openModern(url, modernRequest('subscriptions/listen', { notifications: { taskIds: ['t'] } }))
  expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
  expect(stream.bytes().toString()).not.toContain('secret')
  stream.close()
  const own = await world({ intercept: layer({ '*': (_, next) => next() }) })
  own.upstream.on('tasks/get', (exchange) => exchange.result({ status: 'completed' }))
  expect((await own.modern('tasks/get', { taskId: 't' })).message?.result).toEqual({ status: 'completed' })
})

describe('21. what is no response to the request passes no layer', () => {
  const secret = { content: ['secret'] }

  test.each<[what: string, answer: (exchange: Exchange) => void]>([
    ['a foreign id', (exchange) => exchange.json({ jsonrpc: '2.0', id: 'other', result: secret })],
    ['an array', (exchange) => exchange.json([{ jsonrpc: '2.0', id: exchange.message!.id, result: secret }])],
    [
      'a result with a status of an error',
      (exchange) => exchange.json({ jsonrpc: '2.0', id: exchange.message!.id, result: secret }, 400),
    ],
    [
      'a result of a server that fails',
      (exchange) => exchange.json({ jsonrpc: '2.0', id: exchange.message!.id, result: secret }, 500),
    ],
    [
      'text',
      (exchange) =>
        exchange.status(200, JSON.stringify({ jsonrpc: '2.0', id: exchange.message!.id, result: secret }), {
          'content-type': 'text/plain',
        }),
    ],
    [
      'a byte order mark',
      (exchange) =>
        exchange.status(200, `\uFEFF${JSON.stringify({ jsonrpc: '2.0', id: exchange.message!.id, result: secret })}`, {
          'content-type': 'application/json',
        }),
    ],
    ['no object', (exchange) => exchange.json({ jsonrpc: '2.0', id: exchange.message!.id, result: 'secret' })],
    [
      'nothing but a stream of others',
      (exchange) => {
        const stream = exchange.stream()
        void stream.send({ id: 'other', result: secret }).then(() => stream.end())
      },
    ],
  ])('%s', async (_, answer) => {
    const { upstream, open, modern } = await world({ intercept: [pass] })
    upstream.on('tools/call', answer)
    const session = await open()
    const answers = [await session.request('tools/call', { name: 'x' }), await modern('tools/call', { name: 'x' })]
    for (const { body, message } of answers) {
      expect(body).not.toContain('secret')
      expect(message?.error).toBeDefined()
    }
  })

  test('a second response', async () => {
    const { upstream, open } = await world({ intercept: [pass] })
    upstream.on('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.send(progress(1))
      await stream.send({ id: exchange.message!.id!, result: { content: [] } })
      await stream.send({ id: exchange.message!.id!, result: secret })
      stream.end()
    })
    const { body, messages } = await (await open()).post(call())
    expect(body).not.toContain('secret')
    expect(messages.map(({ id }) => id)).toEqual([undefined, 7])
  })

  test('a key spelled with escapes', async () => {
    const intercept = layer({ 'elicitation/create': () => ({ action: 'decline' }) })
    const { upstream, open } = await world({ intercept })
    upstream.on('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.write(
        String.raw`data: {"jsonrpc":"2.0","id":1,"m\u0065thod":"elicitation\/create","params":{"message":"secret"}}` +
          '\n\n',
      )
      stream.finish({ content: [] })
    })
    expect((await (await open()).post(call())).body).not.toContain('secret')
    expect((await upstream.nextRequest('response')).message).toMatchObject({ id: 1, result: { action: 'decline' } })
  })
})

test('22. a response that is too long to be shown is refused, not passed unseen', async () => {
  const { upstream, open } = await world({ intercept: [pass] })
  const text = 'x'.repeat(4 * 1024 * 1024)
  const session = await open()
  upstream.on('tools/call', (exchange) => exchange.result({ content: [{ type: 'text', text }] }))
  const whole = await session.request('tools/call', { name: 'x' })
  expect([whole.status, whole.message?.error?.message.includes('xxx')]).toEqual([502, false])
  upstream.on('tools/call', (exchange) => exchange.stream().finish({ content: [{ type: 'text', text }] }))
  const streamed = await session.post(call())
  expect(streamed.body.length).toBeLessThan(1_000)
  expect(streamed.message).toMatchObject({ id: 7, error: {} })
})

test('23. each message of a batch passes the layers; what is refused is answered, and the others go on', async () => {
  const intercept = layer({
    'tools/call': ({ params }, next) => {
      if (params.name === 'no') throw new Error('refused')
      return next()
    },
    'notifications/cancelled': () => undefined,
  })
  const { upstream, open } = await world({ intercept, server: { intercept: marking } })
  upstream.on('tools/call', (exchange) => exchange.result({ content: [] }))
  upstream.on('batch', (exchange) => exchange.status(202))
  const session = await open({ version: '2025-03-26' })
  const batch = [
    call(1, 'no'),
    call(2, 'yes'),
    { jsonrpc: '2.0', method: 'notifications/cancelled', params: {} },
    call(3, 'no'),
  ]
  const answered = await session.post(JSON.stringify(batch))
  expect(answered.messages.map(({ id, error, result }) => [id, error?.message, result])).toEqual([
    [1, 'Internal error', undefined],
    [2, undefined, { content: [], seen: true }],
    [3, 'Internal error', undefined],
  ])
  expect(upstream.requests('tools/call')).toHaveLength(1)
  expect(upstream.requests('batch')).toHaveLength(0)
  const refused = await session.post(JSON.stringify([call(1, 'no'), call(2, 'no')]))
  expect(refused.messages.map(({ error }) => error?.message)).toEqual(['Internal error', 'Internal error'])
  expect(upstream.requests('tools/call')).toHaveLength(1)
  // Also one in which nothing has a layer, for its responses to be checked; without a request it goes as it is.
  await session.post(JSON.stringify([{ jsonrpc: '2.0', id: 1, method: 'ping' }]))
  expect(upstream.requests('ping')).toHaveLength(1)
  const plain = JSON.stringify([{ jsonrpc: '2.0', method: 'notifications/roots/list_changed' }])
  await session.post(plain)
  expect(upstream.requests('batch')[0]!.body.toString()).toBe(plain)
})

test('a layer that answers while the server’s stream goes on has the last word, and the server is told', async () => {
  const intercept = layer({
    'tools/call': (_, next) =>
      Promise.race([next(), new Promise((resolve) => setTimeout(() => resolve({ content: [], late: true }), 40))]),
  })
  const { upstream, open } = await world({ intercept })
  upstream.on('tools/call', (exchange) => void exchange.stream().send(progress(1)))
  const answered = await (await open()).post(call())
  expect(answered.messages.at(-1)).toEqual({ jsonrpc: '2.0', id: 7, result: { content: [], late: true } })
  expect((await upstream.nextRequest('notifications/cancelled')).message?.params).toMatchObject({ requestId: 7 })
})

test('a stream that breaks is an error that a layer may make an answer of', async () => {
  const intercept = layer({
    'tools/call': ({ params }, next) => (params.name === 'x' ? next() : next().catch(() => ({ content: [] }))),
  })
  const { upstream, open } = await world({ intercept })
  upstream.on('tools/call', async (exchange) => {
    await exchange.stream().send(progress(1))
    exchange.cut()
  })
  const session = await open()
  expect((await session.post(call(1))).message).toMatchObject({ id: 1, error: { code: 502 } })
  expect((await session.post(call(2, 'y'))).message).toEqual({ jsonrpc: '2.0', id: 2, result: { content: [] } })
})
