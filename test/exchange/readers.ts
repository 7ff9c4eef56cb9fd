// Readers of a body: one that remembers what it was told, and several that read one after the other.
import type { Body, End, Sink } from '../../lib/exchange/body.ts'

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

/** What a reader does before the last one reads everything. */
export interface Plan {
  /** How many chunks it takes. */
  readonly takes: number
  /** Which part of them it gives back, counted from the end. */
  readonly givesBack: 'all' | 'last' | 'half' | 'none'
  /** Whether the next one follows at once, within `data()`. */
  readonly isQuick: boolean
  /** What `data()` answers. */
  readonly flows: boolean
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
export class Readers {
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
      all: reader.chunks.flatMap(halves),
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

/** A reader need not give back the very chunks that it got. */
function halves(chunk: Buffer): Buffer[] {
  return [chunk.subarray(0, chunk.length >> 1), chunk.subarray(chunk.length >> 1)]
}
