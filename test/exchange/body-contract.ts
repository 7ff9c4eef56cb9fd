// What every body keeps to, whoever made it: each byte once, whoever peeked before, and one end behind them all.
import fc from 'fast-check'
import type { Body, End, Sink } from '../../lib/exchange/body.ts'
import { eventEnds } from './streams.ts'

const LF = 0x0a

/** A body under test, and the source behind it, which is driven step by step. */
export interface Rig {
  readonly body: Body
  /** Has the source give its next chunk, or its end behind the last; `false` when there was nothing left to give. */
  step(): boolean
  /** Resolves when whatever the last step has set off has happened. */
  settle(): Promise<void>
  /** Whether the source is asked for more. */
  isWanted(): boolean
  /** Whether nothing is under way behind: the source has ended, or was told that nobody wants the rest. */
  isReleased(): boolean
}

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

/** What a reader does before the last one reads everything. */
interface Plan {
  /** How many chunks it takes. */
  readonly takes: number
  /** Which part of them it gives back, counted from the end. */
  readonly givesBack: 'all' | 'last' | 'half' | 'none'
  /** Whether the next one follows at once, within `data()`. */
  readonly isQuick: boolean
  /** What `data()` answers. */
  readonly flows: boolean
}

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

const starts = fc.record({ headStart: fc.nat({ max: 10 }), heeds: fc.boolean() })

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

/** A sink that remembers what it was told, and by which it can be seen that nothing comes after the end. */
export class Collector implements Sink {
  readonly chunks: Buffer[] = []
  readonly ends: End[] = []
  /** Whether it takes more. */
  flows = true
  /** How much was there at each point where an event had ended. */
  readonly boundaries: number[] = []
  isLetGo = false
  onData: (() => void) | undefined
  onEnd: (() => void) | undefined

  data(chunk: Buffer, atBoundary: boolean): boolean {
    expect({ isLetGo: this.isLetGo, ends: this.ends }).toEqual({ isLetGo: false, ends: [] })
    this.chunks.push(chunk)
    if (atBoundary) this.boundaries.push(this.bytes.length)
    this.onData?.()
    return this.flows
  }

  end(end: End): void {
    expect({ isLetGo: this.isLetGo, ends: this.ends }).toEqual({ isLetGo: false, ends: [] })
    this.ends.push(end)
    this.onEnd?.()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

/** One reader after the other, as planned; what each of them kept, put together, is what the body said. */
class Readers {
  readonly #rig: Rig
  readonly #plans: Plan[]
  readonly #kept: Buffer[] = []
  /** The offsets at which an event was said to have ended. */
  readonly boundaries: number[] = []
  #current: Collector | undefined
  isOver = false
  #hasToPipe = true

  constructor(rig: Rig, toFollow: readonly Plan[]) {
    this.#rig = rig
    this.#plans = [...toFollow]
  }

  get bytes(): Buffer {
    return Buffer.concat([...this.#kept, this.#current?.bytes ?? Buffer.alloc(0)])
  }

  get end(): End | undefined {
    return this.#current?.ends[0]
  }

  /** Pipes to the next reader where the one before has gone, and lets on one that had enough. */
  goOn(): void {
    if (this.isOver) return
    if (this.#hasToPipe) this.#pipe()
    else if (this.#current?.flows === false) this.#rig.body.resume()
  }

  #pipe(): void {
    this.#hasToPipe = false
    const plan = this.#plans.shift()
    const reader = new Collector()
    this.#current = reader
    if (plan) {
      reader.flows = plan.flows
      reader.onData = () => reader.chunks.length === plan.takes && this.#letGo(reader, plan)
      reader.onEnd = () => this.#letGo(reader, { ...plan, givesBack: 'all' })
    } else reader.onEnd = () => (this.isOver = true)
    this.#rig.body.pipe(reader)
  }

  #letGo(reader: Collector, { givesBack, isQuick }: Plan): void {
    const last = reader.chunks.at(-1) ?? Buffer.alloc(0)
    const given = {
      all: [...reader.chunks],
      last: [last],
      half: [last.subarray(last.length >> 1)],
      none: [],
    }[givesBack].filter(({ length }) => length > 0)
    const { bytes } = reader
    const start = Buffer.concat(this.#kept).length
    const kept = bytes.length - Buffer.concat(given).length
    this.boundaries.push(...reader.boundaries.map((offset) => start + offset))
    this.#kept.push(bytes.subarray(0, kept))
    this.#current = undefined
    this.#rig.body.unread(given)
    reader.isLetGo = true
    this.#hasToPipe = true
    if (isQuick) this.#pipe()
  }

  finish(): void {
    const start = Buffer.concat(this.#kept).length
    this.boundaries.push(...(this.#current?.boundaries ?? []).map((offset) => start + offset))
  }
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
    test('each byte is handed out once, in order, however often it was given back, with one end behind it all', async () => {
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
        { numRuns: 150 },
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

    test('a sink that was let go of hears nothing more, and the next one hears all it gave back first', async () => {
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

    test('bytes given back behind the end are there for the next sink, with the end', async () => {
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

    test('whole() has the bytes when all of them are there and nobody has them, and leaves none', async () => {
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

    test('whole() is nothing for a body that somebody reads', async () => {
      const rig = make(pieces, 'complete')
      rig.body.pipe(new Collector())
      await drive(rig)
      expect(rig.body.whole()).toBeUndefined()
    })

    test('whoever peeked before, whole() and the next sink have each byte once', async () => {
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

    test('cancel() silences the sink and closes what is behind, within data() too', async () => {
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

    test('cancel() of what nobody ever read closes what is behind', async () => {
      const rig = make(pieces, 'complete')
      rig.body.cancel()
      expect(rig.isReleased()).toBe(true)
    })

    test('drain() leaves nothing under way: the rest is read away or cancelled, and nobody hears of it', async () => {
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
      test('a body that breaks says so once, behind all the bytes that came', async () => {
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
