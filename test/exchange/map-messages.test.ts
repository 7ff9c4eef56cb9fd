// Messages that are changed on their way; everything else stays the very bytes.
import type { Message } from '../../lib/exchange/message.ts'
import { type Mapped, mapMessages, type Wants } from '../../lib/exchange/map-messages.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import type { Awaitable } from '../../lib/types.ts'
import type { Collector } from './readers.ts'
import { collect, emptyReply, eventOf, jsonReply, progress, resultOf, Source, turn } from './parts.ts'

const all: Wants = { methods: () => true, responses: true }
const question = { jsonrpc: '2.0', id: 'q', method: 'roots/list' }

/** A stream that is mapped, what comes out of it, and which messages were shown. */
function mapped(wants: Wants, fn: (message: Message) => Awaitable<Mapped>) {
  const source = new Source()
  const seen: Message[] = []
  const reply = mapMessages(source.reply([1], { resumeAfter: () => '7' }), wants, (message) => {
    seen.push(message)
    return fn(message)
  })
  return { source, seen, reply: reply as Extract<Reply, { kind: 'events' }>, sink: collect(reply) }
}

const bytesOf = (sink: Collector): string => sink.bytes.toString()

describe('a message of a stream', () => {
  test('that is wanted is shown, as it was said', () => {
    const { source, seen } = mapped(all, () => undefined)
    const text = JSON.stringify(question)
    source.say(`data: ${text}\n\n${eventOf(progress(1))}${eventOf(resultOf())}`)
    expect(seen.map(({ kind }) => kind)).toEqual(['request', 'notification', 'response'])
    expect(seen[0]).toEqual({ kind: 'request', era: 'legacy', text, id: 'q', method: 'roots/list', params: undefined })
  })

  test.each<[string, Wants, string[]]>([
    ['methods alone', { methods: () => true }, ['request', 'notification']],
    ['one method', { methods: (method) => method === 'roots/list' }, ['request']],
    ['responses alone', { responses: true }, ['response']],
    ['nothing', {}, []],
  ])('is not shown to whom wants %s', (_, wants, kinds) => {
    const { source, seen, sink } = mapped(wants, () => undefined)
    const stream = eventOf(question) + eventOf(progress(1)) + eventOf(resultOf())
    source.say(stream)
    expect(seen.map(({ kind }) => kind)).toEqual(kinds)
    expect(bytesOf(sink)).toBe(stream)
  })

  test('stays the very bytes where nothing is said about it', () => {
    const { source, sink } = mapped(all, () => undefined)
    const odd = `: hi\r\nid:3\r\ndata: {"jsonrpc":"2.0",\r\ndata: "id":1,"result":{"n":1.0}}\r\n\r\n:\n\nretry: 5\n\ndata: no JSON\n\n`
    source.say(odd)
    expect(bytesOf(sink)).toBe(odd)
  })

  test('is replaced by other words, with its id, its name and its reconnection time', () => {
    const { source, sink } = mapped(all, ({ kind }) => (kind === 'request' ? { text: '{"other":\n1}' } : undefined))
    source.say(`id: 3\nretry: 50\n${eventOf(question)}${eventOf(progress(1))}`)
    expect(bytesOf(sink)).toBe(`id: 3\nevent: message\nretry: 50\ndata: {"other": 1}\n\n${eventOf(progress(1))}`)
  })

  test('that is dropped is gone, but for its id', () => {
    const { source, sink } = mapped({ methods: () => true }, () => 'drop')
    source.say(eventOf(question) + eventOf(progress(1), '8') + eventOf(resultOf()))
    expect(bytesOf(sink)).toBe(`id: 8\ndata: \n\n${eventOf(resultOf())}`)
  })

  test('that comes in pieces is shown whole', () => {
    const { source, seen, sink } = mapped(all, () => undefined)
    const event = eventOf(question)
    source.say(event.slice(0, 20), false)
    expect([seen, bytesOf(sink)]).toEqual([[], ''])
    source.say(event.slice(20))
    expect([seen.length, bytesOf(sink)]).toEqual([1, event])
  })

  test('that is too long to be shown ends the reply: nothing passes unseen', () => {
    const { source, seen, sink } = mapped(all, () => undefined)
    for (let sent = 0; sent < 5; sent += 1) source.say('x'.repeat(1024 * 1024), false)
    expect([seen, bytesOf(sink), source.isCancelled]).toEqual([[], '', true])
    expect(sink.ends).toMatchObject([{ how: 'broken', error: { code: 'upstream_invalid' } }])
  })
})

test.each<[string, (source: Source, reply: { readonly body: { cancel(): void } }) => void]>([
  ['ends', (source) => source.end()],
  ['is cancelled', (_, { body }) => body.cancel()],
  ['has a message that is too long', (source) => source.say('x'.repeat(5 * 1024 * 1024), false)],
  ['has a message that the function refuses', (source) => source.say(eventOf(question))],
])('a stream that %s is spoken on no more, and nothing remembers it', (_, end) => {
  const left: string[] = []
  const interject = () => () => void left.push('left')
  const { source, reply } = mapped({ ...all, interject }, () => {
    throw new Error('no')
  })
  end(source, reply)
  expect(left).toContain('left')
})

describe('the ids of events (SE6)', () => {
  const prefixed: Wants = { eventIds: (id) => (id === 'own' ? undefined : `weather~${id}`) }

  test('are others, in events with and without a message, or withheld', () => {
    const { source, sink } = mapped(prefixed, () => undefined)
    source.say(`${eventOf(progress(1), '1')}id: 2\ndata: \n\n${eventOf(progress(2), 'own')}${eventOf(progress(3))}`)
    expect(bytesOf(sink)).toBe(
      `${eventOf(progress(1), 'weather~1')}id: weather~2\ndata: \n\n${eventOf(progress(2))}${eventOf(progress(3))}`,
    )
  })

  test('are the same ones after which the stream is resumed', () => {
    const { source, reply, sink } = mapped(prefixed, () => undefined)
    expect(reply.resumeAfter()).toBe('weather~7')
    source.body.end({ how: 'poll', after: '7', retryMs: 10 })
    expect(sink.ends).toEqual([{ how: 'poll', after: 'weather~7', retryMs: 10 }])
  })

  test('that are withheld are none to go on behind', () => {
    const { source, sink } = mapped(prefixed, () => undefined)
    source.body.end({ how: 'poll', after: 'own', retryMs: undefined })
    expect(sink.ends).toEqual([{ how: 'complete' }])
  })

  test('are unchanged without a mapping', () => {
    const { source, reply, sink } = mapped(all, () => undefined)
    expect(reply.resumeAfter()).toBe('7')
    source.break(new Error('reset'), '7')
    expect(sink.ends).toMatchObject([{ how: 'broken', after: '7' }])
  })
})

describe('a function that takes its time', () => {
  /** Answers that come when the test says so. */
  function slow() {
    const waiting: ((said: Mapped) => void)[] = []
    const answers = (): Promise<Mapped> => new Promise((resolve) => waiting.push(resolve))
    return { waiting, ...mapped(all, answers) }
  }

  test('holds back what follows and the source, and keeps the order (SE16)', async () => {
    const { source, seen, sink, waiting } = slow()
    source.say(eventOf(progress(1)) + eventOf(progress(2)))
    source.say(eventOf(resultOf()))
    source.end()
    expect([seen.length, bytesOf(sink), source.body.isFull || source.body.isOver]).toEqual([1, '', true])
    for (let round = 0; round < 3; round += 1) {
      expect(sink.ends).toEqual([])
      waiting.shift()?.(round === 1 ? { text: '{"two":2}' } : undefined)
      await turn()
    }
    expect(bytesOf(sink)).toBe(eventOf(progress(1)) + eventOf({ two: 2 }) + eventOf(resultOf()))
    expect(sink.ends).toEqual([{ how: 'complete' }])
  })

  test('lets the source go on when it is done', async () => {
    const { source, waiting } = slow()
    source.say(eventOf(progress(1)))
    expect(source.body.isFull).toBe(true)
    waiting[0]!(undefined)
    await turn()
    expect(source.body.isFull).toBe(false)
  })

  test('does not resume a source whose reader has paused since', async () => {
    const { source, sink, waiting } = slow()
    sink.flows = false
    source.say(eventOf(progress(1)))
    waiting[0]!(undefined)
    await turn()
    expect(source.body.isFull).toBe(true)
  })

  test('emits nothing after the end of a reply that has broken', async () => {
    const { source, sink, waiting } = slow()
    source.say(eventOf(progress(1)))
    source.say('x'.repeat(4 * 1024 * 1024 + 1), false)
    expect(sink.ends).toMatchObject([{ how: 'broken', error: { code: 'upstream_invalid' } }])
    waiting[0]!(undefined)
    await turn()
    expect(bytesOf(sink)).toBe('')
  })

  test('emits nothing to a reader that has cancelled, and is not called again', async () => {
    const { source, seen, sink, waiting, reply } = slow()
    source.say(eventOf(progress(1)) + eventOf(progress(2)))
    reply.body.cancel()
    sink.isLetGo = true
    waiting[0]!(undefined)
    await turn()
    expect([seen.length, source.isCancelled]).toEqual([1, true])
  })
})

describe('a function that throws', () => {
  test.each<[string, () => Awaitable<Mapped>]>([
    [
      'at once',
      () => {
        throw new Error('hook')
      },
    ],
    ['later', () => Promise.reject(new Error('hook'))],
  ])('%s breaks the reply, behind what was said before, and the source is closed', async (_, fn) => {
    const { source, seen, sink } = mapped({ methods: (method) => method === 'roots/list' }, fn)
    source.say(eventOf(progress(1)) + eventOf(question) + eventOf(question) + eventOf(resultOf()))
    source.say(eventOf(progress(2)))
    await turn()
    expect([bytesOf(sink), seen.length, source.isCancelled]).toEqual([eventOf(progress(1)), 1, true])
    expect(sink.ends).toEqual([{ how: 'broken', error: new Error('hook') }])
  })
})

describe('a stream that is here to its end', () => {
  const answered = eventOf(progress(1)) + eventOf(resultOf())

  function whole(text: string, wants: Wants, isEndless = false): { whole: string | undefined; piped: string } {
    const source = new Source()
    const reply = { ...source.reply([1]), endless: isEndless }
    source.say(text)
    source.end()
    const through = mapMessages(reply, wants, () => ({ text: '{"other":1}' })) as Extract<Reply, { kind: 'events' }>
    const bytes = through.body.whole()
    if (bytes) through.body.unread([bytes])
    const sink = collect(through)
    expect(sink.ends).toEqual([{ how: 'complete' }])
    return { whole: bytes?.toString(), piped: bytesOf(sink) }
  }

  test('is taken as a whole if nothing in it is changed, and can be put back', () => {
    const wants: Wants = { responses: (bytes) => bytes.includes('uri"'), eventIds: (id) => `one~${id}` }
    expect(whole(eventOf(resultOf()), wants)).toEqual({ whole: eventOf(resultOf()), piped: eventOf(resultOf()) })
  })

  test.each<[string, Wants, string]>([
    ['an event has an id that is changed', { eventIds: (id) => `one~${id}` }, `id: 7\n${eventOf(resultOf())}`],
    ['a message is wanted', { methods: () => true }, answered],
    ['a response is wanted', { responses: true }, answered],
    ['something is said in between', { interject: () => () => {} }, answered],
    ['something is said at the end', { last: () => undefined }, answered],
  ])('is read event by event if %s', async (_, wants, text) => {
    const source = new Source()
    source.say(text)
    source.end()
    const through = mapMessages(source.reply([1]), wants, () => ({ text: '{"other":1}' }))
    expect(through.kind === 'events' && through.body.whole()).toBeUndefined()
    const sink = collect(through)
    await turn()
    const isChanged = wants.eventIds !== undefined || wants.methods !== undefined || wants.responses === true
    expect([sink.ends, bytesOf(sink) !== text]).toEqual([[{ how: 'complete' }], isChanged])
  })

  test('is read event by event if it is one that lasts: its end may say where to go on', () => {
    expect(whole(answered, {}, true)).toEqual({ whole: undefined, piped: answered })
  })
})

describe('a document', () => {
  const document = JSON.stringify(resultOf(1, { n: 1 }))

  test('is shown where responses are wanted, and stays the very bytes', async () => {
    const text = ' {"jsonrpc": "2.0", "id": 1, "result": {"n": 1.0}}\n'
    const seen: Message[] = []
    const sink = collect(mapMessages(jsonReply(text), all, (message) => void seen.push(message)))
    await turn()
    expect(seen).toEqual([{ kind: 'response', era: 'legacy', id: 1, result: { n: 1 }, text }])
    expect([bytesOf(sink), sink.ends]).toEqual([text, [{ how: 'complete' }]])
  })

  test('is replaced by other words, whose length nobody knows beforehand', async () => {
    const reply = mapMessages(jsonReply(document), all, async () => ({ text: '{"other":"ü"}' }))
    expect(reply.headers).toEqual({ 'content-type': 'application/json' })
    const sink = collect(reply)
    await turn()
    expect([bytesOf(sink), sink.ends]).toEqual(['{"other":"ü"}', [{ how: 'complete' }]])
  })

  test('is given back as it is where responses are not wanted, and so is an empty reply', () => {
    const reply = jsonReply(document)
    expect(mapMessages(reply, { methods: () => true }, () => 'drop')).toBe(reply)
    expect(mapMessages(emptyReply, all, () => 'drop')).toBe(emptyReply)
  })

  test('that is no message goes on unseen', async () => {
    const sink = collect(mapMessages(jsonReply('<html>'), all, () => 'drop'))
    await turn()
    expect([bytesOf(sink), sink.ends]).toEqual(['<html>', [{ how: 'complete' }]])
  })

  test.each<[string, () => Awaitable<Mapped>, string]>([
    ['is dropped', () => 'drop', 'cannot be dropped'],
    [
      'makes the function throw',
      () => {
        throw new Error('hook')
      },
      'hook',
    ],
  ])('that %s breaks the reply', async (_, fn, message) => {
    const sink = collect(mapMessages(jsonReply(document), all, fn))
    await turn()
    expect(sink.ends).toMatchObject([{ how: 'broken', error: { message: expect.stringContaining(message) as string } }])
    expect(bytesOf(sink)).toBe('')
  })

  test('that is cut off says so', async () => {
    const source = new Source()
    const sink = collect(mapMessages({ ...jsonReply(''), body: source.body }, all, () => undefined))
    source.say(document.slice(0, 10))
    source.break(new Error('reset'))
    await turn()
    expect(sink.ends).toMatchObject([{ how: 'broken', error: new Error('reset') }])
  })

  test('that is too long to be shown ends the reply', async () => {
    const source = new Source()
    const sink = collect(mapMessages({ ...jsonReply(''), body: source.body }, all, () => undefined))
    source.say('x'.repeat(4 * 1024 * 1024 + 1))
    expect(sink.ends).toMatchObject([{ how: 'broken', error: { code: 'upstream_invalid' } }])
    expect(source.isCancelled).toBe(true)
  })
})
