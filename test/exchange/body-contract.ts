// What every body keeps to, whoever made it: each byte once, whoever peeked before, and one end behind them all.
import fc from 'fast-check'
import { Collector, type Plan, Readers, type Rig } from './readers.ts'
import { eventEnds } from './streams.ts'

const LF = 0x0a

export interface BodyTraits {
  /** The bytes that a rig can be made of; those of event streams have three events at least. */
  readonly documents: fc.Arbitrary<Buffer>
  /** Whether its stretches tell where events end. */
  readonly isEvents?: boolean
  /** Whether `whole()` ever hands the bytes out. */
  readonly hasWhole?: boolean
  /** Whether the source is held up by a sink that has enough. */
  readonly paces?: boolean
  /** Whether the source may run ahead of the first reader, and by more than a chunk of the next one. */
  readonly runsAhead?: boolean
  /** Whether the body ends by itself once it has everything, rather than with its source. */
  readonly endsItself?: boolean
  /** Whether the next sink may come before the one that gives back has returned. */
  readonly pipesInData?: boolean
}

export type MakeRig = (chunks: readonly Buffer[], end: 'complete' | Error) => Rig

const plans: fc.Arbitrary<Plan[]> = fc.array(
  fc.record({
    takes: fc.integer({ min: 1, max: 4 }),
    givesBack: fc.constantFrom<Plan['givesBack'][]>('all', 'all', 'last', 'half', 'none'),
    isQuick: fc.boolean(),
    flows: fc.boolean(),
  }),
  { maxLength: 3 },
)

/** Where to cut a document into the chunks of its source: fractions of its length. */
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 })

const starts = fc.record({ headStart: fc.nat({ max: 4 }), heeds: fc.boolean() })

function cut(document: Buffer, fractions: readonly number[]): Buffer[] {
  return cutAt(
    document,
    fractions.map((fraction) => Math.floor(fraction * document.length)),
  )
}

function cutAt(document: Buffer, offsets: readonly number[]): Buffer[] {
  const ends = [...new Set([...offsets, document.length])].filter((end) => end > 0).toSorted((a, b) => a - b)
  return ends.map((end, index) => document.subarray(ends[index - 1] ?? 0, end))
}

/** The source has a head start of some steps; from then on it waits until it is asked, if it heeds that at all. */
async function readAll(rig: Rig, readers: Readers, headStart: number, heeds: boolean): Promise<void> {
  for (let step = 0; step < headStart; step += 1) rig.step()
  await rig.settle()
  for (let round = 0; round < 60 && !readers.isOver; round += 1) {
    readers.goOn()
    await rig.settle()
    if (readers.isOver) break
    if (!heeds || rig.isWanted()) rig.step()
    await rig.settle()
  }
  readers.finish()
}

export function describeBody(name: string, make: MakeRig, traits: BodyTraits): void {
  const { documents, isEvents = false, hasWhole = false, paces = false, runsAhead = false } = traits
  const { endsItself = false, pipesInData = true } = traits
  const sample = fc.sample(
    documents.filter(({ length }) => length > 60 && length < 10_000),
    { numRuns: 1, seed: 1 },
  )[0]!
  const pieces = isEvents ? cutAt(sample, eventEnds(sample)) : cut(sample, [0.3, 0.6])

  async function drive(rig: Rig): Promise<void> {
    while (rig.step()) await rig.settle()
    await rig.settle()
  }

  describe(`${name} keeps to the contract of a body:`, () => {
    test('each byte is delivered once, in order, however often it was put back, followed by one end', async () => {
      await fc.assert(
        fc.asyncProperty(
          documents,
          cuts,
          plans,
          starts,
          async (document, fractions, toFollow, { headStart, heeds }) => {
            const rig = make(cut(document, fractions), 'complete')
            const following = pipesInData ? toFollow : toFollow.map((plan) => ({ ...plan, isQuick: false }))
            const readers = new Readers(rig, following)
            await readAll(rig, readers, headStart, heeds)
            expect(readers.bytes.toString('latin1')).toBe(document.toString('latin1'))
            expect(readers.end).toEqual({ how: 'complete' })
            if (!isEvents) return
            // A blank line ends with its carriage return: a line feed behind that is part of the line end, and says nothing.
            const ends = new Set(eventEnds(document).flatMap((end) => [end, document[end - 1] === LF ? end - 1 : end]))
            expect(readers.boundaries.filter((offset) => !ends.has(offset))).toEqual([])
          },
        ),
        { numRuns: 200 },
      )
    })

    test('nothing flows before a sink is there, and nothing is lost until it comes', async () => {
      const rig = make(pieces, 'complete')
      if (!runsAhead) expect(rig.isWanted()).toBe(false)
      await drive(rig)
      const sink = new Collector()
      rig.body.pipe(sink)
      await rig.settle()
      expect([sink.bytes.toString(), sink.ends]).toEqual([sample.toString(), [{ how: 'complete' }]])
    })

    test('a detached sink is not called again, and the next one gets all bytes that were put back first', async () => {
      const rig = make(pieces, 'complete')
      const first = new Collector()
      rig.body.pipe(first)
      rig.step()
      await rig.settle()
      rig.body.unread([...first.chunks])
      first.isLetGo = true
      await drive(rig)
      const second = new Collector()
      rig.body.pipe(second)
      await rig.settle()
      expect([second.bytes.toString(), second.ends]).toEqual([sample.toString(), [{ how: 'complete' }]])
    })

    test('bytes that were put back come before those that arrived since', async () => {
      const rig = make(pieces, 'complete')
      const first = new Collector()
      rig.body.pipe(first)
      rig.step()
      await rig.settle()
      rig.body.unread([])
      first.isLetGo = true
      rig.step()
      await rig.settle()
      rig.body.unread([...first.chunks])
      await drive(rig)
      const second = new Collector()
      rig.body.pipe(second)
      await rig.settle()
      expect([second.bytes.toString(), second.ends]).toEqual([sample.toString(), [{ how: 'complete' }]])
    })

    test('bytes put back after the end are delivered to the next sink, with the end', async () => {
      const rig = make(pieces, 'complete')
      const first = new Collector()
      rig.body.pipe(first)
      await drive(rig)
      expect(first.ends).toHaveLength(1)
      rig.body.unread([first.bytes])
      first.isLetGo = true
      const second = new Collector()
      rig.body.pipe(second)
      await rig.settle()
      expect([second.bytes.toString(), second.ends]).toEqual([sample.toString(), [{ how: 'complete' }]])
    })

    test('whole() returns the bytes when the body is complete and undelivered, and leaves none', async () => {
      const rig = make(pieces, 'complete')
      let whole = rig.body.whole()
      while (!whole && rig.step()) {
        await rig.settle()
        if ((whole = rig.body.whole())) break
      }
      const sink = new Collector()
      rig.body.pipe(sink)
      await rig.settle()
      expect((whole ?? sink.bytes).toString()).toBe(sample.toString())
      expect([sink.bytes.length, sink.ends]).toEqual([whole ? 0 : sample.length, [{ how: 'complete' }]])
    })

    if (hasWhole) {
      test('whole() waits for the end', async () => {
        const rig = make(pieces, 'complete')
        for (let step = 0; step < pieces.length; step += 1) expect(rig.step() && rig.body.whole()).toBeFalsy()
        await drive(rig)
        expect(rig.body.whole()?.toString()).toBe(sample.toString())
      })

      test('whole() has nothing of a body that broke', async () => {
        const rig = make(pieces, new Error('cut'))
        await drive(rig)
        expect(rig.body.whole()).toBeUndefined()
      })
    }

    test('whole() is undefined for a body that is being read', async () => {
      const rig = make(pieces, 'complete')
      rig.body.pipe(new Collector())
      await drive(rig)
      expect(rig.body.whole()).toBeUndefined()
    })

    test('after a peek, whole() and the next sink get each byte once', async () => {
      const rig = make(pieces, 'complete')
      const peek = new Collector()
      rig.body.pipe(peek)
      await drive(rig)
      rig.body.unread([...peek.chunks])
      peek.isLetGo = true
      const whole = rig.body.whole() ?? Buffer.alloc(0)
      const sink = new Collector()
      rig.body.pipe(sink)
      await rig.settle()
      expect(Buffer.concat([whole, sink.bytes]).toString()).toBe(sample.toString())
    })

    test('cancel() silences the sink and closes the source, within data() too', async () => {
      for (const isWithin of [true, false]) {
        const rig = make(pieces, 'complete')
        const sink = new Collector()
        const stop = (): void => {
          rig.body.cancel()
          sink.isLetGo = true
        }
        if (isWithin) sink.onData = stop
        rig.body.pipe(sink)
        rig.step()
        await rig.settle()
        if (!isWithin) stop()
        if (sink.isLetGo) expect(rig.isReleased()).toBe(true)
        await drive(rig)
        expect(sink.isLetGo).toBe(true)
      }
    })

    test('cancel() of a body that was never read closes the source', async () => {
      const rig = make(pieces, 'complete')
      rig.body.cancel()
      expect(rig.isReleased()).toBe(true)
    })

    test('drain() leaves nothing in progress: the rest is discarded or cancelled, and no sink is called', async () => {
      for (const isRead of [true, false]) {
        const rig = make(pieces, 'complete')
        const sink = new Collector()
        if (isRead) rig.body.pipe(sink)
        if (isRead) rig.step()
        await rig.settle()
        sink.isLetGo = true
        rig.body.drain()
        expect(rig.isWanted() || rig.isReleased()).toBe(true)
        await drive(rig)
        expect(rig.isReleased()).toBe(true)
      }
    })

    if (!endsItself) {
      test('a body that breaks ends once, after all the bytes that arrived', async () => {
        const rig = make(pieces, new Error('cut'))
        const sink = new Collector()
        rig.body.pipe(sink)
        await drive(rig)
        expect(sink.ends).toEqual([expect.objectContaining({ how: 'broken', error: new Error('cut') })])
      })
    }

    if (paces) {
      test('a sink that has enough holds the source up until resume() (SE16)', async () => {
        const rig = make(pieces, 'complete')
        const sink = new Collector()
        sink.flows = false
        rig.body.pipe(sink)
        for (let step = 1; step < pieces.length && sink.chunks.length === 0; step += 1) {
          expect(rig.isWanted()).toBe(true)
          rig.step()
          await rig.settle()
        }
        expect([sink.chunks.length > 0, rig.isWanted()]).toEqual([true, false])
        rig.body.resume()
        expect(rig.isWanted()).toBe(true)
      })

      if (!runsAhead) {
        test('bytes that are given back within data() hold the source up until the next sink comes', async () => {
          const rig = make(pieces, 'complete')
          const first = new Collector()
          first.onData = () => {
            rig.body.unread([...first.chunks])
            first.isLetGo = true
          }
          rig.body.pipe(first)
          rig.step()
          await rig.settle()
          expect(rig.isWanted()).toBe(false)
          rig.body.pipe(new Collector())
          expect(rig.isWanted()).toBe(true)
        })
      }

      if (pipesInData) {
        test('a next sink that comes within data() is held up by its own answer, not by that of the one before (SE16)', async () => {
          for (const takesMore of [true, false]) {
            const rig = make(pieces, 'complete')
            const [first, second] = [new Collector(), new Collector()]
            first.flows = !takesMore
            second.flows = takesMore
            first.onData = () => {
              rig.body.unread([...first.chunks])
              first.isLetGo = true
              rig.body.pipe(second)
            }
            rig.body.pipe(first)
            rig.step()
            await rig.settle()
            expect(second.chunks).toHaveLength(1)
            expect(rig.isWanted()).toBe(takesMore)
          }
        })
      }

      test('a next sink that takes more has the source go on where one had enough (SE16)', async () => {
        const rig = make(pieces, 'complete')
        const full = new Collector()
        full.flows = false
        rig.body.pipe(full)
        rig.step()
        await rig.settle()
        rig.body.unread([...full.chunks])
        full.isLetGo = true
        rig.body.pipe(new Collector())
        await rig.settle()
        expect(rig.isWanted()).toBe(true)
      })
    }
  })
}
