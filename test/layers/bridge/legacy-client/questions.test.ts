// Questions of a server without sessions: on which stream they are asked, who may answer, and what the server is told.
import { jest } from '@jest/globals'
import type { ClientSession } from '../../../../lib/exchange/exchange.ts'
import { notificationOf } from '../../../../lib/exchange/message.ts'
import { MemoryEventLog } from '../../../../lib/stores/memory-event-log.ts'
import { MemorySessionStore } from '../../../../lib/stores/memory-session-store.ts'
import type { SessionStore } from '../../../../lib/types.ts'
import {
  answerTo,
  asks,
  asksOnce,
  type Bridged,
  bridged,
  type BridgedOptions,
  elicitation,
  messagesOf,
  paramsOf,
  questionIdsOf,
  questionsOf,
  toolCallsOf,
} from '../../../support/bridged.ts'
import { batchOf, legacyCall, PROGRESS, settled } from '../../../support/fixture.ts'
import type { MemoryClient } from '../../../support/memory-client.ts'
import type { Asked } from '../../../support/memory-upstream.ts'

let gateway: Bridged
let session: ClientSession

async function start(options: BridgedOptions & Parameters<Bridged['open']>[0] = {}): Promise<void> {
  gateway = bridged(options)
  session = await gateway.open(options)
}

afterEach(() => gateway.close())

const call = (id: string | number = 7, name = 'n') => legacyCall('tools/call', { name, arguments: { a: 1 } }, id)

function send(message = call(), more: object = {}): MemoryClient {
  return gateway.send(message, { session, ...more })
}

async function reply(id: unknown, outcome: object, from = session): Promise<string[]> {
  const client = gateway.send(answerTo(id, outcome), { session: from })
  await client.over
  return client.says
}

const calls = (): Asked[] => toolCallsOf(gateway)

const askOnce = (...given: [inputRequests: object | undefined, requestState?: string]): void =>
  asksOnce(gateway, ...given)

const ACCEPTED = { action: 'accept', content: { name: 'Ada' } }

describe('a question', () => {
  test('ST22 ST23 is asked on the stream of its request, and its answer goes back with the state, byte for byte', async () => {
    await start()
    askOnce({ 'who?': elicitation() }, 'st"ate\u2028 é')
    const client = send()
    const [id] = await questionIdsOf(client)
    expect(questionsOf(client)[0]).toEqual({ jsonrpc: '2.0', id, ...elicitation() })
    expect(await reply(id, { result: ACCEPTED })).toEqual(['status 202'])
    await client.over
    const [first, second] = calls()
    expect(paramsOf(second!)).toMatchObject({
      name: 'n',
      arguments: { a: 1 },
      inputResponses: { 'who?': ACCEPTED },
      requestState: 'st"ate\u2028 é',
    })
    expect(second!.exchange.requestIds).not.toEqual(first!.exchange.requestIds)
    expect(messagesOf(client).at(-1)).toEqual({ jsonrpc: '2.0', id: 7, result: { content: [] } })
  })

  test.each([undefined, ''])('ST23 7 a state of %j is the same in the next round', async (state) => {
    await start()
    askOnce({ a: elicitation() }, state)
    const client = send()
    await reply((await questionIdsOf(client))[0], { result: ACCEPTED })
    await client.over
    expect(paramsOf(calls()[1]!)['requestState']).toBe(state)
    expect('requestState' in JSON.parse(calls()[1]!.exchange.body!.toString()).params).toBe(state !== undefined)
  })

  test('ST23 has no answer of an earlier round in the next one', async () => {
    await start()
    gateway.upstream.on('tools/call', (one) => {
      const round = calls().length
      if (round > 2) one.json({ content: [] })
      else asks({ [`q${round}`]: elicitation() }, `s${round}`)(one)
    })
    const client = send()
    await reply((await questionIdsOf(client))[0], { result: ACCEPTED })
    await reply((await questionIdsOf(client, 2))[1], { result: ACCEPTED })
    await client.over
    expect(paramsOf(calls()[2]!)).toMatchObject({ inputResponses: { q2: ACCEPTED }, requestState: 's2' })
    expect(paramsOf(calls()[2]!)['inputResponses']).not.toHaveProperty('q1')
  })

  test('ST22 2 of several all are asked at once, and are answered in any order', async () => {
    await start()
    const sampling = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 5 } }
    askOnce({ a: elicitation(), b: sampling, c: { method: 'roots/list' } })
    const client = send()
    const [first, second, third] = await questionIdsOf(client, 3)
    expect(questionsOf(client).map(({ method }) => method)).toEqual([
      'elicitation/create',
      'sampling/createMessage',
      'roots/list',
    ])
    await reply(third, { result: { roots: [] } })
    await reply(first, { result: ACCEPTED })
    await reply(second, { result: { model: 'm' } })
    await client.over
    expect(paramsOf(calls()[1]!)['inputResponses']).toEqual({ a: ACCEPTED, b: { model: 'm' }, c: { roots: [] } })
  })

  test('RPC14 its answer keeps its bytes', async () => {
    await start()
    askOnce({ a: elicitation() })
    const client = send()
    const [id] = await questionIdsOf(client)
    const text = `{"jsonrpc":"2.0","id":"${id}","result":{ "action":"accept","content":{"n":12345678901234567890} }}`
    gateway.send({ ...answerTo(id, { result: {} }), text }, { session })
    await client.over
    expect(calls()[1]!.exchange.body!.toString()).toContain(
      '{"a":{ "action":"accept","content":{"n":12345678901234567890} }}',
    )
  })

  test('2 of two calls goes to its own, answered in reverse order', async () => {
    await start()
    gateway.upstream.on('tools/call', (one) => {
      if (paramsOf(one)['inputResponses']) one.json({ content: [], said: paramsOf(one)['inputResponses'] })
      else asks({ a: elicitation(String(paramsOf(one)['name'])) })(one)
    })
    const [one, other] = [send(call(1, 'one')), send(call(2, 'other'))]
    const [[first], [second]] = [await questionIdsOf(one), await questionIdsOf(other)]
    await reply(second, { result: { action: 'second' } })
    await reply(first, { result: { action: 'first' } })
    await Promise.all([one.over, other.over])
    expect(messagesOf(one).at(-1)).toMatchObject({ id: 1, result: { said: { a: { action: 'first' } } } })
    expect(messagesOf(other).at(-1)).toMatchObject({ id: 2, result: { said: { a: { action: 'second' } } } })
  })

  test('RPC5 16 of a request in a batch is asked on the stream of the batch', async () => {
    await start({ version: '2025-06-18' })
    askOnce({ a: elicitation() })
    const client = send(batchOf(call(1), legacyCall('ping', {}, 2)) as never)
    await reply((await questionIdsOf(client))[0], { result: ACCEPTED })
    await client.over
    expect(JSON.parse(client.events.entries.at(-1)!.data)).toHaveLength(2)
  })

  test('UT1 9 the progress of later rounds never falls behind what was told', async () => {
    await start()
    const say = (one: Asked, ...steps: number[]) => {
      for (const progress of steps) one.events().say({ ...PROGRESS, params: { progress, progressToken: 't' } })
    }
    gateway.upstream.on('tools/call', (one) => {
      if (calls().length === 1) {
        say(one, 1, 5)
        one.events().answer({ resultType: 'input_required', inputRequests: { a: elicitation() } })
      } else {
        say(one, 2, 5, 6)
        one.events().answer({ content: [] })
        say(one, 7)
      }
    })
    const client = send()
    await reply((await questionIdsOf(client))[0], { result: ACCEPTED })
    await client.over
    const told = messagesOf(client, 'notifications/progress').map(
      ({ params }) => (params as { progress: number }).progress,
    )
    expect(told).toEqual([1, 5, 6])
  })
})

describe('an answer that is an error', () => {
  const error = { code: -1, message: 'not now' }

  test('5 is a cancelled elicitation', async () => {
    await start()
    askOnce({ a: elicitation() })
    const client = send()
    await reply((await questionIdsOf(client))[0], { error })
    await client.over
    expect(paramsOf(calls()[1]!)['inputResponses']).toEqual({ a: { action: 'cancel' } })
  })

  test.each(['sampling/createMessage', 'roots/list'])(
    '5 to %s fails the call of a tool in its result',
    async (method) => {
      await start()
      askOnce({ a: { method, params: {} }, b: elicitation() })
      const client = send()
      const [id, other] = await questionIdsOf(client, 2)
      await reply(id, { error })
      await client.over
      expect(messagesOf(client).at(-1)).toEqual({
        jsonrpc: '2.0',
        id: 7,
        result: { content: [{ type: 'text', text: 'The client did not answer: not now' }], isError: true },
      })
      expect(
        messagesOf(client, 'notifications/cancelled').map(({ params }) => (params as { requestId: string }).requestId),
      ).toContain(other)
      expect(calls()).toHaveLength(1)
    },
  )

  test('5 fails any other request by -32603', async () => {
    await start()
    gateway.upstream.on('prompts/get', asks({ a: { method: 'roots/list' } }))
    const client = send(legacyCall('prompts/get', { name: 'n' }))
    await reply((await questionIdsOf(client))[0], { error })
    await client.over
    expect(messagesOf(client).at(-1)).toMatchObject({ error: { code: -32_603 } })
  })
})

describe('what a client cannot be asked', () => {
  const URL = { mode: 'url', url: 'https://a.example' }
  const BOTH = { elicitation: { form: {}, url: {} } }
  test.each<[string, object, object, boolean]>([
    ['2025-11-25', { elicitation: {} }, elicitation(), true],
    ['2025-11-25', { elicitation: { form: {} } }, elicitation(), true],
    ['2025-11-25', { elicitation: { url: {} } }, elicitation(), false],
    ['2025-11-25', {}, elicitation(), false],
    ['2025-11-25', { elicitation: {} }, elicitation('a', URL), false],
    ['2025-11-25', BOTH, elicitation('a', URL), true],
    ['2025-06-18', BOTH, elicitation('a', URL), false],
    ['2025-06-18', { elicitation: {} }, elicitation(), true],
    ['2025-03-26', { elicitation: {} }, elicitation(), false],
    ['2025-11-25', { sampling: {} }, { method: 'sampling/createMessage', params: { tools: [] } }, false],
    ['2025-11-25', { sampling: { tools: {} } }, { method: 'sampling/createMessage', params: { tools: [] } }, true],
    ['2025-11-25', { roots: {} }, { method: 'roots/list' }, true],
    ['2025-11-25', {}, { method: 'roots/list' }, false],
    ['2025-11-25', { elicitation: {} }, { method: 'ping' }, false],
    ['2025-11-25', { elicitation: {} }, { params: {} }, false],
  ])('ST22 PU3 8 of %s with %j: %j? %s', async (version, capabilities, question, isAsked) => {
    await start({ version, capabilities })
    askOnce({ a: question })
    const client = send()
    if (isAsked) {
      const [id] = await questionIdsOf(client)
      const { params } = questionsOf(client)[0] as { params?: Record<string, unknown> }
      const isUrl = params?.['mode'] === 'url'
      expect(typeof params?.['elicitationId']).toBe(isUrl ? 'string' : 'undefined')
      if (version < '2025-11-25') expect(params).not.toHaveProperty('mode')
      await reply(id, { result: ACCEPTED })
    }
    await client.over
    expect(calls()).toHaveLength(isAsked ? 2 : 1)
    if (!isAsked) expect(client.json).toMatchObject({ result: { isError: true } })
  })

  test('HD1 of a client that takes no events fails the call', async () => {
    await start()
    askOnce({ a: elicitation() })
    const client = send(call(), { accepts: { json: true, events: false } })
    await client.over
    expect(client.json).toMatchObject({ result: { isError: true } })
  })

  test.each<[string, object]>([
    ['no object', { inputRequests: ['a'] }],
    ['nothing at all', {}],
    ['too much', { inputRequests: Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`q${n}`, elicitation()])) }],
  ])('ST22 7 %s fails the call, and nobody is asked', async (_, result) => {
    await start()
    gateway.upstream.on('tools/call', (one) => one.json({ resultType: 'input_required', ...result }))
    const client = send()
    await client.over
    expect(client.says[0]).toMatch(/^(result|refused 502)$/)
    expect(calls()).toHaveLength(1)
  })

  test('ST21 requests that may not be answered so are not', async () => {
    await start()
    gateway.upstream.on('prompts/list', asks({ a: elicitation() }))
    const client = send(legacyCall('prompts/list', {}))
    await client.over
    expect(client.says).toEqual(['refused 502'])
  })

  test('SC6 a server that asks again and again is given up', async () => {
    await start()
    gateway.upstream.on('tools/call', asks({ a: elicitation() }))
    const client = send()
    for (let round = 1; round <= 10; round += 1)
      await reply((await questionIdsOf(client, round)).at(-1), { result: ACCEPTED })
    await client.over
    expect(messagesOf(client).at(-1)).toMatchObject({ result: { isError: true } })
    expect(calls()).toHaveLength(11)
  })
})

test('7 a server that has a state and no question is asked again after a pause', async () => {
  await start()
  askOnce(undefined, 'wait')
  const client = send()
  await client.over
  expect(client.says).toEqual(['result'])
  expect(paramsOf(calls()[1]!)).toMatchObject({ requestState: 'wait' })
  expect(paramsOf(calls()[1]!)['inputResponses']).toBeUndefined()
})

describe('who may answer', () => {
  test('RPC12 SS6 is the session that was asked: answers of others, and to nothing, are dropped', async () => {
    await start()
    askOnce({ a: elicitation() })
    const client = send()
    const [id] = await questionIdsOf(client)
    const other = await gateway.open()
    for (const [wrong, from] of [
      [id, other],
      [`${id}x`, session],
      [7, session],
      ['ask_unknown', session],
      [null, session],
    ] as const) {
      expect(await reply(wrong, { result: ACCEPTED }, from)).toEqual(['status 202'])
    }
    await settled()
    expect(calls()).toHaveLength(1)
    await reply(id, { result: ACCEPTED })
    await client.over
    expect(await reply(id, { result: ACCEPTED })).toEqual(['status 202'])
    expect(calls()).toHaveLength(2)
  })

  test('UT4 5 is nobody once the call is cancelled: the question is taken back, a late answer dropped', async () => {
    await start()
    askOnce({ a: elicitation() })
    const client = send()
    const [id] = await questionIdsOf(client)
    await gateway.send(notificationOf('legacy', 'notifications/cancelled', { requestId: 7 }), { session }).over
    await client.over
    expect(messagesOf(client, 'notifications/cancelled')).toMatchObject([{ params: { requestId: id } }])
    expect(messagesOf(client).filter((message) => 'result' in message || 'error' in message)).toEqual([])
    expect(await reply(id, { result: ACCEPTED })).toEqual(['status 202'])
    expect(calls()).toHaveLength(1)
  })

  test('SC6 is a client in time: a question that is not answered fails the call', async () => {
    await start()
    askOnce({ a: elicitation() })
    jest.useFakeTimers()
    try {
      const client = send()
      await jest.advanceTimersByTimeAsync(10)
      expect(questionsOf(client)).toHaveLength(1)
      await jest.advanceTimersByTimeAsync(14 * 60_000)
      expect(client.events.entries.at(-1)!.data).toContain('elicitation/create')
      await jest.advanceTimersByTimeAsync(60_000)
      expect(messagesOf(client, 'notifications/cancelled')).toHaveLength(1)
      expect(messagesOf(client).at(-1)).toMatchObject({ result: { isError: true } })
    } finally {
      jest.useRealTimers()
    }
  })

  test('SC6 of one principal no more than 256 questions wait, whatever session they are in', async () => {
    await start({ principal: { id: 'ada' } })
    gateway.upstream.on('tools/call', asks({ a: elicitation() }))
    const clients = Array.from({ length: 256 }, (_, id) => send(call(id)))
    for (const client of clients) await questionIdsOf(client)
    session = await gateway.open()
    const more = send(call('more'))
    await more.over
    expect(more.says).toEqual(['refused 503'])
    clients[0]!.leave()
    await settled()
    await questionIdsOf(send(call('again')))
  })

  test('SE4 UT4 is nobody when the client has left a stream that nothing keeps', async () => {
    await start()
    askOnce({ a: elicitation() })
    const client = send()
    const [id] = await questionIdsOf(client)
    client.leave()
    await settled()
    await reply(id, { result: ACCEPTED })
    await settled()
    expect(calls()).toHaveLength(1)
  })

  test('SS12 is nobody once the session has ended', async () => {
    await start()
    askOnce({ a: elicitation() })
    const client = send()
    await questionIdsOf(client)
    await gateway.sessions.end(session.id)
    await client.over
    expect(calls()).toHaveLength(1)
  })
})

describe('with an event log', () => {
  const layers = ['open', 'log', 'split', 'bridge', 'cancel'] as const

  test('6 SE7 a client that lost its stream finds the question on it again, and the result behind it', async () => {
    await start({ layers })
    askOnce({ a: elicitation() })
    const client = send()
    const [id] = await questionIdsOf(client)
    const primed = client.events.entries.find((event) => event.id !== undefined)!.id!
    client.leave()
    const back = gateway.send(undefined, { session, headers: { 'last-event-id': primed } })
    expect(await questionIdsOf(back)).toEqual([id])
    await reply(id, { result: ACCEPTED })
    await back.over
    expect(messagesOf(back).at(-1)).toMatchObject({ id: 7, result: { content: [] } })
  })

  /** A store of two gateways, as Redis is: it has no one gateway to tell what it ends. */
  function sharedStore(): SessionStore {
    const store = new MemorySessionStore()
    return {
      create: (record) => store.create(record),
      get: (id) => store.get(id),
      update: (id, record) => store.update(id, record),
      delete: (id) => store.delete(id),
    }
  }

  /** A question that was asked at one of two nodes. */
  async function askedAtOne() {
    const [eventLog, store] = [new MemoryEventLog(), sharedStore()]
    await start({ layers, eventLog, store })
    const other = bridged({ layers, eventLog, store })
    askOnce({ a: elicitation() })
    const client = send()
    const [id] = await questionIdsOf(client)
    return { eventLog, other, client, id }
  }

  test('6 the answer may arrive at another node, and the first one counts', async () => {
    const { other, client, id } = await askedAtOne()
    const elsewhere = await other.find(session.id)
    for (const action of ['accept', 'decline']) {
      const answering = other.send(answerTo(id, { result: { action } }), { session: elsewhere })
      await answering.over
      expect(answering.says).toEqual(['status 202'])
    }
    await client.over
    expect(paramsOf(calls()[1]!)['inputResponses']).toEqual({ a: { action: 'accept' } })
    await other.close()
  })

  test('ER9 an answer at another node is 503 where the log fails, and may be sent again', async () => {
    const { eventLog, other, client, id } = await askedAtOne()
    const elsewhere = await other.find(session.id)
    const failing = jest.spyOn(eventLog, 'append').mockImplementation(() => {
      throw new Error('The disk is full')
    })
    const refused = other.send(answerTo(id, { result: ACCEPTED }), { session: elsewhere })
    await refused.over
    expect(refused.refused).toMatchObject({ code: 'unavailable', status: 503 })
    failing.mockRestore()
    await other.send(answerTo(id, { result: ACCEPTED }), { session: elsewhere }).over
    await client.over
    expect(paramsOf(calls()[1]!)['inputResponses']).toEqual({ a: ACCEPTED })
    await other.close()
  })

  test('RPC12 SS6 an answer of another session does not count there either', async () => {
    const { other, client, id } = await askedAtOne()
    await other.send(answerTo(id, { result: ACCEPTED }), { session: await other.open() }).over
    await settled()
    expect(calls()).toHaveLength(1)
    await reply(id, { result: ACCEPTED })
    await client.over
    await other.close()
  })
})
