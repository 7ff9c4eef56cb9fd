// Questions of a server of sessions to a modern client: how they are asked, answered, refused, and given up.
import { jest } from '@jest/globals'
import { type RequestMessage, requestOf } from '../../../../lib/exchange/message.ts'
import {
  ACCEPTED,
  type Answered,
  ASKABLE,
  asksInCall,
  callIdOf,
  callOf,
  elicitation,
  type LegacyServer,
  legacyServer,
  type LegacyServerOptions,
  paramsOf,
  request,
  retry,
  sessionOf,
} from '../../../support/bridged-modern.ts'
import { closing, settled } from '../../../support/fixture.ts'
import type { Asked, MemoryStream } from '../../../support/memory-upstream.ts'

let server: LegacyServer

beforeEach(() => {
  server = legacyServer()
})
afterEach(async () => {
  jest.useRealTimers()
  await server.close()
})

async function restart(options: LegacyServerOptions): Promise<void> {
  await server.close()
  server = legacyServer(options)
}

/** What the server got as answers to its questions. */
const answersTo = ({ upstream }: LegacyServer): unknown[] =>
  upstream.asked.entries.flatMap(({ kind, exchange }) => {
    if (kind !== 'response') return []
    const { id, result, error } = exchange.message as { id?: unknown; result?: unknown; error?: { code: number } }
    return [{ id, ...(error ? { code: error.code } : { result }) }]
  })

const count = (kind: string): number => server.upstream.asked.entries.filter((asked) => asked.kind === kind).length

/** Where the server has told that a call is cancelled: in words. */
const farewells = (): string[] => server.upstream.told.filter((words) => /^(cancelled|DELETE)/.test(words))

/** Calls a tool that asks; the test goes on with its stream. */
async function askOnStream() {
  let stream: MemoryStream | undefined
  server.upstream.on('tools/call', (asked) => {
    stream = asked.events()
    stream.say(elicitation())
  })
  const call = callOf()
  const asked = await server.ask(call)
  return { call, asked, stream: stream! }
}

describe('asked in the stream of the call', () => {
  test('ST21 ST22 the question is a result, its answer goes to the server, and the call ends once', async () => {
    asksInCall(server)
    const call = callOf()
    const asked = await server.ask(call)
    expect(asked.result).toMatchObject({
      resultType: 'input_required',
      inputRequests: {
        elicitation_1: {
          method: 'elicitation/create',
          params: { message: 'Who?', requestedSchema: { type: 'object', properties: {} } },
        },
      },
      requestState: expect.stringMatching(/^held\./),
    })
    expect(asked.result).not.toHaveProperty('ttlMs')
    const { result } = await server.ask(retry(call, asked, { elicitation_1: ACCEPTED, extra: { ignored: true } }))
    expect(result).toMatchObject({ resultType: 'complete', said: ACCEPTED })
    expect(answersTo(server)).toEqual([{ id: 'e1', result: ACCEPTED }])
    expect(count('tools/call')).toBe(1)
    expect(server.bridge.load).toMatchObject({ questions: 0, bytes: 0 })
  })

  test('ST22 several questions at a time are one result, and each gets its own answer', async () => {
    server.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say(elicitation(1))
      stream.say({ id: 2, method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } })
      stream.say({ id: '1', method: 'roots/list' })
      server.upstream.on('response', (answer) => {
        answer.empty()
        if (answersTo(server).length === 3) stream.answer({ content: [] })
      })
    })
    const call = callOf()
    const asked = await server.ask(call)
    const inputRequests = asked.result['inputRequests'] as object
    expect(Object.keys(inputRequests)).toEqual(['elicitation_1', 'sampling_2', 'roots_3'])
    const roots = { roots: [] }
    await server.ask(retry(call, asked, { roots_3: roots, sampling_2: { model: 'm' }, elicitation_1: ACCEPTED }))
    expect(answersTo(server)).toEqual([
      { id: 1, result: ACCEPTED },
      { id: 2, result: { model: 'm' } },
      { id: '1', result: roots },
    ])
  })

  test('3 ST24 ST26 what is not answered is asked again; the next rounds have names of their own', async () => {
    server.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say(elicitation('a'))
      stream.say(elicitation('b'))
      server.upstream.on('response', (answer) => {
        answer.empty()
        if (answersTo(server).length === 2) stream.say(elicitation('c'))
        if (answersTo(server).length === 3) stream.answer({ content: [] })
      })
    })
    const call = callOf()
    const keysOf = ({ result }: Answered): string[] => Object.keys((result['inputRequests'] as object) ?? {})
    const first = await server.ask(call)
    expect(keysOf(first)).toEqual(['elicitation_1', 'elicitation_2'])
    const second = await server.ask(retry(call, first, { elicitation_2: ACCEPTED }))
    expect(keysOf(second)).toEqual(['elicitation_1'])
    const third = await server.ask(retry(call, second, {}))
    expect(keysOf(third)).toEqual(['elicitation_1'])
    const fourth = await server.ask(retry(call, third, { elicitation_1: ACCEPTED }))
    expect(keysOf(fourth)).toEqual(['elicitation_3'])
    expect((await server.ask(retry(call, fourth, { elicitation_3: ACCEPTED }))).result).toMatchObject({ content: [] })
    expect(answersTo(server)).toHaveLength(3)
  })

  test('3 ST26 answers to what was not asked are ignored', async () => {
    asksInCall(server)
    const call = callOf()
    const asked = await server.ask(call)
    const answers = { elicitation_1: ACCEPTED, elicitation_2: ACCEPTED, other: { action: 'decline' } }
    expect((await server.ask(retry(call, asked, answers))).result).toMatchObject({ said: ACCEPTED })
    expect(answersTo(server)).toEqual([{ id: 'e1', result: ACCEPTED }])
  })

  test('9 UT1 progress goes on from round to round, under the token of each; what comes behind the result is dropped', async () => {
    let progress = (_step: number): void => {}
    let stream: MemoryStream | undefined
    server.upstream.on('tools/call', (asked) => {
      const [progressToken] = asked.exchange.requestIds
      stream = asked.events()
      progress = (step) => stream?.say({ method: 'notifications/progress', params: { progressToken, progress: step } })
      progress(2)
      stream.say(elicitation())
    })
    const asked = await server.ask(callOf('echo', {}, { token: 'first' }))
    server.upstream.on('response', (answer) => {
      answer.empty()
      for (const step of [1, 3]) progress(step)
      stream!.say({ id: callIdOf(server, 's1'), result: { content: [] } })
      progress(4)
    })
    const again = callOf('echo', {}, { token: 'second' })
    const { client } = await server.ask(retry(again, asked, { elicitation_1: ACCEPTED }))
    const said = client.events.entries.map(({ data }) => JSON.parse(data))
    expect(said.slice(0, -1).map((each) => each.params)).toEqual([{ progressToken: 'second', progress: 3 }])
    expect(said.at(-1)).toMatchObject({ id: 8, result: { resultType: 'complete' } })
  })

  test('9 UT1 the last progress of those that came while the question waited is told to the client that comes back', async () => {
    const { call, asked, stream } = await askOnStream()
    const progressToken = callIdOf(server, 's1')
    for (const [token, progress] of [
      [progressToken, 1],
      [progressToken, 2],
      ['other', 3],
    ]) {
      stream.say({ method: 'notifications/progress', params: { progressToken: token, progress } })
    }
    await settled()
    server.upstream.on('response', (answer) => {
      answer.empty()
      stream.say({ id: progressToken, result: { content: [] } })
    })
    const again = {
      ...call,
      params: { ...call.params, _meta: { ...(call.params!['_meta'] as object), progressToken: 5 } },
    }
    const { client } = await server.ask(retry(again, asked, { elicitation_1: ACCEPTED }))
    const [progress, result] = client.events.entries.map(({ data }) => JSON.parse(data))
    expect(progress.params).toEqual({ progressToken: 5, progress: 2 })
    expect(result).toMatchObject({ id: 8, result: { resultType: 'complete' } })
  })

  test('u4 SE7 a stream that breaks while its question waits is resumed, and the answer brings the result', async () => {
    const resumed: MemoryStream[] = []
    server.upstream.on('GET', (asked) => {
      const stream = asked.events()
      if (asked.exchange.headers['last-event-id'] === 'p1') resumed.push(stream)
    })
    const { call, asked, stream } = await askOnStream()
    stream.raw('id: p1\nretry: 1\ndata:\n\n')
    stream.cut()
    await server.upstream.asked.next(({ exchange }) => exchange.headers['last-event-id'] === 'p1')
    server.upstream.on('response', (answer) => {
      answer.empty()
      resumed[0]!.say({ id: callIdOf(server, 's1'), result: { content: [], said: 'late' } })
    })
    expect((await server.ask(retry(call, asked, { elicitation_1: ACCEPTED }))).result).toMatchObject({ said: 'late' })
    expect(count('tools/call')).toBe(1)
  })

  test('ER14 a call that breaks behind its answer has failed at the server: its state was good', async () => {
    const { call, asked, stream } = await askOnStream()
    server.upstream.on('response', (answer) => {
      answer.empty()
      stream.cut()
    })
    expect(await server.ask(retry(call, asked, { elicitation_1: ACCEPTED }))).toMatchObject({ status: 502, code: 502 })
    expect(count('tools/call')).toBe(1)
  })

  test('15 the server no longer waits for the answer: its own error is relayed', async () => {
    const { call, asked, stream } = await askOnStream()
    stream.say({ id: callIdOf(server, 's1'), error: { code: -32001, message: 'Request timed out' } })
    const late = await server.ask(retry(call, asked, { elicitation_1: ACCEPTED }))
    expect(late).toMatchObject({ status: 200, code: -32001, message: 'Request timed out' })
    expect(farewells()).toEqual([])
  })

  test('SE7 a question that the server sends again is asked once', async () => {
    server.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      for (let turn = 0; turn < 2; turn += 1) stream.say(elicitation())
    })
    const { result } = await server.ask(callOf())
    expect(Object.keys(result['inputRequests'] as object)).toEqual(['elicitation_1'])
    expect(answersTo(server)).toEqual([])
  })

  test('SE7 an answer that the server does not take fails the call, which is cancelled and not sent again', async () => {
    asksInCall(server)
    server.upstream.on('response', (answer) => answer.fail('upstream_unreachable'))
    const call = callOf()
    const asked = await server.ask(call)
    expect(await server.ask(retry(call, asked, { elicitation_1: ACCEPTED }))).toMatchObject({ status: 502 })
    expect(count('tools/call')).toBe(1)
    expect(server.bridge.load.questions).toBe(0)
    await settled()
    expect(farewells()).toEqual([expect.stringMatching(/^cancelled bridge-/), 'DELETE in s1'])
  })

  test('ST26 answers that are no objects are an error, and the question stays open', async () => {
    asksInCall(server)
    const call = callOf()
    const asked = await server.ask(call)
    expect(await server.ask(retry(call, asked, { elicitation_1: 'Ada' }))).toMatchObject({ code: -32602 })
    expect(await server.ask(retry(call, asked, { elicitation_1: ACCEPTED }))).toMatchObject({ status: 200 })
    expect(answersTo(server)).toHaveLength(1)
  })

  test('a server that asks too often fails the call', async () => {
    let asked = 0
    server.upstream.on('tools/call', (call) => {
      const stream = call.events()
      stream.say(elicitation((asked += 1)))
      server.upstream.on('response', (answer) => {
        answer.empty()
        stream.say(elicitation((asked += 1)))
      })
    })
    const call = callOf()
    let last = await server.ask(call)
    for (let round = 0; round < 10; round += 1) {
      const [key] = Object.keys(last.result['inputRequests'] as object)
      last = await server.ask(retry(call, last, { [key!]: ACCEPTED }))
    }
    expect(last.result).toMatchObject({ isError: true })
    expect(farewells()).toEqual([expect.stringMatching(/^cancelled/), 'DELETE in s1'])
  })
})

describe('asked in the stream of the session, as server.elicitInput() does', () => {
  /** The listening streams of the server, by session. */
  let streams: Map<string, MemoryStream>

  beforeEach(() => {
    streams = new Map()
    server.upstream.on('GET', (asked) => void streams.set(sessionOf(asked), asked.events()))
  })

  test('1 2 PU1 ST22 with one call running it is that call’s; with two, each has its own', async () => {
    const calls: { answer(result: object): void }[] = []
    server.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      calls.push(stream)
      streams.get(sessionOf(asked))!.say(elicitation(1, sessionOf(asked)))
      server.upstream.on('response', (answer) => {
        answer.empty()
        const said = answer.exchange.message as { result?: unknown }
        const of = callIdOf(server, sessionOf(answer))
        streams.get(sessionOf(answer))!.say({ id: of, result: { content: [], said: said.result } })
      })
    })
    const messages = ['a', 'b'].map((name) => callOf(name))
    const asked = await Promise.all(messages.map((message) => server.ask(message)))
    const texts = asked.map(({ result }) => JSON.stringify(result['inputRequests']))
    expect(new Set(texts.map((text) => /s[12]/.exec(text)?.[0]))).toEqual(new Set(['s1', 's2']))
    const answers = [1, 0].map((index) =>
      server.ask(retry(messages[index]!, asked[index]!, { elicitation_1: { action: 'accept', content: { index } } })),
    )
    const said = (await Promise.all(answers)).map(({ result }) => result['said'])
    expect(said).toEqual([1, 0].map((index) => ({ action: 'accept', content: { index } })))
  })

  test('ST22 a session in which a call was left is lent to no other, as its tool may still ask; its listeners move', async () => {
    const listener = server.send(request('subscriptions/listen', { notifications: { toolsListChanged: true } }))
    await listener.events.next()
    server.upstream.once('tools/call', () => {})
    const left = server.send(callOf('left'))
    await server.upstream.asked.next((asked) => asked.kind === 'tools/call' && paramsOf(asked)['name'] === 'left')
    left.leave()
    await server.upstream.asked.next(({ kind }) => kind === 'DELETE')
    expect(farewells()).toEqual([expect.stringMatching(/^cancelled bridge-/), 'DELETE in s1'])
    await server.upstream.asked.next((asked) => asked.kind === 'GET' && sessionOf(asked) === 's2')
    server.upstream.on('tools/call', (asked) => asked.json({ content: [], in: sessionOf(asked) }))
    expect((await server.ask(callOf('next'))).result['in']).not.toBe('s1')
    listener.leave()
  })

  test('1 PU1 with no call it is refused at once, and so is what nobody has declared', async () => {
    await server.ask(request('tools/list'))
    streams.get('s1')!.say(elicitation('x'))
    streams.get('s1')!.say({ id: 'p', method: 'ping' })
    await settled()
    expect(answersTo(server)).toEqual([
      { id: 'x', code: -32601 },
      { id: 'p', result: {} },
    ])
  })

  test('PU1 the stream is open before the call is sent', async () => {
    server.upstream.on('tools/call', (asked) => asked.json({ content: [] }))
    await server.ask(callOf())
    const kinds = server.upstream.asked.entries.map(({ kind }) => kind)
    expect(kinds.indexOf('GET')).toBeLessThan(kinds.indexOf('tools/call'))
  })

  test.each<[string, (asked: Asked) => void]>([
    ['in a document', (asked) => asked.text('{"error":"Only one stream"}', 409)],
    ['without one', (asked) => asked.fail('upstream_refused', 409)],
  ])(
    'PU1 a server that has not noticed yet that the last stream has ended (409, %s) is asked again',
    async (_, says) => {
      server.upstream.once('GET', says).once('GET', says)
      server.upstream.on('tools/call', (asked) => {
        asked.events()
        streams.get(sessionOf(asked))!.say(elicitation())
      })
      expect((await server.ask(callOf())).result).toMatchObject({ resultType: 'input_required' })
      expect(count('GET')).toBe(3)
    },
  )

  test('PU1 a server that could not open the stream once is asked again for the next call', async () => {
    server.upstream.once('GET', (asked) => asked.text('{"error":"Busy"}', 503))
    await server.ask(request('tools/list'))
    server.upstream.on('tools/call', (asked) => {
      asked.events()
      streams.get(sessionOf(asked))!.say(elicitation())
    })
    expect((await server.ask(callOf())).result).toMatchObject({ resultType: 'input_required' })
  })
})

describe('what a client has not declared is not asked', () => {
  test.each<[string, object, object]>([
    ['an elicitation', {}, elicitation()],
    [
      'a URL',
      { elicitation: {} },
      { ...elicitation(), params: { mode: 'url', url: 'https://a.example', message: 'x' } },
    ],
    ['a form', { elicitation: { url: {} } }, elicitation()],
    ['sampling', { elicitation: {} }, { id: 'e1', method: 'sampling/createMessage', params: {} }],
    ['sampling with tools', { sampling: {} }, { id: 'e1', method: 'sampling/createMessage', params: { tools: [] } }],
    ['roots', { sampling: {} }, { id: 'e1', method: 'roots/list' }],
    ['anything else', ASKABLE, { id: 'e1', method: 'x/y' }],
  ])('8 ST22 PU3 %s', async (_, capabilities, question) => {
    server.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say(question)
      server.upstream.on('response', (answer) => {
        answer.empty()
        stream.answer({ content: [] })
      })
    })
    expect((await server.ask(callOf('a', {}, { capabilities }))).result).toMatchObject({ resultType: 'complete' })
    expect(answersTo(server)).toEqual([{ id: 'e1', code: -32601 }])
  })
})

describe('a state is good for one retry of one request by one client', () => {
  const NOT_OPEN = { status: 200, code: -32602, message: expect.stringMatching(/^The question is not open here/) }

  const changed = (message: RequestMessage, params: object): RequestMessage =>
    requestOf('modern', 8, message.method, { ...message.params, ...params })

  test.each([
    ['held', {}],
    ['sealed', { keys: ['k'.repeat(32)] }],
  ])('2 3 ST23 ST25 %s: swapped, forged, replayed and unknown ones get the same error', async (_, options) => {
    await restart(options)
    asksInCall(server, { ids: true })
    const call = callOf()
    const asked = await server.ask(call)
    const good = retry(call, asked, { elicitation_1: ACCEPTED })
    const state = String(asked.result['requestState'])
    const states = ['', 'x', `${state.slice(0, -1)}${state.endsWith('A') ? 'B' : 'A'}`, state.toUpperCase(), 7]
    const bad: [RequestMessage, { as?: { id: string } }?][] = [
      ...states.map((requestState): [RequestMessage] => [changed(good, { requestState })]),
      [changed(good, { name: 'other' })],
      [changed(good, { arguments: { a: 1 } })],
      [requestOf('modern', 8, 'prompts/get', good.params)],
      [good, { as: { id: 'bob' } }],
    ]
    const texts = new Set<string>()
    for (const [message, as] of bad) {
      const answered = await server.ask(message, as)
      expect(answered).toMatchObject(NOT_OPEN)
      texts.add(answered.client.response.text)
    }
    expect(texts.size).toBe(1)
    expect((await server.ask(good)).result).toMatchObject({ said: ACCEPTED })
    expect(await server.ask(good)).toMatchObject(NOT_OPEN)
    expect(answersTo(server)).toHaveLength(1)
    expect(count('tools/call')).toBe(1)
  })

  test('ST23 other `_meta` and another order of keys are the same request', async () => {
    asksInCall(server)
    const call = callOf('a', { arguments: { x: 1, y: { b: 1, a: 2 } } })
    const asked = await server.ask(call)
    const { _meta } = call.params as { _meta: object }
    const other = request('tools/call', { arguments: { y: { a: 2, b: 1 }, x: 1 }, name: 'a' }, { token: 3 })
    const again = retry(other, asked, { elicitation_1: ACCEPTED })
    expect(_meta).not.toEqual(again.params?.['_meta'])
    expect((await server.ask(again)).result).toMatchObject({ said: ACCEPTED })
  })
})

describe('a question that nobody answers', () => {
  test('3 is given up after a quarter of an hour: the server is told, and its session ends', async () => {
    asksInCall(server)
    const call = callOf()
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] })
    const client = server.send(call)
    await settled()
    jest.advanceTimersByTime(50)
    await client.over
    expect(server.bridge.load).toMatchObject({ sessions: 1, questions: 1 })
    jest.advanceTimersByTime(15 * 60_000)
    jest.useRealTimers()
    await settled()
    expect(farewells()).toEqual([expect.stringMatching(/^cancelled bridge-/), 'DELETE in s1'])
    expect(server.bridge.load).toEqual({ sessions: 0, questions: 0, bytes: 0 })
  })

  test.each<[string, (server: LegacyServer) => void]>([
    ['its principal expires', ({ expireTokens }) => expireTokens()],
    ['the gateway closes', ({ inFlight }) => inFlight.stop(closing(), ({ life }) => life.endless)],
  ])('4 AU11 SS12 %s: the server is told, its session ends, and the retry is refused', async (_, happen) => {
    asksInCall(server)
    const call = callOf()
    const asked = await server.ask(call)
    happen(server)
    await settled()
    expect(farewells()).toEqual([expect.stringMatching(/^cancelled bridge-/), 'DELETE in s1'])
    expect(await server.ask(retry(call, asked, { elicitation_1: ACCEPTED }))).toMatchObject({ code: -32602 })
    expect(server.bridge.load.questions).toBe(0)
  })

  test('15 LC8 is withdrawn by the server: the call brings what the server makes of it', async () => {
    const { call, asked, stream } = await askOnStream()
    stream.say({ method: 'notifications/cancelled', params: { requestId: 'e1' } })
    stream.answer({ content: [], isError: true })
    const late = await server.ask(retry(call, asked, { elicitation_1: ACCEPTED }))
    expect(late.result).toMatchObject({ resultType: 'complete', isError: true })
    expect(answersTo(server)).toEqual([])
    expect(farewells()).toEqual([])
  })

  test('u5 SE5 a client that leaves while its answer is worked on cancels the call; one that leaves before has cancelled nothing', async () => {
    const { call, asked, stream } = await askOnStream()
    asked.client.leave()
    await settled()
    expect(farewells()).toEqual([])
    const client = server.send(retry(call, asked, { elicitation_1: ACCEPTED }))
    await server.upstream.asked.next(({ kind }) => kind === 'response')
    client.leave()
    await settled()
    // The tool may ask again, and another call would be asked in its place.
    expect(farewells()).toEqual([expect.stringMatching(/^cancelled bridge-/), 'DELETE in s1'])
    await expect(stream.over).resolves.toBe('let go')
  })

  test('takes up its place: the next call waits, and gets it', async () => {
    await restart({ config: { bridge: { sessions: 1 } } })
    asksInCall(server)
    const call = callOf()
    const asked = await server.ask(call)
    const second = server.ask(callOf('b'))
    await settled()
    expect(count('tools/call')).toBe(1)
    await server.ask(retry(call, asked, { elicitation_1: ACCEPTED }))
    expect((await second).result).toMatchObject({ resultType: 'input_required' })
    expect(server.upstream.asked.entries.filter(({ kind }) => kind === 'tools/call').map(sessionOf)).toEqual([
      's1',
      's1',
    ])
  })
})

describe('-32042: the server wants a URL to be opened first', () => {
  const elicitations = [{ mode: 'url', elicitationId: 'x', url: 'https://a.example/', message: 'Log in' }]

  beforeEach(() => {
    let isFirst = true
    server.upstream.on('tools/call', (asked) => {
      const [id] = asked.exchange.requestIds
      if (!isFirst) return asked.json({ content: [] })
      isFirst = false
      asked.text(
        JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32042, message: 'URL', data: { elicitations } } }),
      )
    })
  })

  test('14 ST22 the client opens it, and the request is sent again', async () => {
    const call = callOf()
    const asked = await server.ask(call)
    expect(asked.result).toMatchObject({
      resultType: 'input_required',
      inputRequests: {
        elicitation_1: {
          method: 'elicitation/create',
          params: { mode: 'url', url: 'https://a.example/', message: 'Log in' },
        },
      },
    })
    const again = await server.ask(retry(call, asked, { elicitation_1: { action: 'accept' } }))
    expect(again.result).toMatchObject({ resultType: 'complete', content: [] })
    expect(count('tools/call')).toBe(2)
  })

  test.each([
    ['declines', (asked: Answered) => ({ asked, results: { elicitation_1: { action: 'decline' } } })],
    ['says nothing', (asked: Answered) => ({ asked, results: {} })],
  ])('a client that %s gets an error, and the request is not sent again', async (_, answers) => {
    const call = callOf()
    const { asked, results } = answers(await server.ask(call))
    expect((await server.ask(retry(call, asked, results))).result).toMatchObject({ isError: true })
    expect(count('tools/call')).toBe(1)
  })

  test('ST22 a client that cannot open URLs gets an error', async () => {
    const { result } = await server.ask(callOf('a', {}, { capabilities: { elicitation: {} } }))
    expect(result).toMatchObject({ isError: true, resultType: 'complete' })
  })
})

test('prompts and resources ask, too; lists do not', async () => {
  for (const method of ['prompts/get', 'resources/read', 'tools/list']) {
    server.upstream.on(method, (asked) => {
      const stream = asked.events()
      stream.say(elicitation())
      server.upstream.on('response', (answer) => {
        answer.empty()
        stream.answer({})
      })
    })
  }
  expect((await server.ask(request('prompts/get', { name: 'a' }))).result['resultType']).toBe('input_required')
  expect((await server.ask(request('resources/read', { uri: 'a:b' }))).result['resultType']).toBe('input_required')
  expect((await server.ask(request('tools/list'))).result['resultType']).toBe('complete')
  expect(answersTo(server)).toEqual([{ id: 'e1', code: -32601 }])
})

test('SC6 what waits is bounded: a question that is too long is refused at the server', async () => {
  server.upstream.on('tools/call', (asked) => {
    const stream = asked.events()
    for (let n = 0; n < 40; n += 1) stream.say(elicitation(n))
    server.upstream.on('response', (answer) => answer.empty())
  })
  const { result } = await server.ask(callOf())
  expect(Object.keys(result['inputRequests'] as object)).toHaveLength(32)
  expect(answersTo(server).filter((each) => (each as { code?: number }).code === -32603)).toHaveLength(8)
  expect(paramsOf(server.upstream.asked.entries[0]!)).toHaveProperty('protocolVersion')
})
