import { jest } from '@jest/globals'
import { GatewayError } from '../../../../lib/errors.ts'
import { MemoryEventLog } from '../../../../lib/stores/memory-event-log.ts'
import type { EventLog } from '../../../../lib/types.ts'
import {
  ACCEPTED,
  asksInCall,
  callOf,
  elicitation,
  type LegacyServer,
  legacyServer,
  type LegacyServerOptions,
  retry,
  sessionOf,
} from '../../../support/bridged-modern.ts'
import { createJournal } from '../../../support/journal.ts'
import { closing, settled } from '../../../support/fixture.ts'
import type { MemoryStream } from '../../../support/memory-upstream.ts'

const KEYS = ['k'.repeat(32)]
const NOT_OPEN = { status: 200, code: -32602, message: expect.stringMatching(/^The question is not open here/) }
const ANSWER = { elicitation_1: ACCEPTED }

let nodes: LegacyServer[]

afterEach(async () => {
  jest.restoreAllMocks()
  for (const node of nodes) await node.close()
})

/** Two nodes in front of one server. */
function startNodes(options: LegacyServerOptions = {}): [LegacyServer, LegacyServer] {
  const first = legacyServer(options)
  const second = legacyServer({ ...options, upstream: first.upstream })
  nodes = [first, second]
  return [first, second]
}

/** A node that is gone, without a word: what it held is lost. */
async function kill(node: LegacyServer): Promise<void> {
  node.upstreamSessions.terminate = () => Promise.resolve()
  node.upstreamSessions.enqueue = () => {}
  node.inFlight.stop(closing(), () => true)
  await settled()
}

const count = ({ upstream }: LegacyServer, kind: string): number =>
  upstream.asked.entries.filter((asked) => asked.kind === kind).length

describe('with keys, and a server that gives event ids', () => {
  test('ST23 ST24 another node goes on: it answers, fetches the rest, and ends the session', async () => {
    const [first, second] = startNodes({ keys: KEYS })
    asksInCall(first, { ids: true })
    const call = callOf()
    const asked = await first.ask(call)
    expect(first.bridge.load).toMatchObject({ questions: 0, bytes: 0 })
    await kill(first)
    const { result } = await second.ask(retry(call, asked, ANSWER))
    expect(result).toMatchObject({ resultType: 'complete', said: ACCEPTED })
    expect(count(first, 'tools/call')).toBe(1)
    await second.upstreamSessions.done()
    expect(first.upstream.told.filter((words) => /^(GET after|DELETE|cancelled)/.test(words))).toEqual([
      'GET after p2 in s1',
      'DELETE in s1',
    ])
    expect(second.bridge.load.sessions).toBe(0)
  })

  test('ST24 rounds may go to any node in turn', async () => {
    const [first, second] = startNodes({ keys: KEYS })
    const { upstream } = first
    let answers = 0
    let rest: object[] = []
    upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say(elicitation(0), 'p0')
      upstream.on('response', (answer) => {
        answer.empty()
        answers += 1
        const [id] = asked.exchange.requestIds
        rest = [answers < 4 ? elicitation(answers) : { id, result: { content: [], answers } }]
      })
    })
    upstream.on('GET', (asked) => {
      const stream = asked.events()
      if (asked.exchange.headers['last-event-id'] === undefined) return
      void upstream.asked
        .next(({ kind }) => kind === 'response')
        .then(async () => {
          await settled()
          for (const message of rest) stream.say(message, `p${answers}`)
        })
    })
    const call = callOf()
    let asked = await first.ask(call)
    for (let round = 1; round <= 4; round += 1) {
      const key = `elicitation_${round}`
      expect(Object.keys(asked.result['inputRequests'] as object)).toEqual([key])
      asked = await nodes[round % 2]!.ask(retry(call, asked, { [key]: ACCEPTED }))
    }
    expect(asked.result).toMatchObject({ resultType: 'complete', answers: 4 })
    expect(count(second, 'tools/call')).toBe(1)
  })

  test('ST24 the node that asked takes its session back, and keeps it', async () => {
    const [first] = startNodes({ keys: KEYS })
    asksInCall(first, { ids: true })
    const call = callOf()
    const asked = await first.ask(call)
    expect((await first.ask(retry(call, asked, ANSWER))).result).toMatchObject({ said: ACCEPTED })
    await first.ask(callOf('b'))
    const calls = first.upstream.asked.entries.filter(({ kind }) => kind === 'tools/call')
    expect(calls.map(sessionOf)).toEqual(['s1', 's1'])
    expect(count(first, 'DELETE')).toBe(0)
  })

  test('ST23 a node with other keys refuses, and a node whose older key it is does not', async () => {
    const [first] = startNodes({ keys: KEYS })
    const { upstream } = first
    const other = legacyServer({ keys: ['o'.repeat(32)], upstream })
    const rotated = legacyServer({ keys: ['n'.repeat(32), ...KEYS], upstream })
    nodes.push(other, rotated)
    asksInCall(first, { ids: true })
    const call = callOf()
    const asked = await first.ask(call)
    expect(await other.ask(retry(call, asked, ANSWER))).toMatchObject(NOT_OPEN)
    expect((await rotated.ask(retry(call, asked, ANSWER))).result).toMatchObject({ said: ACCEPTED })
  })

  test('ST23 a state expires after a quarter of an hour', async () => {
    const [first, second] = startNodes({ keys: KEYS })
    asksInCall(first, { ids: true })
    const call = callOf()
    const asked = await first.ask(call)
    const asOf = Date.now()
    jest.spyOn(Date, 'now').mockReturnValue(asOf + 15 * 60_000 + 1_000)
    expect(await second.ask(retry(call, asked, ANSWER))).toMatchObject(NOT_OPEN)
    jest.spyOn(Date, 'now').mockReturnValue(asOf + 15 * 60_000 - 10_000)
    expect((await second.ask(retry(call, asked, ANSWER))).result).toMatchObject({ said: ACCEPTED })
  })

  test('15 SS8 a session that is gone is the same error, and the call is not sent again', async () => {
    const [first, second] = startNodes({ keys: KEYS })
    asksInCall(first, { ids: true })
    const call = callOf()
    const asked = await first.ask(call)
    first.upstream.sessions.clear()
    expect(await second.ask(retry(call, asked, ANSWER))).toMatchObject(NOT_OPEN)
    expect(count(first, 'tools/call')).toBe(1)
  })

  test('a question in the stream of the session moves, too: that stream is resumed as well', async () => {
    const [first, second] = startNodes({ keys: KEYS })
    const { upstream } = first
    const streams: MemoryStream[] = []
    upstream.on('GET', (asked) => void streams.push(asked.events()))
    upstream.on('tools/call', (asked) => {
      asked.events().raw('id: p1\ndata:\n\n')
      streams[0]!.say(elicitation(), 'g1')
    })
    const call = callOf()
    const asked = await first.ask(call)
    void second.ask(retry(call, asked, ANSWER))
    await upstream.asked.next(({ kind }) => kind === 'response')
    // What the server sends while a stream is being opened may be lost: they are open before it gets the answer.
    expect(upstream.told.slice(-3)).toEqual(['GET after g1 in s1', 'GET after p1 in s1', 'response in s1'])
  })

  test('SE7 a stream that the server believes to have a reader is asked for again', async () => {
    const [first, second] = startNodes({ keys: KEYS })
    asksInCall(first, { ids: true })
    const call = callOf()
    const asked = await first.ask(call)
    const { send } = first.upstream
    let conflicts = 0
    const busy: typeof send = (exchange) => {
      if (exchange.headers['last-event-id'] !== 'p2' || conflicts === 2) return send(exchange)
      conflicts += 1
      return Promise.reject(new GatewayError('upstream_refused', 'Conflict', { status: 409 }))
    }
    Object.assign(first.upstream, { send: busy })
    expect((await second.ask(retry(call, asked, ANSWER))).result).toMatchObject({ said: ACCEPTED })
    expect(conflicts).toBe(2)
  })

  test('SE7 when the server cannot be reached, the client is told, and may answer again', async () => {
    const [first, second] = startNodes({ keys: KEYS })
    asksInCall(first, { ids: true })
    const call = callOf()
    const asked = await first.ask(call)
    const { send } = first.upstream
    Object.assign(first.upstream, { send: () => Promise.reject(new GatewayError('upstream_unreachable', 'away')) })
    expect(await second.ask(retry(call, asked, ANSWER))).toMatchObject({ status: 502 })
    Object.assign(first.upstream, { send })
    expect((await second.ask(retry(call, asked, ANSWER))).result).toMatchObject({ said: ACCEPTED })
    expect(count(first, 'tools/call')).toBe(1)
  })
})

describe('with an event log, where the server gives no event ids', () => {
  const startLogged = (): [LegacyServer, LegacyServer] => startNodes({ eventLog: new MemoryEventLog(), logs: true })

  test('u2 ST24 the answer gets to the node that holds the call, and the outcome back', async () => {
    const [first, second] = startLogged()
    asksInCall(first)
    const call = callOf()
    const asked = await first.ask(call)
    expect(asked.result['requestState']).toMatch(/^held\./)
    expect((await second.ask(retry(call, asked, ANSWER))).result).toMatchObject({
      resultType: 'complete',
      said: ACCEPTED,
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'old' } },
    })
    expect(count(first, 'tools/call')).toBe(1)
    expect(await second.ask(retry(call, asked, ANSWER))).toMatchObject(NOT_OPEN)
    expect(await first.ask(retry(call, asked, ANSWER))).toMatchObject(NOT_OPEN)
    expect(count(first, 'response')).toBe(1)
  })

  test.each(['claim', 'append'] as const)('ER9 a log that fails in %s() is 503, and the call waits', async (method) => {
    const eventLog = new MemoryEventLog()
    const [first, second] = startNodes({ eventLog, logs: true })
    asksInCall(first)
    const call = callOf()
    const asked = await first.ask(call)
    const failing = jest.spyOn(eventLog, method).mockImplementation(() => {
      throw new Error('The disk is full')
    })
    expect(await second.ask(retry(call, asked, ANSWER))).toMatchObject({
      status: 503,
      message: 'The event log is unavailable',
    })
    failing.mockRestore()
    expect((await second.ask(retry(call, asked, ANSWER))).result).toMatchObject({ said: ACCEPTED })
  })

  test('ST24 a question goes out only when other nodes can see who holds its call', async () => {
    const eventLog: EventLog = new MemoryEventLog()
    const [first, second] = startNodes({ eventLog, logs: true })
    asksInCall(first)
    const claim = eventLog.claim.bind(eventLog)
    const calls = createJournal<() => void>()
    const slow = jest.spyOn(eventLog, 'claim').mockImplementation(async (...of) => {
      await new Promise<void>((resolve) => calls.record(resolve))
      return claim(...of)
    })
    const call = callOf()
    let isAsked = false
    const asking = first.ask(call).finally(() => (isAsked = true))
    const proceed = await calls.next()
    await settled()
    expect(isAsked).toBe(false)
    slow.mockRestore()
    proceed()
    expect((await second.ask(retry(call, await asking, ANSWER))).result).toMatchObject({ said: ACCEPTED })
  })

  test('ST24 further rounds may be answered at either node', async () => {
    const [first, second] = startLogged()
    const { upstream } = first
    let answers = 0
    upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say(elicitation(0))
      upstream.on('response', (answer) => {
        answer.empty()
        answers += 1
        if (answers < 4) stream.say(elicitation(answers))
        else stream.answer({ content: [], answers })
      })
    })
    const call = callOf()
    let asked = await first.ask(call)
    for (let round = 1; round <= 4; round += 1) {
      asked = await [first, second][round % 2]!.ask(retry(call, asked, { [`elicitation_${round}`]: ACCEPTED }))
    }
    expect(asked.result).toMatchObject({ resultType: 'complete', answers: 4 })
  })

  test('ST24 when the node that holds the call is gone, the client is told, and the call is not sent again', async () => {
    const [first, second] = startLogged()
    asksInCall(first)
    const call = callOf()
    const asked = await first.ask(call)
    await kill(first)
    expect(await second.ask(retry(call, asked, ANSWER))).toMatchObject(NOT_OPEN)
    expect(count(first, 'tools/call')).toBe(1)
  })

  test('ST23 a state that is bound to something else does not get there', async () => {
    const [first, second] = startLogged()
    asksInCall(first)
    const call = callOf()
    const asked = await first.ask(call)
    expect(await second.ask(retry(callOf('other'), asked, ANSWER))).toMatchObject(NOT_OPEN)
    expect(await second.ask(retry(call, asked, ANSWER), { as: { id: 'bob' } })).toMatchObject(NOT_OPEN)
    expect((await second.ask(retry(call, asked, ANSWER))).result).toMatchObject({ said: ACCEPTED })
  })

  test('SE5 a client that leaves the other node cancels the call', async () => {
    const [first, second] = startLogged()
    const { upstream } = first
    upstream.on('tools/call', (asked) => asked.events().say(elicitation()))
    const call = callOf()
    const asked = await first.ask(call)
    const client = second.send(retry(call, asked, ANSWER))
    await upstream.asked.next(({ kind }) => kind === 'response')
    client.leave()
    await upstream.asked.next(({ kind }) => kind === 'notifications/cancelled')
  })
})

describe('without either', () => {
  test('ST24 another node says that the question is not open there, and this one goes on', async () => {
    const [first, second] = startNodes()
    asksInCall(first, { ids: true })
    const call = callOf()
    const asked = await first.ask(call)
    expect(await second.ask(retry(call, asked, ANSWER))).toMatchObject(NOT_OPEN)
    expect((await first.ask(retry(call, asked, ANSWER))).result).toMatchObject({ said: ACCEPTED })
    expect(count(first, 'tools/call')).toBe(1)
  })
})
