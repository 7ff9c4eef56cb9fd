// Framing: what goes in comes out, in stretches of whole events.
import fc from 'fast-check'
import { FramedBody } from '../../lib/exchange/framed-body.ts'
import { Framer } from '../../lib/exchange/framer.ts'
import { HEARTBEAT } from '../../lib/exchange/sse.ts'
import { readEvents } from '../support/sse.ts'
import { bodyOf, readAll } from './bodies.ts'
import { cutAt, cuts, eventEnds, singly, streamOf } from './streams.ts'

/** Feeds a chunk: the pieces that it brought out. The last one says whether the framer stands at a boundary now. */
function feedOne(framer: Framer, chunk: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  let isAtEnd = framer.atBoundary
  framer.feed(chunk, (piece, atBoundary) => {
    pieces.push(piece)
    isAtEnd = atBoundary
  })
  expect(framer.atBoundary).toBe(isAtEnd)
  return pieces
}

/** Feeds chunks: what each brought out, in its pieces, and with `out` how much has come out after each. */
function feed(framer: Framer, chunks: readonly Buffer[]) {
  let length = 0
  const out: number[] = []
  const stretches = chunks.map((chunk) => {
    const pieces = feedOne(framer, chunk)
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

  test('says of each piece whether the bytes so far are whole events (SE16)', () => {
    const framer = new Framer()
    const said: [length: number, atBoundary: boolean][] = []
    const stream = Buffer.concat([eventOf(200_000), eventOf(100), Buffer.alloc(300 * 1024, 'x'), Buffer.from('\n\n')])
    for (const chunk of cutAt(stream, [0.1, 0.3, 0.6, 0.9])) {
      framer.feed(chunk, (piece, atBoundary) => said.push([(said.at(-1)?.[0] ?? 0) + piece.length, atBoundary]))
    }
    const ends = new Set(eventEnds(stream))
    expect(said.length).toBeGreaterThan(4)
    expect(said).toEqual(said.map(([length]) => [length, ends.has(length)]))
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
          const bytes = Buffer.concat(feedOne(framer, chunk))
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
      const bytes = Buffer.concat(feedOne(framer, chunk))
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

  test('leaves every boundary fit for a comment: a parser reads the same messages with one in between (SE15)', () => {
    fc.assert(
      fc.property(streamOf(['\n', '\r\n']), cuts, (stream, fractions) => {
        const framer = new Framer()
        const parts: Buffer[] = []
        for (const chunk of cutAt(stream, fractions)) {
          parts.push(...feedOne(framer, chunk))
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

describe('a stream that broke off', () => {
  const broken = (...chunks: (string | Buffer)[]) => {
    const body = new FramedBody(bodyOf(chunks, 'breaks'), [1], true)
    return readAll(body)
  }

  test('drops the event that goes on no further, so that it can come once more (SE7)', () => {
    const { bytes, end } = broken('id: 1\ndata: a\n\nid: 2\ndata: br')
    expect(bytes).toBe('id: 1\ndata: a\n\n')
    expect(end).toMatchObject({ how: 'broken', after: '1' })
  })

  test('can be resumed nowhere when a part of the event is out (SE7)', () => {
    const { bytes, end } = broken('id: 1\ndata: a\n\n', `id: 2\ndata: ${'x'.repeat(300 * 1024)}`)
    expect(bytes).toHaveLength('id: 1\ndata: a\n\nid: 2\ndata: '.length + 300 * 1024)
    expect(end).toMatchObject({ how: 'broken', after: undefined })
  })

  test('can be resumed behind a giant event that is out to its end (SE7)', () => {
    const { end } = broken('id: 1\ndata: a\n\n', `id: 2\ndata: ${'x'.repeat(300 * 1024)}`, '\n\nid: 3\nda')
    expect(end).toMatchObject({ how: 'broken', after: '2' })
  })
})
