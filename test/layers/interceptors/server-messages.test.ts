// What servers ask and tell of their own accord, as layers see it. (governance 24-27)
import { jest } from '@jest/globals'
import { GatewayError, RpcError } from '../../../lib/index.ts'
import { KeptAnswers } from '../../../lib/layers/interceptors/questions.ts'
import type { Exchange } from '../../support/exchange.ts'
import { modernRequest, openModern } from '../../support/modern.ts'
import { cleanUp, layer, world } from './setup.ts'

afterEach(cleanUp)

const call = (id: number | string = 7) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'x' } })
const question = (message: string, id = 'q1') => ({ id, method: 'elicitation/create', params: { message, n: 1 } })
const ask = (message: string) => ({ method: 'elicitation/create', params: { message, n: 1 } })

/** Declines questions about secrets, refuses others, and lets the rest pass in other words. */
const guard = layer({
  'elicitation/create': ({ params, during, from, id }, next) => {
    expect([from, params.n]).toEqual(['server', 1])
    expect([undefined, 'tools/call']).toContain(during)
    expect([undefined, 'q1', 'q2']).toContain(id)
    if (params.message === 'password?') return { action: 'decline' }
    if (params.message === 'refuse') throw new RpcError(-1, 'Not that')
    if (params.message === 'fail') throw new Error('a secret')
    if (params.message === 'nothing') return undefined
    return next({ ...params, message: `${params.message} (asked by a server)` })
  },
})

describe('24. a question on a legacy stream', () => {
  test.each(['POST', 'GET'])(
    'of a %s that a layer declines is answered to the server, and the client sees nothing of it',
    async (verb) => {
      const { upstream, open } = await world({ intercept: guard })
      const asked = async (stream: { send(message: object): Promise<void> }): Promise<void> => {
        await stream.send(question('password?'))
        await stream.send(question('name?', 'q2'))
      }
      upstream.on('tools/call', (exchange) => asked(exchange.stream()))
      upstream.on('GET', (exchange) => asked(exchange.stream()))
      const session = await open()
      const stream = verb === 'POST' ? await session.stream(call()) : await session.listen()
      expect(await stream.nextMessage()).toMatchObject({
        id: 'q2',
        params: { message: 'name? (asked by a server)', n: 1 },
      })
      expect(stream.bytes().toString()).not.toContain('password')
      const answered = await upstream.nextRequest('response')
      expect(answered.message).toEqual({ jsonrpc: '2.0', id: 'q1', result: { action: 'decline' } })
      expect(answered.headers['mcp-session-id']).toBeDefined()
      // 26. What the client answers a question in other words finds its server by its id.
      await session.post({ jsonrpc: '2.0', id: 'q2', result: { action: 'accept' } })
      expect((await upstream.nextRequest('response')).message).toMatchObject({ id: 'q2', result: { action: 'accept' } })
      stream.close()
    },
  )

  test.each([
    ['refuse', { code: -1, message: 'Not that' }],
    ['fail', { code: -32603, message: 'The client cannot be asked' }],
    ['nothing', { code: -32603, message: 'The client cannot be asked' }],
  ])('9. "%s" is an error to the server: it does not hang', async (message, error) => {
    const { upstream, open, gateway } = await world({ intercept: guard })
    upstream.on('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.send(question(message))
      stream.finish({ content: [] })
    })
    const answered = await (await open()).post(call())
    expect(answered.messages).toEqual([{ jsonrpc: '2.0', id: 7, result: { content: [] } }])
    expect((await upstream.nextRequest('response')).message).toEqual({ jsonrpc: '2.0', id: 'q1', error })
    expect(gateway.reported.entries).toHaveLength(message === 'refuse' ? 0 : 1)
  })
})

describe('24. a question in an `input_required` result', () => {
  const required = (inputRequests: object, requestState?: string) => ({
    resultType: 'input_required',
    inputRequests,
    ...(requestState !== undefined && { requestState }),
  })

  test('that layers let pass reaches the client in their words, with the same requestState (25)', async () => {
    const { upstream, modern } = await world({ intercept: guard })
    upstream.on('tools/call', (exchange) => exchange.result(required({ a: ask('name?') }, 's1')))
    expect((await modern('tools/call', { name: 'x' })).message?.result).toEqual(
      required({ a: ask('name? (asked by a server)') }, 's1'),
    )
  })

  test('that layers have all answered never reaches the client: the server is asked again at once', async () => {
    const { upstream, modern } = await world({ intercept: guard })
    upstream.once('tools/call', (exchange) => exchange.result(required({ a: ask('password?') }, 's1')))
    upstream.once('tools/call', (exchange) => exchange.result({ resultType: 'complete', content: [] }))
    const answered = await modern('tools/call', { name: 'x', arguments: { b: 1 } })
    expect(answered.message).toEqual({ jsonrpc: '2.0', id: 1, result: { resultType: 'complete', content: [] } })
    const again = upstream.requests('tools/call')[1]!.message!
    expect(again.id).not.toBe(1)
    expect(again.params).toMatchObject({
      name: 'x',
      arguments: { b: 1 },
      inputResponses: { a: { action: 'decline' } },
      requestState: 's1',
    })
  })

  test('of which they answered some: the client answers the others, and the server gets all', async () => {
    const { upstream, modern } = await world({ intercept: guard })
    upstream.once('tools/call', (exchange) => exchange.result(required({ a: ask('password?'), b: ask('name?') }, 's1')))
    upstream.once('tools/call', (exchange) => exchange.result({ resultType: 'complete', content: [] }))
    const first = await modern('tools/call', { name: 'x' })
    const { inputRequests, requestState } = first.message!.result as { inputRequests: object; requestState: string }
    expect(inputRequests).toEqual({ b: ask('name? (asked by a server)') })
    expect(first.body).not.toContain('decline')
    const retry = { name: 'x', inputResponses: { b: { action: 'accept' }, a: { action: 'accept' } }, requestState }
    expect((await modern('tools/call', retry)).message?.result).toEqual({ resultType: 'complete', content: [] })
    expect(upstream.requests('tools/call')[1]!.message!.params).toMatchObject({
      inputResponses: { a: { action: 'decline' }, b: { action: 'accept' } },
      requestState: 's1',
    })
    const forged = { ...retry, requestState: `${requestState.slice(0, -4)}AAAA` }
    expect((await modern('tools/call', forged)).message?.error?.code).toBe(-32602)
    expect(upstream.requests('tools/call')).toHaveLength(2)
  })

  test('of which the layers of a server answered some and those of the gateway others: the server gets all', async () => {
    const declining = (word: string) =>
      layer({ 'elicitation/create': ({ params }, next) => (params.message === word ? { action: word } : next()) })
    for (const outer of [declining('decline'), layer({ '*': (_, next) => next() })]) {
      const { upstream, modern } = await world({ intercept: outer, server: { intercept: declining('cancel') } })
      const asked = { a: ask('cancel'), b: ask('decline'), c: ask('name?') }
      upstream.once('tools/call', (exchange) => exchange.result(required(asked, 's1')))
      upstream.once('tools/call', (exchange) => exchange.result({ resultType: 'complete', content: [] }))
      const first = (await modern('tools/call', { name: 'x' })).message!.result as {
        inputRequests: object
        requestState: string
      }
      const inputResponses = Object.fromEntries(
        Object.keys(first.inputRequests).map((key) => [key, { action: 'decline' }]),
      )
      await modern('tools/call', { name: 'x', inputResponses, requestState: first.requestState })
      expect(upstream.requests('tools/call')[1]!.message!.params).toMatchObject({
        inputResponses: { a: { action: 'cancel' }, b: { action: 'decline' }, c: { action: 'decline' } },
        requestState: 's1',
      })
    }
  })

  test.each(['refuse', 'fail', 'nothing'])(
    'that they refuse ("%s") fails the call: nothing is asked',
    async (message) => {
      const { upstream, modern } = await world({ intercept: guard })
      upstream.on('tools/call', (exchange) => exchange.result(required({ a: ask(message), b: ask('name?') }, 's1')))
      const answered = await modern('tools/call', { name: 'x' })
      expect(answered.message?.error).toBeDefined()
      expect(answered.body).not.toContain('inputRequests')
      expect(upstream.requests('tools/call')).toHaveLength(1)
    },
  )

  test('on a stream too', async () => {
    const { upstream, modern } = await world({ intercept: guard })
    upstream.once('tools/call', (exchange) => exchange.stream().finish(required({ a: ask('password?') }, 's1')))
    upstream.once('tools/call', (exchange) => exchange.stream().finish({ resultType: 'complete', content: [] }))
    expect((await modern('tools/call', { name: 'x' })).message?.result).toEqual({ resultType: 'complete', content: [] })
  })

  test('and a server that asks for ever is given up', async () => {
    const { upstream, modern } = await world({ intercept: guard })
    upstream.on('tools/call', (exchange) => exchange.result(required({ a: ask('password?') })))
    expect((await modern('tools/call', { name: 'x' })).status).toBe(502)
    expect(upstream.requests('tools/call').length).toBeLessThan(20)
  })
})

describe('24. a question in an error -32042', () => {
  const link = (message: string) => ({ mode: 'url', elicitationId: 'e1', url: 'https://a.example', message, n: 1 })
  const required = (...elicitations: object[]) => ({ code: -32042, message: 'First', data: { elicitations } })
  const asking = layer({
    'elicitation/create': ({ params, id }, next) => {
      expect([params.mode, id]).toEqual(['url', undefined])
      if (params.message === 'decline') return { action: 'decline' }
      if (params.message === 'fail') throw new Error('a secret')
      return params.message === 'change' ? next({ ...params, message: 'changed' }) : next()
    },
  })

  describe.each(['tools/call', 'prompts/get'])('that answers %s', (method) => {
    test.each([
      ['a document', (exchange: Exchange, error: object) => exchange.json({ jsonrpc: '2.0', id: 1, error })],
      [
        'a document that comes in pieces',
        (exchange: Exchange, error: object) => {
          const text = JSON.stringify({ jsonrpc: '2.0', id: 1, error })
          exchange.res.writeHead(200, { 'content-type': 'application/json' })
          exchange.res.write(text.slice(0, 20))
          setTimeout(() => exchange.res.end(text.slice(20)), 20)
        },
      ],
      [
        'a stream',
        (exchange: Exchange, error: { code: number; message: string }) => {
          const stream = exchange.stream()
          void stream.send({ id: 1, error }).then(() => stream.end())
        },
      ],
    ])('as %s reaches the client if all of it passes unchanged, and not in part', async (_, answer) => {
      const intercept = [asking, layer({ 'tools/call': (__, next) => next() })]
      const { upstream, open } = await world({ intercept })
      for (const message of ['pass', 'decline', 'change', 'fail']) {
        const error = required(link('pass'), link(message))
        upstream.once(method, (exchange) => answer(exchange, error))
        const session = await open()
        const answered = await session.post({ jsonrpc: '2.0', id: 1, method, params: { name: 'x' } })
        if (message === 'pass') expect(answered.message).toEqual({ jsonrpc: '2.0', id: 1, error })
        else {
          const code = message === 'fail' ? 500 : 403
          expect(answered.message).toMatchObject({ id: 1, error: { code } })
          expect(answered.body).not.toContain('https')
        }
      }
    })

    test('that parsers may read differently reaches no client', async () => {
      const { upstream, open } = await world({ intercept: asking })
      const data = JSON.stringify({ elicitations: [link('pass')] })
      for (const error of [
        `{"code":-32042,"message":"","data":${data},"code":-1}`,
        `{"Code":-32042,"message":"","data":${data}}`,
        '{"code":-32042,"message":""}',
        '{"code":-32042,"message":"","data":{"elicitations":["https"]}}',
      ]) {
        upstream.once(method, (exchange) =>
          exchange.status(200, `{"jsonrpc":"2.0","id":1,"error":${error}}`, { 'content-type': 'application/json' }),
        )
        const session = await open()
        const answered = await session.post({ jsonrpc: '2.0', id: 1, method, params: { name: 'x' } })
        expect([answered.status, answered.body.includes('https')]).toEqual([502, false])
      }
    })
  })

  test('costs nothing where no layer names elicitations: another error is relayed as it is', async () => {
    const { upstream, open } = await world({ intercept: layer({ 'tools/call': (_, next) => next() }) })
    upstream.on('tools/call', (exchange) => exchange.json({ jsonrpc: '2.0', id: 1, error: required(link('decline')) }))
    const answered = await (await open()).post(call(1))
    expect(answered.message?.error).toEqual(required(link('decline')))
  })
})

describe('24. a question of a task', () => {
  const asked = (message: string) => ({ taskId: 't', status: 'input_required', inputRequests: { a: ask(message) } })

  test('that layers pass on unchanged reaches the client; any other one fails the request', async () => {
    const plain = layer({ 'elicitation/create': ({ params }, next) => (params.message === 'no' ? {} : next()) })
    const { upstream, modern } = await world({ intercept: plain })
    upstream.on('tasks/get', (exchange) =>
      exchange.result({ resultType: 'complete', ...asked(String(exchange.message!.params!['taskId'])) }),
    )
    const get = (taskId: string) => modern('tasks/get', { taskId }, { 'mcp-name': taskId })
    expect((await get('name?')).message?.result).toMatchObject(asked('name?'))
    const refused = await get('no')
    expect([refused.status, refused.body.includes('inputRequests')]).toEqual([403, false])
    expect(upstream.requests('tasks/get')).toHaveLength(2)
  })

  test('is dropped from a listening stream unless it passes unchanged', async () => {
    const { upstream, url, gateway } = await world({
      intercept: layer({ 'elicitation/create': ({ params }, next) => (params.message === 'no' ? {} : next()) }),
    })
    upstream.on('subscriptions/listen', async (exchange) => {
      const stream = exchange.stream()
      await stream.send({ method: 'notifications/tasks', params: asked('no') })
      await stream.send({ method: 'notifications/tasks', params: { ...asked('no'), inputRequests: ['no'] } })
      await stream.send({ method: 'notifications/tasks', params: { taskId: 't', status: 'working' } })
      await stream.send({ method: 'notifications/tasks', params: asked('name?') })
    })
    const listening = modernRequest('subscriptions/listen', { notifications: { taskIds: ['t'] } })
    const stream = await openModern(url, listening)
    expect((await stream.nextMessage()).params).toEqual({ taskId: 't', status: 'working' })
    expect((await stream.nextMessage()).params).toEqual(asked('name?'))
    expect(stream.bytes().toString()).not.toContain('"no"')
    expect(gateway.reported.entries).toEqual([])
    stream.close()
  })
})

test('27. a log message that a layer drops is gone on both kinds of stream; in which request it was is known', async () => {
  const during: unknown[] = []
  const intercept = layer({
    'notifications/message': (message, next) => {
      during.push(message.during)
      return message.params.level === 'debug' ? undefined : next()
    },
  })
  const { upstream, open } = await world({ intercept })
  const log = (level: string) => ({ method: 'notifications/message', params: { level, data: level } })
  upstream.on('tools/call', async (exchange) => {
    const stream = exchange.stream()
    await stream.send(log('debug'))
    await stream.send(log('info'))
    stream.finish({ content: [] })
  })
  upstream.on('GET', async (exchange) => {
    await exchange.stream().send(log('debug'))
    await exchange.stream().send(log('info'))
  })
  const session = await open()
  expect((await session.post(call())).messages).toMatchObject([{ params: { level: 'info' } }, { id: 7 }])
  const stream = await session.listen()
  expect(await stream.nextMessage()).toMatchObject({ params: { level: 'info' } })
  expect(during).toEqual(['tools/call', 'tools/call', undefined, undefined])
  stream.close()
})

test('27. a client’s cancelling is delivered to layers, and dropping it keeps the server’s request running', async () => {
  const seen: unknown[] = []
  const intercept = layer({
    '*': ({ method, from }, next) => (method === 'notifications/cancelled' ? void seen.push(from) : next()),
  })
  const { upstream, open } = await world({ intercept })
  upstream.on('tools/call', () => {})
  const session = await open()
  const hanging = session.stream(call())
  await upstream.nextRequest('tools/call')
  const cancelled = await session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } })
  expect([cancelled.status, seen]).toEqual([202, ['client']])
  expect(upstream.requests('notifications/cancelled')).toHaveLength(0)
  void hanging.catch(() => {})
})

test('the messages of a batch on a stream are seen one by one', async () => {
  const { upstream, open } = await world({ intercept: guard })
  upstream.on('tools/call', async (exchange) => {
    const stream = exchange.stream()
    const batch = [question('password?'), question('name?', 'q2')].map((each) =>
      Object.assign({ jsonrpc: '2.0' }, each),
    )
    await stream.write(`data: ${JSON.stringify(batch)}\n\n`)
    stream.finish({ content: [] })
  })
  const { body } = await (await open({ version: '2025-03-26' })).post(call())
  expect(body).toContain('[{"jsonrpc":"2.0","id":"q2"')
  expect(body).not.toContain('password')
})

test('a notification of a client goes on in other words, or is refused with the status of the error', async () => {
  const intercept = layer({
    'notifications/progress': ({ params }, next) => {
      if (params.progress > 1) throw new GatewayError('rate_limited', 'Too fast', { headers: { 'retry-after': '7' } })
      return next({ ...params, progress: 0 })
    },
  })
  const { upstream, open } = await world({ intercept })
  const session = await open()
  const say = (progress: number) =>
    session.post({ jsonrpc: '2.0', method: 'notifications/progress', params: { progress } })
  expect((await say(1)).status).toBe(202)
  expect(upstream.requests('notifications/progress')[0]!.message!.params).toEqual({ progress: 0 })
  const refused = await say(2)
  expect([refused.status, refused.headers['retry-after']]).toEqual([429, '7'])
})

test('"rate_limited" is 429 with Retry-After to a legacy client, and 503 to a modern one', async () => {
  const intercept = layer({
    'tools/call': () => {
      throw new GatewayError('rate_limited', 'Slow down')
    },
  })
  const { open, modern, gateway } = await world({ intercept })
  const legacy = await (await open()).request('tools/call', { name: 'x' })
  const other = await modern('tools/call', { name: 'x' })
  expect([legacy.status, legacy.headers['retry-after'], legacy.message?.error]).toEqual([
    429,
    '1',
    { code: 429, message: 'Slow down' },
  ])
  expect([other.status, other.headers['retry-after'], other.message?.error]).toEqual([
    503,
    '1',
    { code: 503, message: 'Slow down' },
  ])
  expect(gateway.reported.entries).toEqual([])
})

test('7. on the way to the client the last layer is the first to see a message, the server’s before the gateway’s', async () => {
  const seen: string[] = []
  const noting = (name: string) =>
    layer({
      'notifications/message': ({ params }, next) => {
        seen.push(`${name} ${params.data}`)
        return next({ ...params, data: name })
      },
    })
  const { upstream, open } = await world({
    intercept: [noting('one'), noting('two')],
    server: { intercept: [noting('three'), noting('four')] },
  })
  upstream.on('tools/call', async (exchange) => {
    const stream = exchange.stream()
    await stream.send({ method: 'notifications/message', params: { level: 'info', data: 'server' } })
    stream.finish({ content: [] })
  })
  const { messages } = await (await open()).post(call())
  expect(seen).toEqual(['four server', 'three four', 'two three', 'one two'])
  expect(messages[0]!.params).toEqual({ level: 'info', data: 'one' })
})

describe('answers that travel in `requestState`', () => {
  const kept = new KeptAnswers()
  const answers = { a: { action: 'decline' } }

  afterEach(() => void jest.useRealTimers())

  test('are good for an hour', () => {
    jest.useFakeTimers({ now: 0 })
    const requestState = kept.seal({ answers, state: undefined }, 'ada')
    jest.setSystemTime(59 * 60_000)
    expect(kept.restore({ requestState }, 'ada')).toEqual({ inputResponses: answers })
    jest.setSystemTime(61 * 60_000)
    expect(() => kept.restore({ requestState }, 'ada')).toThrow('is not valid here any more')
  })

  test('are good for whom and for what they were given, at the node that gave them', () => {
    const requestState = kept.seal({ answers, state: 's' }, 'ada')
    expect(() => kept.restore({ requestState }, 'bob')).toThrow('is not valid here any more')
    expect(() => new KeptAnswers().restore({ requestState }, 'ada')).toThrow('is not valid here any more')
    expect(kept.restore({ requestState: 'the server’s own' }, 'ada')).toEqual({ requestState: 'the server’s own' })
  })
})
