// Framing: what goes in comes out, in stretches of whole events.
import fc from 'fast-check'
import {
  createMessageReader,
  eventsOf,
  Framer,
  hasEventId,
  HEARTBEAT,
  messageEvent,
} from '../../lib/exchange/sse.ts'
import { readEvents } from '../support/sse.ts'
import { cutAt, cuts, eventEnds, singly, streamOf } from './streams.ts'

/** Feeds chunks: what each brought out, in its pieces, and with `out` how much has come out after each. */
function feed(framer: Framer, chunks: readonly Buffer[]) {
  let length = 0
  const out: number[] = []
  const stretches = chunks.map((chunk) => {
    const pieces = framer.feed(chunk)
    for (const piece of pieces) length += piece.length
    out.push(length)
    return pieces
  })
  return { stretches, out, bytes: Buffer.concat(stretches.flat()) }
}

/** One event of about that many bytes; its data say where in it they are. */
function eventOf(bytes: number): Buffer {
  const letters = Array.from({ length: Math.ceil(bytes / 8) }, (_, at) => at.toString(36).padStart(8, '-'))
  return Buffer.from(`data: ${letters.join('')}\n\n`)
}

describe('a framer', () => {
  test.each([
    ['LF', ['\n']],
    ['CRLF', ['\r\n']],
    ['CR', ['\r']],
    ['mixed', ['\n', '\r\n', '\r']],
  ])(
    'hands out every complete event at once and nothing unfinished, with %s line ends, however it is cut (SE16, SE18)',
    (_, ends) => {
      fc.assert(
        fc.property(streamOf(ends), cuts, (stream, fractions) => {
          const chunks = cutAt(stream, fractions)
          const { out, bytes } = feed(new Framer(), chunks)
          let length = 0
          for (const [index, chunk] of chunks.entries()) {
            length += chunk.length
            expect(out[index]).toBe(eventEnds(stream.subarray(0, length)).at(-1) ?? 0)
          }
          expect(bytes.equals(stream.subarray(0, bytes.length))).toBe(true)
        }),
        { numRuns: 300 },
      )
    },
  )

  test.each([['\n'], ['\r\n'], ['\r']])(
    'finds the ends of events that come byte by byte, lines ending in %j (SE18)',
    (end) => {
      const stream = Buffer.from(
        `id: 1${end}data: grüße 😀${end}${end}: still here${end}${end}data${end}data${end}${end}`,
      )
      const { out, bytes } = feed(new Framer(), singly(stream))
      expect(bytes.equals(stream)).toBe(true)
      for (let length = 1; length <= stream.length; length += 1) {
        expect(out[length - 1]).toBe(eventEnds(stream.subarray(0, length)).at(-1) ?? 0)
      }
    },
  )

  test('hands out an event that came in pieces at once, a short one as one, so that whoever looks at it sees all of it', () => {
    fc.assert(
      fc.property(streamOf(['\n', '\r\n']), cuts, (stream, fractions) => {
        const { stretches } = feed(new Framer(), cutAt(stream, fractions))
        let length = 0
        for (const pieces of stretches) {
          if (pieces.length === 0) continue
          expect(pieces).toHaveLength(1)
          length += pieces[0]!.length
          // Half a CRLF is a line end, too: what came so far decides.
          expect(eventEnds(stream.subarray(0, length)).at(-1)).toBe(length)
        }
      }),
    )
  })

  test('is at a boundary whenever an event is held back, since nothing of it went out', () => {
    const framer = new Framer()
    expect(framer.atBoundary).toBe(true)
    expect(feed(framer, [Buffer.from('data: a\n\ndata: b')]).bytes.toString()).toBe('data: a\n\n')
    expect(framer.atBoundary).toBe(true)
  })

  test('gives nothing for what is held back, not even an empty piece', () => {
    expect(feed(new Framer(), [Buffer.from('data: a'), Buffer.alloc(0), Buffer.from('\n')]).stretches).toEqual([
      [],
      [],
      [],
    ])
  })

  test('copies nothing: a chunk of whole events comes out as the very same buffer', () => {
    const chunk = Buffer.from('data: a\n\ndata: b\n\n')
    const { stretches } = feed(new Framer(), [chunk])
    expect(stretches).toHaveLength(1)
    expect(stretches[0]).toHaveLength(1)
    expect(stretches[0]![0]).toBe(chunk)
  })

  test('copies nothing of a long event either: its pieces come out as they went in, all together', () => {
    const chunks = cutAt(eventOf(200_000), [0.3, 0.6, 0.9])
    const { stretches } = feed(new Framer(), chunks)
    expect(stretches.map((pieces) => pieces.length)).toEqual([0, 0, 0, 4])
    for (const [index, chunk] of chunks.entries()) expect(stretches[3]![index]).toBe(chunk)
  })

  const size = fc.oneof(
    fc.nat({ max: 200 }),
    fc.integer({ min: 15_000, max: 18_000 }),
    fc.integer({ min: 60_000, max: 70_000 }),
    fc.integer({ min: 250_000, max: 400_000 }),
  )

  test('loses nothing, holds no more than 256 KiB and keeps whole events together, long ones and short ones mixed (SC6, SE16)', () => {
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 5 }), cuts, fc.boolean(), (sizes, fractions, broken) => {
        const stream = Buffer.concat([...sizes.map(eventOf), Buffer.from(broken ? 'data: half' : '')])
        const ends = eventEnds(stream)
        const framer = new Framer()
        let fed = 0
        let out = 0
        for (const chunk of cutAt(stream, fractions)) {
          const bytes = Buffer.concat(framer.feed(chunk))
          expect(bytes.equals(stream.subarray(out, out + bytes.length))).toBe(true)
          fed += chunk.length
          out += bytes.length
          const end = ends.findLast((each) => each <= fed) ?? 0
          expect(out).toBeGreaterThanOrEqual(end)
          expect(fed - out).toBeLessThanOrEqual(256 * 1024)
          expect(framer.atBoundary).toBe(out === end)
        }
      }),
    )
  })

  test('lets a giant event through as it comes instead of holding it, byte for byte (SC6)', () => {
    const giant = Buffer.from(`data: ${'é'.repeat(400_000)}\n\n`)
    const stream = Buffer.concat([Buffer.from('data: before\n\n'), giant, Buffer.from('data: after\n\n')])
    const chunks = Array.from({ length: Math.ceil(stream.length / 60_001) }, (_, index) =>
      stream.subarray(index * 60_001, (index + 1) * 60_001),
    )
    const framer = new Framer()
    let held = 0
    const boundaries: boolean[] = []
    const emitted: Buffer[] = []
    for (const chunk of chunks) {
      const bytes = Buffer.concat(framer.feed(chunk))
      held += chunk.length - bytes.length
      emitted.push(bytes)
      expect(held).toBeLessThanOrEqual(256 * 1024)
      boundaries.push(framer.atBoundary)
    }
    expect(Buffer.concat(emitted).equals(stream)).toBe(true)
    expect(boundaries).toContain(false)
    expect(framer.atBoundary).toBe(true)
  })

  test('goes back to whole events after a giant one', () => {
    const framer = new Framer()
    feed(framer, [Buffer.alloc(300 * 1024, 'x')])
    expect(framer.atBoundary).toBe(false)
    expect(feed(framer, [Buffer.from('end\n\ndata: a')]).bytes.toString()).toBe('end\n\n')
    expect(framer.atBoundary).toBe(true)
    expect(feed(framer, [Buffer.from('\n\n')]).bytes.toString()).toBe('data: a\n\n')
  })

  test('forgets an event that broke off, so that it can come once more', () => {
    const framer = new Framer()
    feed(framer, [Buffer.from('data: a\n\nid: 2\ndata: br')])
    expect(framer.forget()).toBe(true)
    expect(framer.atBoundary).toBe(true)
    expect(feed(framer, [Buffer.from('\n'), Buffer.from('id: 2\ndata: broken\n\n')]).bytes.toString()).toBe(
      '\nid: 2\ndata: broken\n\n',
    )
  })

  test('cannot forget an event of which a part is out', () => {
    const framer = new Framer()
    feed(framer, [Buffer.alloc(300 * 1024, 'x')])
    expect(framer.forget()).toBe(false)
    expect(feed(framer, [Buffer.from('end\n\n')]).bytes.toString()).toBe('end\n\n')
  })

  test('leaves every boundary fit for a comment: a parser reads the same messages with one in between (SE15)', () => {
    fc.assert(
      fc.property(streamOf(['\n', '\r\n']), cuts, (stream, fractions) => {
        const framer = new Framer()
        const parts: Buffer[] = []
        for (const chunk of cutAt(stream, fractions)) {
          parts.push(...framer.feed(chunk))
          if (framer.atBoundary) parts.push(HEARTBEAT)
        }
        const dataOf = (bytes: Buffer): string[] => {
          const { feed: read, events } = readEvents()
          read(bytes.toString())
          return events
            .filter(({ comments, raw }) => comments.length === 0 || raw.includes('data'))
            .map(({ data }) => data)
        }
        const whole = stream.subarray(0, eventEnds(stream).at(-1) ?? 0)
        expect(dataOf(Buffer.concat(parts))).toEqual(dataOf(whole))
      }),
    )
  })
})

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
    ['no id', 'data: a\n\n', false],
    ['an id inside the data', 'data: id: 1\n\n', false],
    ['an id inside a comment', ': id: 1\n\n', false],
    ['a field that merely begins alike', 'idea: 1\n\n', false],
  ])('%s (SE3)', (_, stretch, expected) => {
    expect(hasEventId([Buffer.from(stretch)])).toBe(expected)
  })

  /** By the letter: a field is a line that has its name up to a colon, or all of it. */
  const hasIdLine = (stream: Buffer): boolean => {
    const lines = stream.toString('latin1').split(/\r\n|\n|\r/)
    return lines.some((line) => line.startsWith('id:')) || lines.slice(0, -1).includes('id')
  }
  const streams = streamOf(['\n', '\r\n', '\r']).filter((stream) => stream.length > 0)

  test('finds the same however the stream is cut (SE3, SE18)', () => {
    fc.assert(
      fc.property(streams, cuts, (stream, fractions) => {
        expect(hasEventId(cutAt(stream, fractions))).toBe(hasIdLine(stream))
      }),
      { numRuns: 1_000 },
    )
  })

  test('finds the same in a stream that comes byte by byte (SE3, SE18)', () => {
    fc.assert(
      fc.property(streams, (stream) => {
        expect(hasEventId(singly(stream))).toBe(hasIdLine(stream))
      }),
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
        'data: [2]',
        '',
        '',
      ].join(end)
      for (const letter of text) reader.feed(letter)
      // A CR at the very end may be half a CRLF, so a parser may wait for what follows.
      reader.feed('data: "next"\n\n')
      expect(messages).toEqual([{ a: 1 }, [2], 'next'])
    },
  )

  test('is not confused by a byte order mark (SE18)', () => {
    const messages: unknown[] = []
    createMessageReader((message) => messages.push(message)).feed('\uFEFFdata: 1\n\n')
    expect(messages).toEqual([1])
  })
})

test('an event of our own is read back as it was meant', () => {
  const { feed: read, events } = readEvents()
  read(messageEvent('{"jsonrpc":"2.0"}').toString())
  expect(events).toMatchObject([{ event: 'message', data: '{"jsonrpc":"2.0"}', id: undefined }])
})
