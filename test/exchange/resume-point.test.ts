// Where a stream can be resumed: behind the last id that went out, however the stream was cut. (WHATWG HTML, 9.2)
import fc from 'fast-check'
import { Framer } from '../../lib/exchange/framer.ts'
import { ResumePoint } from '../../lib/exchange/resume-point.ts'
import { cutAt, cuts, eventEnds, singly, streamOf } from './streams.ts'

/** What is noted of a stream that goes through a framer, and how much of it went out. */
function pointAfter(chunks: readonly Buffer[], holdBytes?: number) {
  const point = new ResumePoint()
  const framer = new Framer(holdBytes)
  let length = 0
  for (const chunk of chunks) {
    framer.feed(chunk, (piece, atBoundary) => {
      point.see(piece, atBoundary)
      length += piece.length
    })
  }
  return { after: point.after, retryMs: point.retryMs, length }
}

/**
 * By the letter: the last value of each field in lines that have ended. An empty id takes the last one back, and so does
 * one that `Last-Event-ID` cannot say: a header loses the white space at its ends.
 */
function lastFields(stream: Buffer): { after: string | undefined; retryMs: number | undefined } {
  const lines = stream
    .toString()
    .split(/\r\n|\n|\r/)
    .slice(0, -1)
  const valueOf = (field: string): string | undefined => {
    const line = lines.findLast((each) => each === field || each.startsWith(`${field}:`))
    return line?.slice(field.length + 1).replace(/^ /, '')
  }
  const [id, retry] = [valueOf('id'), valueOf('retry')]
  return {
    after: id === undefined || id === '' || /^[\t ]|[\t ]$/.test(id) ? undefined : id,
    retryMs: retry === undefined ? undefined : Number(retry),
  }
}

const streams = streamOf(['\n', '\r\n', '\r'])

test('is behind the last id, however the stream is cut (SE3, SE6, SE18)', () => {
  fc.assert(
    fc.property(streams, cuts, (stream, fractions) => {
      const { length, ...found } = pointAfter(cutAt(stream, fractions))
      expect(found).toEqual(lastFields(stream.subarray(0, length)))
      expect(length).toBeGreaterThanOrEqual(eventEnds(stream).at(-1) ?? 0)
    }),
    { numRuns: 1_000 },
  )
})

test('is the same when the stream comes byte by byte (SE3, SE18)', () => {
  fc.assert(
    fc.property(streams, (stream) => {
      const { length, ...found } = pointAfter(singly(stream))
      expect(found).toEqual(lastFields(stream.subarray(0, length)))
    }),
  )
})

test('is the same when every event is a giant that goes out in pieces (SE3, SC6, SE18)', () => {
  fc.assert(
    fc.property(streams, fc.option(cuts), (stream, fractions) => {
      const chunks = fractions === null ? singly(stream) : cutAt(stream, fractions)
      const whole = stream.subarray(0, eventEnds(stream).at(-1) ?? 0)
      // Up to where events are whole: a line of one that goes on may still be on its way.
      const { after, retryMs } = pointAfter(cutUpTo(chunks, whole.length), 0)
      expect({ after, retryMs }).toEqual(lastFields(whole))
    }),
    { numRuns: 1_000 },
  )
})

/** The chunks up to a length. */
function cutUpTo(chunks: readonly Buffer[], length: number): Buffer[] {
  let left = length
  return chunks.flatMap((chunk) => {
    const part = chunk.subarray(0, Math.max(left, 0))
    left -= chunk.length
    return part.length > 0 ? [part] : []
  })
}

test('is none in a stream without ids, whatever its data look like (SE3)', () => {
  const stream = Buffer.from('data: id: 1\n\n: id: 2\n\nidea: 3\ndata:retry: 5\n\n')
  expect(pointAfter([stream])).toEqual({ after: undefined, retryMs: undefined, length: stream.length })
})

test('is worn out after five times in vain, and fresh again with a new event (SE7)', () => {
  const point = new ResumePoint('1')
  for (let time = 0; time < 5; time += 1) {
    expect(point.isExhausted).toBe(false)
    point.use()
  }
  point.see(Buffer.from('data: no id\n\n'), true)
  expect(point.isExhausted).toBe(true)
  point.see(Buffer.from('id: 2\ndata: a\n\n'), true)
  expect([point.isExhausted, point.after]).toEqual([false, '2'])
})

test('an id that is too long to be of use takes back the one before it, which would bring its event twice (SE7)', () => {
  const point = new ResumePoint()
  point.see(Buffer.from('id: 1\ndata: a\n\n'), true)
  point.see(Buffer.from(`id: ${'x'.repeat(3_000)}`), false)
  point.see(Buffer.from('x'.repeat(3_000)), false)
  point.see(Buffer.from('\ndata: b\n\n'), true)
  expect(point.after).toBeUndefined()
})
