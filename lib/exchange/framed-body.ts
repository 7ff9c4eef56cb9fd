/** An upstream's event stream at the entrance: cut into whole events once, and scanned for responses and event ids. */
import type { RequestId } from '../types.ts'
import { type Body, COMPLETE, type End, type Sink } from './body.ts'
import { Framer } from './framer.ts'
import { PendingIds } from './pending-ids.ts'
import { ResumePoint } from './resume-point.ts'

/** Listening streams, of which there may be thousands, answer no request. */
const NO_REQUESTS = new PendingIds([])

function pendingIdsOf(requestIds: readonly RequestId[]): PendingIds {
  return requestIds.length === 0 ? NO_REQUESTS : new PendingIds(requestIds)
}

export class FramedBody implements Body, Sink {
  readonly #raw: Body
  readonly #requestIds: readonly RequestId[]
  #framer = new Framer()
  #pending: PendingIds
  /** Set where the upstream can resume a stream after an event id. */
  readonly #point: ResumePoint | undefined
  #sink: Sink | undefined
  /** Bytes put back by a reader. They were framed and scanned before, so they skip both. */
  #unread: Buffer[] = []
  /** Whether the bytes delivered so far end with a whole event. */
  #atBoundary = true
  #isPiped = false
  #flows = true
  #end: End | undefined

  /**
   * `raw` ends as `complete` or `broken`; `tracksIds` is set where the upstream can resume a stream after an event id.
   */
  constructor(raw: Body, requestIds: readonly RequestId[], tracksIds: boolean) {
    this.#raw = raw
    this.#requestIds = requestIds
    this.#pending = pendingIdsOf(requestIds)
    if (tracksIds) this.#point = new ResumePoint()
  }

  /** The requests whose response has not arrived yet. */
  readonly pending = (): readonly RequestId[] => this.#pending.ids

  readonly resumeAfter = (): string | undefined => this.#point?.after

  pipe(sink: Sink): void {
    this.#sink = sink
    this.#flows = true
    for (let chunk = this.#unread.shift(); chunk; chunk = this.#unread.shift()) {
      this.#deliver(sink, chunk, this.#atBoundary && this.#unread.length === 0)
      if (this.#sink !== sink) return
    }
    if (this.#end) return sink.end(this.#end)
    if (this.#isPiped) {
      if (this.#flows) this.#raw.resume()
      return
    }
    this.#isPiped = true
    this.#raw.pipe(this)
  }

  /** Available when the stream ended, with every response in it, before the first reader came. */
  whole(): Buffer | undefined {
    const bytes = this.#isPiped || this.#unread.length > 0 ? undefined : this.#raw.whole()
    if (!bytes) return undefined
    let isWhole = true
    this.#framer.feed(bytes, (piece, atBoundary) => {
      this.#pending.see(piece, atBoundary)
      isWhole &&= atBoundary && piece.length === bytes.length
    })
    if (isWhole && this.#pending.isEmpty && bytes.length > 0) return bytes
    this.#framer = new Framer()
    this.#pending = pendingIdsOf(this.#requestIds)
    this.#raw.unread([bytes])
    return undefined
  }

  unread(chunks: readonly Buffer[]): void {
    this.#sink = undefined
    this.#flows = false
    this.#unread.unshift(...chunks)
  }

  resume(): void {
    this.#flows = true
    this.#raw.resume()
  }

  cancel(): void {
    this.#sink = undefined
    this.#raw.cancel()
  }

  drain(): void {
    this.#sink = undefined
    if (this.#isPiped) this.#raw.cancel()
    else this.#raw.drain()
  }

  data(chunk: Buffer): boolean {
    this.#flows = true
    this.#framer.feed(chunk, this.#emit)
    return this.#flows
  }

  end(end: End): void {
    this.#end = this.#endOf(end)
    this.#sink?.end(this.#end)
  }

  readonly #emit = (piece: Buffer, atBoundary: boolean): void => {
    this.#scan(piece, atBoundary)
    this.#atBoundary = atBoundary
    if (this.#sink) this.#deliver(this.#sink, piece, atBoundary)
    else {
      // The reader detached while this chunk was being framed, so the rest waits for the next reader.
      this.#unread.push(piece)
      this.#flows = false
    }
  }

  /**
   * The result of `data()` counts only if the sink is still attached: `unread()` may have detached it during the call.
   */
  #deliver(sink: Sink, piece: Buffer, atBoundary: boolean): void {
    const takesMore = sink.data(piece, atBoundary)
    if (this.#sink === sink) this.#flows = takesMore
  }

  #scan(piece: Buffer, atBoundary: boolean): void {
    this.#pending.see(piece, atBoundary)
    this.#point?.see(piece, atBoundary)
  }

  /**
   * An event that was cut off is dropped, since a resumed stream repeats it. One of which part was already delivered
   * can be neither resumed nor completed.
   */
  #endOf(end: End): End {
    const point = this.#framer.atBoundary ? this.#point : undefined
    const [after, retryMs] = [point?.after, point?.retryMs]
    if (end.how === 'broken') return { ...end, after, retryMs }
    if (!this.#framer.atBoundary) return { how: 'broken', error: new Error('The last event broke off') }
    return after !== undefined && (!this.#pending.isEmpty || this.#requestIds.length === 0)
      ? { how: 'poll', after, retryMs }
      : COMPLETE
  }
}
