/** Writes an event stream event by event, keeps it alive, and sees to it that an answer or an error comes. */
import { GatewayError } from '../errors.ts'
import { META } from '../protocol.ts'
import type { RequestId } from '../types.ts'
import { Framer, hasEventId, HEARTBEAT, lastEventId, messageEvent, RETRY, retryMsOf } from '../sse/event-stream.ts'
import { Owed } from '../sse/owed.ts'
import { type Desk, type Headers, Writer } from './writer.ts'

/** What keeps anything between here and the client from holding events back. (RT12) */
const STREAM_HEADERS: Headers = { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' }

/** What costs more to write than to copy, in bytes. */
const SMALL_BYTES = 4 * 1024

/** Stands for a byte in the middle of a line. */
const NO_LINE_END = 0

/** How often in a row a stream is resumed that brings nothing new. */
const MAX_RESUMES = 5

/** No length is promised: comments and errors may be added. */
export function streamHeaders(headers: Headers): Headers {
  const { 'content-length': _, ...rest } = headers
  return { ...rest, ...STREAM_HEADERS }
}

export class StreamWriter extends Writer {
  readonly #framer = new Framer()
  readonly #owed: Owed
  readonly #reopen: Desk['reopen']
  /** Whether anything was written since the last tick. */
  #quiet = false
  /** What arrived in this tick: a flood of small events leaves in one piece. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  /** The last events with an id among them: the stream can be resumed after it. */
  #marked: readonly Buffer[] | undefined
  /** The last bytes of a giant event that is on its way: a line may begin there. */
  #unfinished: Buffer | undefined
  #retryMs: number | undefined
  #resumes = 0
  #isResumed = false

  constructor(desk: Desk) {
    super(desk)
    this.#owed = new Owed(desk.exchange.waiting)
    this.#reopen = desk.reopen
  }

  override start(status: number, headers: Headers): void {
    super.start(status, streamHeaders(headers))
    // The head leaves at once, with the events that came along with it.
    const isIdle = this.#waiting.length === 0 && !this.response.destroyed && !this.response.writableEnded
    if (isIdle) this.response.flushHeaders()
  }

  override tick(): void {
    super.tick()
    const canBeat =
      !this.isOver && this.#framer.atBoundary && !this.response.writableNeedDrain && !this.response.destroyed
    if (this.#quiet && canBeat) this.response.write(HEARTBEAT)
    this.#quiet = true
  }

  protected write(chunk: Buffer): void {
    const pieces = this.#framer.feed(chunk)
    if (pieces.length === 0) return
    this.#owed.see(pieces, this.#framer.atBoundary)
    if (this.exchange.era === 'legacy' && this.exchange.method === 'POST') this.#mark(pieces)
    // A resumed stream may stay open behind the answer.
    if (this.#isResumed && this.#framer.atBoundary && this.#owed.ids.length === 0)
      process.nextTick(() => this.#finish())
    if (this.#waiting.length === 0) process.nextTick(this.#flush)
    this.#waiting.push(...pieces)
    this.#waitingBytes += chunk.length
  }

  readonly #flush = (): void => {
    const pieces = this.#waiting
    if (pieces.length === 0 || this.response.destroyed) return
    const isFlood = pieces.length > 1 && this.#waitingBytes <= pieces.length * SMALL_BYTES
    this.#waiting = []
    this.#waitingBytes = 0
    this.#quiet = false
    for (const piece of isFlood ? [Buffer.concat(pieces)] : pieces) this.response.write(piece)
  }

  #finish(): void {
    if (this.isOver) return
    const { body } = this
    this.end()
    body.cancel()
  }

  /** Remembers where the stream can be resumed, and when. */
  #mark(pieces: readonly Buffer[]): void {
    const before = this.#unfinished
    this.#unfinished = this.#framer.atBoundary ? undefined : pieces.at(-1)?.subarray(-3)
    this.#retryMs = retryMsOf(pieces) ?? this.#retryMs
    const events = before ? [before, ...pieces] : pieces
    if (!hasEventId(events, before ? NO_LINE_END : undefined)) return
    this.#marked = events
    this.#resumes = 0
  }

  /** A connection that breaks before the answer is made anew behind the client's back, where the upstream allows it. */
  override fail(cause: Error): void {
    const id = this.#marked && lastEventId(this.#marked)
    // A GatewayError is the last word of an upstream that was asked for the rest.
    const isLost = this.isOver || this.response.destroyed || cause instanceof GatewayError
    const isOwed = this.exchange.method === 'POST' && this.#owed.ids.length > 0
    if (!isLost && isOwed && id && this.#reopen && this.#resumes < MAX_RESUMES && this.#framer.forget()) {
      this.#resumes += 1
      this.#isResumed = true
      this.body = this.#reopen(id, this.#retryMs)
      this.body.pipe(this)
      return
    }
    // What could not be resumed can't be by the client either.
    if (this.#isResumed || !id) this.#marked = undefined
    super.fail(cause)
  }

  /** A stream that can be resumed may end at any time; another one owes an answer or an error. (SE3, ER14) */
  protected conclude(error: () => GatewayError): void {
    if (this.response.destroyed) return
    this.#flush()
    if (!this.#framer.atBoundary) {
      this.response.destroy()
      return
    }
    const { stopped, isRecorded } = this.exchange
    const isClosing = stopped?.code === 'closing'
    const goesOn = !stopped || isClosing || (isRecorded && stopped.code === 'unauthorized')
    const isResumable = this.#marked !== undefined && goesOn
    if (!isResumable) for (const id of this.#owed.ids) this.response.write(messageEvent(this.#lastWord(error(), id)))
    if (isClosing && this.exchange.era === 'legacy') this.response.write(RETRY)
    this.response.end()
  }

  /** What ends a subscription is no error. (ST18) */
  #lastWord(error: GatewayError, id: RequestId): string {
    if (this.exchange.era === 'legacy' || !this.exchange.listens || error.code !== 'closing') return error.toJsonRpc(id)
    return JSON.stringify({
      jsonrpc: '2.0',
      id,
      result: { resultType: 'complete', _meta: { [META.subscriptionId]: id } },
    })
  }

  /** A server that keeps events for a client to resume must see that the client has gone. */
  protected override get outlivesClient(): boolean {
    return super.outlivesClient && !this.#marked
  }
}
