// What the events of a stretch are, what they say, and events of our own.
import fc from 'fast-check'
import {
  createMessageReader,
  eventsOf,
  formatEvent,
  hasEventId,
  messageEvent,
  parseEvent,
} from '../../lib/exchange/sse.ts'
import { readEvents } from '../support/sse.ts'
import { eventEnds, streamOf } from './streams.ts'

describe('eventsOf', () => {
  test.each([
    ['LF', ['data: a\n\n', 'data: b\n\n']],
    ['CRLF', ['data: a\r\n\r\n', 'data: b\r\n\r\n']],
    ['CR', ['data: a\r\r', 'data: b\r\r']],
    ['LF, then CRLF', ['data: a\n\n', 'data: b\r\n\r\n']],
    ['LF with a blank line of CRLF', ['data: a\n\r\n', 'data: b\n\r\n']],
    ['CRLF with a blank line of LF', ['data: a\r\n\n', 'data: b\r\n\n']],
  ])('splits a stretch of whole events, lines ending in %s (SE18)', (_, events) => {
    expect(Array.from(eventsOf(Buffer.from(events.join(''))), String)).toEqual(events)
  })

  test('loses no byte and splits no event, whatever it is given (SE18)', () => {
    fc.assert(
      fc.property(streamOf(['\n', '\r\n']), (stream) => {
        const events = [...eventsOf(stream)]
        expect(Buffer.concat(events).equals(stream)).toBe(true)
        const ends = new Set([...eventEnds(stream), stream.length])
        let length = 0
        for (const each of events) expect(ends).toContain((length += each.length))
      }),
    )
  })
})

describe('hasEventId', () => {
  test.each([
    ['an id in the first line', 'id: 1\ndata: a\n\n', true],
    ['an id after the data', 'data: a\nid: 1\n\n', true],
    ['an id after a CRLF', 'data: a\r\nid:1\r\n\r\n', true],
    ['an id after a CR', 'data: a\rid: 1\r\r', true],
    ['an id in the second event', 'data: a\n\nid: 1\ndata: b\n\n', true],
    ['an id without a value', 'data: a\nid\n\n', true],
    ['no id', 'data: a\n\n', false],
    ['an id inside the data', 'data: id: 1\n\n', false],
    ['an id inside a comment', ': id: 1\n\n', false],
    ['a field that merely begins alike', 'idea: 1\n\n', false],
  ])('%s (SE3)', (_, stretch, expected) => {
    expect(hasEventId(Buffer.from(stretch))).toBe(expected)
  })

  /** By the letter: a field is a line that has its name up to a colon, or all of it. */
  const hasIdLine = (stream: Buffer): boolean => {
    const lines = stream.toString('latin1').split(/\r\n|\n|\r/)
    return lines.some((line) => line.startsWith('id:')) || lines.slice(0, -1).includes('id')
  }

  test('finds what the lines say, by the letter (SE3, SE18)', () => {
    fc.assert(
      fc.property(streamOf(['\n', '\r\n', '\r']), (stream) => {
        expect(hasEventId(stream)).toBe(hasIdLine(stream))
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('a message reader', () => {
  test.each([['\n'], ['\r\n'], ['\r']])(
    'joins the data lines of an event and skips what is no JSON, lines ending in %j (SE18)',
    (end) => {
      const messages: unknown[] = []
      const reader = createMessageReader((message) => messages.push(message))
      const text = [
        'id: 1',
        'data:',
        '',
        ': ping',
        '',
        'data: {"a":',
        'data: 1}',
        '',
        'data: nonsense',
        '',
        'data: [{}]',
        '',
        '',
      ].join(end)
      for (const letter of text) reader.feed(letter)
      // A CR at the very end may be half a CRLF, so a parser may wait for what follows.
      reader.feed('data: {"next":1}\n\n')
      expect(messages).toEqual([{ a: 1 }, [{}], { next: 1 }])
    },
  )

  test('is not confused by a byte order mark (SE18)', () => {
    const messages: unknown[] = []
    createMessageReader((message) => messages.push(message)).feed('\uFEFFdata: {}\n\n')
    expect(messages).toEqual([{}])
  })

  test.each([1, 7])(
    'keeps nothing of an event that is too long, nor of any behind it, %d characters at a time (SC6)',
    (size) => {
      const messages: unknown[] = []
      const reader = createMessageReader((message, text) => messages.push([message, text]), 99)
      const [short, long] = ['y'.repeat(80), 'x'.repeat(150)]
      const text = `data: {"a": 1}\n\ndata: {"b": "${short}"}\n\ndata: {"c": "${long}"}\n\ndata: {}\n\n`
      for (let at = 0; at < text.length; at += size) reader.feed(text.slice(at, at + size))
      reader.feed('data: 4\n\n')
      expect(messages).toEqual([
        [{ a: 1 }, '{"a": 1}'],
        [{ b: short }, `{"b": "${short}"}`],
      ])
    },
  )
})

describe('a message reader and what is no message', () => {
  /** What is read of a stream in pieces of a few characters. */
  function read(stream: string, size = 3): unknown[] {
    const messages: unknown[] = []
    const reader = createMessageReader((message) => messages.push(message))
    for (let at = 0; at < stream.length; at += size) reader.feed(stream.slice(at, at + size))
    return messages
  }

  test.each([['\n'], ['\r\n'], ['\r']])('reads past lines of any other name, lines ending in %j (SE18)', (end) => {
    const lines = [
      'dat',
      'data',
      'database: 1',
      'retry: soon',
      'x',
      'data:{"a":',
      ':c',
      'datum:',
      'data:1}',
      '',
      '',
      '',
    ]
    expect(read(lines.join(end) + end)).toEqual([{ a: 1 }])
  })

  test('takes a line separator of Unicode for no line end (SE18)', () => {
    expect(read('data: {"a":"\u2028x\u2029y"}\n\n')).toEqual([{ a: '\u2028x\u2029y' }])
  })

  test.each(['1', '"x"', 'null', '{', '}', '[1]', '{]', 'x}', ''])('passes over %j', (data) => {
    expect(read(`data: ${data}\n\ndata: {"a":1}\n\n`)).toEqual([{ a: 1 }])
  })

  test.each([' { } ', '[]', ' [ {}]', `{}${' '.repeat(99)}`, '{"a":[1]}'])('reads %j', (data) => {
    expect(read(`data: ${data}\n\n`)).toEqual([JSON.parse(data)])
  })

  test('reads no more behind a hundred malformed ones in a row (SC6)', () => {
    const malformed = 'data: {"}\n\n'
    const message = 'data: {"a":1}\n\n'
    expect(read(malformed.repeat(99) + message + malformed.repeat(99) + message, 9)).toHaveLength(2)
    expect(read(message + malformed.repeat(100) + message, 9)).toHaveLength(1)
  })
})

test('an event of our own is read back as it was meant', () => {
  const { feed: read, events } = readEvents()
  read(messageEvent('{"jsonrpc":"2.0"}').toString())
  expect(events).toMatchObject([{ event: 'message', data: '{"jsonrpc":"2.0"}', id: undefined }])
})

test.each([['\n'], ['\r\n'], ['\r']])(
  'an event is written with the fields that were read of it, lines ending in %j (SE18)',
  (end) => {
    const fields = { id: 'a:1', event: 'message', retryMs: 30, data: '{"a":\n1}' }
    const lines = ['id: a:1', ': ping', 'event:message', 'retry: 30', 'data: {"a":', 'data: 1}', 'idea: 2', '', '']
    expect(parseEvent(lines.join(end))).toEqual(fields)
    expect(parseEvent(formatEvent(fields).toString())).toEqual(fields)
    const { feed: read, events } = readEvents()
    read(formatEvent(fields).toString())
    expect(events).toMatchObject([{ id: 'a:1', event: 'message', retry: '30', data: '{"a":\n1}' }])
  },
)

describe('an event of our own is one for every client', () => {
  const odd = '{"text":"a\u2028\u2028data: {}\u2029b\x85c"}'
  // oxlint-disable-next-line no-control-regex
  const linesOf = (event: Buffer): string[] => event.toString().split(/[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/)

  test.each([
    ['messageEvent()', messageEvent(odd)],
    ['formatEvent()', formatEvent({ event: 'message', data: odd })],
  ])('whatever its text says of line ends: %s', (_, event) => {
    expect(linesOf(event)).toEqual([
      'event: message',
      String.raw`data: {"text":"a\u2028\u2028data: {}\u2029b\u0085c"}`,
      '',
      '',
    ])
    expect(JSON.parse(parseEvent(event.toString()).data)).toEqual(JSON.parse(odd))
  })

  test('and whatever white space is in its JSON', () => {
    expect(linesOf(messageEvent('{\r\n"a":1}'))).toEqual(['event: message', 'data: {  "a":1}', '', ''])
    expect(linesOf(formatEvent({ data: '{\r"a":1}' }))).toEqual(['data: {', 'data: "a":1}', '', ''])
  })
})
