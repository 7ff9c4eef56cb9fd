// An event stream as it enters: what it says of itself, and how it ends.
import type { End } from '../../lib/exchange/body.ts'
import { FramedBody } from '../../lib/exchange/framed-body.ts'
import { Collector } from './readers.ts'
import { eventOf, progress, resultOf, Source } from './parts.ts'

const reset = new Error('reset')
const giant = eventOf(progress(1), '9').replace('progress"', `${'x'.repeat(300_000)}"`)

function framed(tracksIds = true, ids: readonly number[] = [1]) {
  const source = new Source()
  const body = new FramedBody(source.body, ids, tracksIds)
  return { source, body }
}

function read(tracksIds = true, ids: readonly number[] = [1]) {
  const { source, body } = framed(tracksIds, ids)
  const sink = new Collector()
  body.pipe(sink)
  return { source, body, sink }
}

describe('what goes out', () => {
  test('is whole events, however they come in', () => {
    const { source, sink } = read()
    const stream = eventOf(progress(1)) + eventOf(progress(2))
    for (let at = 0; at < stream.length; at += 7) source.say(stream.slice(at, at + 7), false)
    expect(sink.chunks.map(String)).toEqual([eventOf(progress(1)), eventOf(progress(2))])
    expect(sink.boundaries).toEqual([eventOf(progress(1)).length, stream.length])
  })

  test('SE16 is a giant event in pieces, which say that it goes on', () => {
    const { source, sink } = read()
    source.say(giant.slice(0, 290_000))
    expect([sink.bytes.length, sink.boundaries]).toEqual([290_000, []])
    source.say(giant.slice(290_000))
    expect(sink.boundaries).toEqual([giant.length])
  })

  test('says still that a giant event goes on when its beginning was given back', () => {
    const { source, body, sink } = read()
    source.say(giant.slice(0, 290_000))
    body.unread([...sink.chunks])
    const next = new Collector()
    body.pipe(next)
    expect([next.bytes.length, next.boundaries]).toEqual([290_000, []])
    source.say(giant.slice(290_000))
    expect(next.boundaries).toEqual([giant.length])
  })
})

describe('what is pending (ER14)', () => {
  test('is what had no response among the bytes handed out, whoever gave them back', () => {
    const { source, body, sink } = read(true, [1, 2])
    expect(body.pending()).toEqual([1, 2])
    source.say(eventOf(resultOf(2)))
    expect(body.pending()).toEqual([1])
    body.unread([...sink.chunks])
    expect(body.pending()).toEqual([1])
    body.pipe(new Collector())
    source.say(eventOf(resultOf(1)))
    expect(body.pending()).toEqual([])
  })
})

describe('where it can be resumed (SE6)', () => {
  test('is behind the last event with an id', () => {
    const { source, body } = read()
    expect(body.resumeAfter()).toBeUndefined()
    source.say(eventOf(progress(1), '7'))
    source.say(eventOf(progress(2), '8') + eventOf(progress(3)))
    expect(body.resumeAfter()).toBe('8')
  })

  test('is nowhere for a server whose streams cannot be', () => {
    const { source, body, sink } = read(false)
    source.say(eventOf(progress(1), '7'))
    expect(body.resumeAfter()).toBeUndefined()
    source.break(reset)
    expect(sink.ends).toEqual([{ how: 'broken', error: reset }])
  })
})

describe('the end', () => {
  const first = eventOf(progress(1), '7')
  const half = eventOf(resultOf()).slice(0, 20)
  const cases: [what: string, said: string, ids: readonly number[], end: 'end' | 'break', expected: End][] = [
    ['in good order, with its response', first + eventOf(resultOf()), [1], 'end', { how: 'complete' }],
    ['SE3 in good order, before its response', first, [1], 'end', { how: 'poll', after: '7', retryMs: undefined }],
    ['SE3 of a listener, in good order', first, [], 'end', { how: 'poll', after: '7', retryMs: undefined }],
    [
      'in good order, with a reconnection time',
      `retry: 40\n${first}`,
      [1],
      'end',
      { how: 'poll', after: '7', retryMs: 40 },
    ],
    ['in good order, without an id', eventOf(progress(1)), [1], 'end', { how: 'complete' }],
    [
      'in good order, in the middle of an event',
      first + half,
      [1],
      'end',
      { how: 'poll', after: '7', retryMs: undefined },
    ],
    ['broken, behind an event with an id', first, [1], 'break', { how: 'broken', error: reset, after: '7' }],
    ['broken, in the middle of an event', first + half, [1], 'break', { how: 'broken', error: reset, after: '7' }],
    ['broken, without an id', eventOf(progress(1)), [1], 'break', { how: 'broken', error: reset }],
  ]

  test.each(cases)('%s', (_, said, ids, how, expected) => {
    const { source, sink } = read(true, ids)
    source.say(said)
    if (how === 'end') source.end()
    else source.break(reset)
    expect(sink.ends).toEqual([expected])
    expect(sink.bytes.toString()).toBe(said.endsWith(half) ? said.slice(0, -half.length) : said)
  })

  test('of half a giant event is broken, and cannot be made good', () => {
    for (const how of ['end', 'break'] as const) {
      const { source, sink } = read()
      source.say(first + giant.slice(0, 290_000))
      if (how === 'end') source.end()
      else source.break(reset)
      expect(sink.ends).toMatchObject([{ how: 'broken' }])
      expect(sink.ends[0]).not.toHaveProperty('after', '7')
    }
  })
})

describe('whole()', () => {
  test('has a stream that was over before anybody read it, with its response', () => {
    const { source, body } = framed()
    const stream = eventOf(progress(1), '7') + eventOf(resultOf())
    source.say(stream)
    expect(body.whole()).toBeUndefined()
    source.end()
    expect(body.whole()?.toString()).toBe(stream)
    expect(body.pending()).toEqual([])
  })

  test.each([
    ['without its response', eventOf(progress(1), '7')],
    ['that ends in the middle of an event', eventOf(resultOf()) + eventOf(progress(1)).slice(0, 9)],
    ['without a byte', ''],
  ])('has none of a stream %s, which is read as ever', (_, stream) => {
    const { source, body } = framed()
    source.say(stream)
    source.end()
    expect(body.whole()).toBeUndefined()
    const pending = body.pending()
    expect([pending, body.resumeAfter()]).toEqual([[1], undefined])
    const sink = new Collector()
    body.pipe(sink)
    expect(stream.startsWith(sink.bytes.toString())).toBe(true)
    expect(sink.ends).toHaveLength(1)
  })
})

test('a body that was read in part is closed rather than read away', () => {
  const { source, body } = read()
  source.say(eventOf(progress(1)))
  let isReadAway = false
  source.body.drain = () => (isReadAway = true)
  body.drain()
  expect([source.isCancelled, isReadAway]).toEqual([true, false])
})
