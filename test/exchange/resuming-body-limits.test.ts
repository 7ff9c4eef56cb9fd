// Where the resumption engine gives up: attempts that fail, streams that wear out, and a stop.
import { jest } from '@jest/globals'
import { GatewayError } from '../../lib/errors.ts'
import { emptyReply, eventOf, jsonReply, progress, resultOf, Source } from './parts.ts'
import { begin, pass, reset } from './resumptions.ts'

const unreachable = new GatewayError('upstream_unreachable', 'The server cannot be reached')
const conflict = new GatewayError('upstream_refused', 'The server answered 409', { status: 409 })
const forgotten = new GatewayError('session_not_found', 'The session has ended')
const response = eventOf(resultOf())

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
})

afterEach(() => {
  jest.useRealTimers()
})

describe('an attempt that fails', () => {
  test.each([
    ['the server cannot be reached', unreachable],
    ['the server has not noticed yet that the first connection is gone', conflict],
    ['the connection breaks', new GatewayError('upstream_broken', 'The connection broke')],
    ['the server is busy', new GatewayError('upstream_refused', 'The server answered 503', { status: 503 })],
  ])('is made again after twice the time where %s', async (_, failure) => {
    const second = new Source()
    const { first, next, sink } = begin({ answers: [failure, failure, second.reply()] })
    first.break(reset, '7', 100)
    const counts: number[] = []
    for (const ms of [100, 199, 1, 399, 1]) {
      await pass(ms)
      counts.push(next.asked.length)
    }
    expect(counts).toEqual([1, 1, 2, 2, 3])
    second.say(response)
    await pass(0)
    expect(sink.ends).toEqual([{ how: 'complete' }])
  })

  test('is made five times, and the last failure is the last word', async () => {
    const { first, next, sink } = begin({ answers: Array.from({ length: 6 }, () => unreachable) })
    first.break(reset, '7', 100)
    await pass(600_000)
    expect(next.asked).toHaveLength(5)
    expect(sink.ends).toEqual([{ how: 'broken', error: unreachable }])
  })

  test.each([
    ['forgotten the session', forgotten],
    ['refused', new GatewayError('upstream_refused', 'The server answered 400', { status: 400 })],
  ])('is the last one where the server has %s', async (_, failure) => {
    const { first, next, sink } = begin({ answers: [failure] })
    first.break(reset, '7', 100)
    await pass(600_000)
    expect([next.asked.length, sink.ends]).toEqual([1, [{ how: 'broken', error: failure }]])
  })

  test.each([
    ['a document', () => jsonReply('{}', 200)],
    ['nothing', () => emptyReply],
  ])('is one whose answer is %s rather than a stream', async (_, make) => {
    const { first, sink } = begin({ answers: [make()] })
    first.break(reset, '7', 100)
    await pass(600_000)
    expect(sink.ends).toMatchObject([{ how: 'broken', error: { code: 'upstream_refused' } }])
  })
})

describe('a stream that breaks again and again', () => {
  /** Resumes a stream so often, each of which says this and breaks. */
  async function wear(times: number, said: (round: number) => string) {
    const sources = Array.from({ length: times }, () => new Source())
    const begun = begin({ answers: sources.map((source) => source.reply()) })
    begun.first.break(reset, '0', 100)
    for (const [round, source] of sources.entries()) {
      await pass(100)
      source.say(said(round))
      source.break(reset)
    }
    await pass(600_000)
    return begun
  }

  test('is given up when it brings nothing new five times in a row', async () => {
    const { next, sink } = await wear(5, () => ': nothing\n\n')
    expect([next.asked.length, sink.ends]).toEqual([5, [{ how: 'broken', error: reset }]])
  })

  test('goes on as long as it brings something new', async () => {
    const { next, sink } = await wear(12, (round) => eventOf(progress(round), String(round)))
    expect([next.asked.length, sink.ends.length]).toEqual([13, 1])
    expect(sink.ends).toMatchObject([{ error: { message: 'asked more often than the script has answers' } }])
  })

  test('is not asked for the rest without a pause where it names none', async () => {
    const [second, third] = [new Source(), new Source()]
    const { first, next } = begin({ answers: [second.reply(), third.reply()] })
    first.break(reset, '7', 0)
    await pass(1)
    second.break(reset)
    await pass(98)
    expect(next.asked).toHaveLength(1)
    await pass(2)
    expect(next.asked).toHaveLength(2)
  })
})

describe('a stop', () => {
  const closing = new GatewayError('closing', 'The gateway is closing')

  test('while it waits is its end, and nobody is asked', async () => {
    const { first, next, sink, exchange } = begin()
    first.break(reset, '7', 100)
    exchange.life.stop(closing)
    await pass(100)
    expect([next.asked, sink.ends]).toEqual([[], [{ how: 'broken', error: closing }]])
  })

  test('reaches what it has asked for', async () => {
    const { first, next, exchange } = begin({ answers: [new Source().reply()] })
    first.break(reset, '7', 100)
    await pass(100)
    exchange.life.stop(closing)
    expect(next.asked[0]?.life.stopped).toBe(closing)
  })

  test('makes a break the last one', async () => {
    const { first, next, sink, exchange } = begin()
    exchange.life.stop(closing)
    first.break(reset, '7', 100)
    await pass(100)
    expect([next.asked, sink.ends]).toEqual([[], [{ how: 'broken', error: reset }]])
  })
})
