// The one resumption engine: when and how it asks for the rest of a stream, and what its reader sees.
import { AsyncLocalStorage } from 'node:async_hooks'
import { jest } from '@jest/globals'
import { GatewayError } from '../../lib/errors.ts'
import type { Exchange } from '../../lib/exchange/exchange.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { ResumingBody } from '../../lib/exchange/resuming-body.ts'
import { eventOf, exchangeOf, originOf, progress, resultOf, scripted, Source } from './parts.ts'
import { Collector } from './readers.ts'
import { begin, pass, reset } from './resumptions.ts'

const forgotten = new GatewayError('session_not_found', 'The session has ended')
const response = eventOf(resultOf())

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
})

afterEach(() => {
  jest.useRealTimers()
})

describe('a stream that breaks before its response (SE7, UC6)', () => {
  test('is resumed after its last event, by GET with Last-Event-ID, in the session of the request', async () => {
    const second = new Source()
    const exchange = exchangeOf({ headers: { 'mcp-protocol-version': '2025-11-25' } })
    const { first, next, sink } = begin({ answers: [second.reply()], exchange })
    first.say(eventOf(progress(1), '7'))
    first.break(reset, '7')
    await pass(1_000)
    expect(next.asked).toHaveLength(1)
    expect(next.asked[0]).toMatchObject({ verb: 'GET', message: undefined, state: exchange.state })
    expect(next.asked[0]?.headers).toEqual({ 'mcp-protocol-version': '2025-11-25', 'last-event-id': '7' })
    second.say(response)
    await pass(0)
    expect(sink.bytes.toString()).toBe(eventOf(progress(1), '7') + response)
    expect(sink.ends).toEqual([{ how: 'complete' }])
  })

  test('is over with its response, though the resumed stream stays open, which is closed', async () => {
    const second = new Source()
    const { first, body, sink } = begin({ answers: [second.reply()] })
    first.break(reset, '7', 10)
    await pass(10)
    second.say(eventOf(progress(1), '8'))
    expect([body.pending(), body.after, sink.ends]).toEqual([[1], '8', []])
    second.say(response)
    await pass(0)
    expect([body.pending(), sink.ends, second.isCancelled]).toEqual([[], [{ how: 'complete' }], true])
  })

  test('is resumed more than once, each time after the last event', async () => {
    const [second, third] = [new Source(), new Source()]
    const { first, next, sink } = begin({ answers: [second.reply(), third.reply()] })
    first.break(reset, '7', 200)
    await pass(200)
    second.say(eventOf(progress(1), '8'))
    second.break(reset)
    await pass(200)
    third.say(response)
    await pass(0)
    expect(next.asked.map(({ headers }) => headers['last-event-id'])).toEqual(['7', '8'])
    expect(sink.bytes.toString()).toBe(eventOf(progress(1), '8') + response)
    expect(sink.ends).toEqual([{ how: 'complete' }])
  })

  test('UC6 waits as long as its server said, a second by default, and never longer than half a minute', async () => {
    for (const [retryMs, waits] of [
      [undefined, 1_000],
      [500, 500],
      [0, 0],
      [3_600_000, 30_000],
    ] as const) {
      const { first, next } = begin({ answers: [new Source().reply()] })
      first.break(reset, '7', retryMs)
      if (waits > 0) await pass(waits - 1)
      expect({ retryMs, asked: next.asked.length }).toEqual({ retryMs, asked: 0 })
      await pass(1)
      expect({ retryMs, asked: next.asked.length }).toEqual({ retryMs, asked: 1 })
    }
  })

  test('UC6 heeds the reconnection time that a resumed stream names', async () => {
    const second = new Source()
    const { first, next } = begin({ answers: [second.reply(), new Source().reply()] })
    first.break(reset, '7', 10)
    await pass(10)
    second.say('retry: 700\n\n')
    second.break(reset)
    await pass(699)
    expect(next.asked).toHaveLength(1)
    await pass(1)
    expect(next.asked).toHaveLength(2)
  })

  test('is requested in the async context of its client, not in that of a timer', async () => {
    const context = new AsyncLocalStorage<string>()
    const exchange = context.run('ada', () => exchangeOf({ origin: originOf() }))
    const seen: unknown[] = []
    const first = new Source()
    const body = ResumingBody.of(first.reply(), exchange, async () => {
      seen.push(context.getStore())
      return new Source().reply()
    })
    body.pipe(new Collector())
    context.run('bob', () => first.break(reset, '7', 10))
    await pass(10)
    expect(seen).toEqual(['ada'])
  })
})

describe('a stream that is not resumed', () => {
  test.each<[string, (first: Source) => void]>([
    ['that names no event to go on behind', (first) => first.break(reset)],
    ['whose upstream has said its last word', (first) => first.break(forgotten, '7')],
  ])('%s ends as broken', async (_, fail) => {
    const { first, next, sink } = begin()
    fail(first)
    await pass(60_000)
    expect(next.asked).toEqual([])
    expect(sink.ends).toMatchObject([{ how: 'broken' }])
  })

  test('with nothing pending ends as broken', async () => {
    const first = new Source()
    const next = scripted()
    const sink = new Collector()
    ResumingBody.of(first.reply([]), exchangeOf(), next).pipe(sink)
    first.break(reset, '7')
    await pass(60_000)
    expect([next.asked, sink.ends]).toEqual([[], [{ how: 'broken', error: reset }]])
  })

  test('SE3 that ends in good order before its response is for its reader to ask again', async () => {
    const { first, next, sink } = begin()
    first.body.end({ how: 'poll', after: '7', retryMs: 20 })
    await pass(60_000)
    expect([next.asked, sink.ends]).toEqual([[], [{ how: 'poll', after: '7', retryMs: 20 }]])
  })

  test('SE3 that ends in good order once it was resumed is too, behind what it brought', async () => {
    for (const end of ['complete', 'poll'] as const) {
      const second = new Source()
      const { first, sink } = begin({ answers: [second.reply()] })
      first.break(reset, '7', 10)
      await pass(10)
      second.say(eventOf(progress(1), '8'))
      second.body.end(end === 'complete' ? { how: end } : { how: end, after: '8', retryMs: undefined })
      expect(sink.ends).toEqual([{ how: 'poll', after: '8', retryMs: 10 }])
    }
  })
})

describe('cancelling', () => {
  test.each(['cancel', 'drain'] as const)('%s() while it waits leaves no timer, and nobody is asked', async (how) => {
    const { first, next, body, sink } = begin()
    first.break(reset, '7', 100)
    body[how]()
    expect(jest.getTimerCount()).toBe(0)
    await pass(600_000)
    expect([next.asked, sink.ends]).toEqual([[], []])
  })

  test('during a request stops that request, and closes a reply that still arrives', async () => {
    const second = new Source()
    let answer: (reply: Reply) => void
    const asked: Exchange[] = []
    const first = new Source()
    const exchange = exchangeOf()
    const body = ResumingBody.of(first.reply(), exchange, (one) => {
      asked.push(one)
      return new Promise<Reply>((resolve) => (answer = resolve))
    })
    const sink = new Collector()
    body.pipe(sink)
    first.break(reset, '7', 100)
    await pass(100)
    body.cancel()
    expect(asked[0]?.life.stopped).toBeInstanceOf(GatewayError)
    answer!(second.reply())
    await pass(0)
    expect([second.isCancelled, exchange.life.stopped, sink.ends]).toEqual([true, undefined, []])
  })

  test('while the rest comes closes its connection', async () => {
    const second = new Source()
    const { first, body, sink } = begin({ answers: [second.reply()] })
    first.break(reset, '7', 100)
    await pass(100)
    body.cancel()
    second.say(response)
    await pass(0)
    expect([second.isCancelled, sink.chunks, sink.ends]).toEqual([true, [], []])
  })
})

describe('a reader that gives bytes back', () => {
  test('while it waits for the rest finds them in front of it', async () => {
    const second = new Source()
    const { first, body, sink } = begin({ answers: [second.reply()] })
    first.say(eventOf(progress(1), '7'))
    first.break(reset, '7', 100)
    body.unread([...sink.chunks])
    sink.isLetGo = true
    await pass(100)
    second.say(response)
    const next = new Collector()
    body.pipe(next)
    await pass(0)
    expect(next.bytes.toString()).toBe(eventOf(progress(1), '7') + response)
    expect(next.ends).toEqual([{ how: 'complete' }])
  })

  test('to a next one that is there at once has the rest asked for once', async () => {
    const [first, second] = [new Source(), new Source()]
    const next = scripted(second.reply(), new Source().reply())
    const body = ResumingBody.of(first.reply(), exchangeOf(), next)
    first.say(eventOf(progress(1), '7'))
    first.break(reset, '7', 100)
    const [peek, reader] = [new Collector(), new Collector()]
    peek.onData = () => {
      body.unread([...peek.chunks])
      peek.isLetGo = true
      body.pipe(reader)
    }
    body.pipe(peek)
    await pass(100)
    second.say(response)
    await pass(60_000)
    expect(next.asked).toHaveLength(1)
    expect(reader.bytes.toString()).toBe(eventOf(progress(1), '7') + response)
    expect(reader.ends).toEqual([{ how: 'complete' }])
  })

  test('with the response of a resumed stream leaves it to the next one', async () => {
    const second = new Source()
    const { first, body, sink } = begin({ answers: [second.reply()] })
    first.break(reset, '7', 100)
    await pass(100)
    sink.onData = () => {
      body.unread([...sink.chunks])
      sink.isLetGo = true
    }
    second.say(response)
    await pass(0)
    const next = new Collector()
    body.pipe(next)
    expect([next.bytes.toString(), next.ends]).toEqual([response, [{ how: 'complete' }]])
  })
})

describe('what comes after an event', () => {
  test('is asked for from the beginning, for those ids that are pending', async () => {
    const second = new Source()
    const next = scripted(second.reply([]))
    const body = ResumingBody.from({ after: '7', retryMs: 50, isRepeated: false }, [1, 2], exchangeOf(), next)
    const sink = new Collector()
    body.pipe(sink)
    expect([body.pending(), body.whole()]).toEqual([[1, 2], undefined])
    await pass(50)
    expect(next.asked[0]?.headers['last-event-id']).toBe('7')
    second.say(eventOf(resultOf(2)))
    expect([body.pending(), sink.ends]).toEqual([[1], []])
    second.say(response)
    await pass(0)
    expect(sink.ends).toEqual([{ how: 'complete' }])
  })

  test('waits a little where the stream was resumed before, whatever its server said', async () => {
    const next = scripted(new Source().reply())
    ResumingBody.from({ after: '7', retryMs: 0, isRepeated: true }, [1], exchangeOf(), next)
    await pass(99)
    expect(next.asked).toEqual([])
    await pass(1)
    expect(next.asked).toHaveLength(1)
  })

  test('is there for a reader that comes later', async () => {
    const second = new Source()
    const body = ResumingBody.from(
      { after: '7', retryMs: 0, isRepeated: false },
      [1],
      exchangeOf(),
      scripted(second.reply()),
    )
    await pass(1)
    second.say(response)
    const sink = new Collector()
    body.pipe(sink)
    await pass(0)
    expect([sink.bytes.toString(), sink.ends]).toEqual([response, [{ how: 'complete' }]])
  })
})
