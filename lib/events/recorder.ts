/** Reads an upstream's stream to its end, whoever listens, and has all of it written down. (SE4) */
import { brokenOff, GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { eventsOf, Framer, messageEvent } from '../sse/event-stream.ts'
import { Owed } from '../sse/owed.ts'
import type { Body, EventLog, EventStreamName, RequestId, Sink } from '../types.ts'
import { Audience } from './audience.ts'
import { Bookmark } from './bookmark.ts'
import { type Entry, PRIMING, primingEvent, readEvent, wantsPriming } from './entry.ts'
import { LogWriter } from './log-writer.ts'
import type { Tail } from './tail.ts'

/** The longest event that is kept, in bytes. A longer one goes to the client as it comes, and cannot be had again. */
const EVENT_BYTES = 16 * 1024 * 1024

export interface RecorderTools {
  readonly log: EventLog
  /** Gives the rest of a stream that broke off after an event. */
  readonly resume: (exchange: Exchange, lastEventId: string, retryMs: number | undefined) => Body
  readonly report: (error: unknown, exchange: Exchange) => void
  /** Told once, when nothing more will be written. */
  readonly onOver: (recorder: Recorder) => void
}

export interface RecorderParts {
  readonly name: EventStreamName
  /** Of its own: it goes on when the client's has ended. */
  readonly exchange: Exchange
  /** The position of the newest event there is. */
  readonly position: number
  /** Whether the session listens here for whatever comes, and is owed nothing. */
  readonly isStanding: boolean
  readonly owed: readonly RequestId[]
  /** All that the stream is to answer, those included that are answered. */
  readonly asked: readonly RequestId[]
  /** Where the upstream resumes, where that is known from before. */
  readonly upstreamId?: string | undefined
  readonly retryMs?: number | undefined
}

export class Recorder implements Sink {
  readonly name: EventStreamName
  readonly exchange: Exchange
  /** All requests that the stream is to answer. */
  readonly asked: readonly RequestId[]
  readonly #tools: RecorderTools
  readonly #writer: LogWriter
  readonly #audience: Audience
  readonly #isStanding: boolean
  readonly #owed: Owed
  readonly #bookmark: Bookmark
  readonly #framer = new Framer(EVENT_BYTES)
  #body: Body | undefined
  #isPaused = false
  #isMidEvent = false
  #isResumed = false
  /** How the upstream's stream ended, until that is dealt with. */
  #ending: 'ended' | Error | undefined
  /** Whether the last word is on its way into the log. */
  #isComplete = false
  #isOver = false

  constructor(
    { name, exchange, position, isStanding, owed, asked, upstreamId, retryMs }: RecorderParts,
    tools: RecorderTools,
  ) {
    this.name = name
    this.exchange = exchange
    this.asked = asked
    this.#tools = tools
    this.#isStanding = isStanding
    this.#owed = new Owed(owed)
    this.#bookmark = new Bookmark(upstreamId, retryMs)
    this.#writer = new LogWriter(tools.log, name, position, owed, {
      deliver: (bytes, at) => this.#audience.push(bytes, at),
      onIdle: () => this.#onIdle(),
      onConflict: () => this.#leave(),
      onFailure: (error) => tools.report(error, exchange),
    })
    // The upstream takes one listener a session: a client that comes back soon finds it still listened to.
    this.#audience = new Audience({ onRoom: () => this.#flow(), onLonely: isStanding && (() => this.#leave()) })
    exchange.onStop = () => this.#leave()
  }

  /** Begins with an event that says what is owed here, and gives clients an id to come back with. */
  start(body: Body, tail?: Tail): void {
    if (tail) this.attach(tail, this.newest)
    this.#put({ event: this.#isPrimed ? PRIMING : undefined })
    // What is there already goes into the log along with it.
    this.#read(body)
    this.#writer.flush()
  }

  /** Goes on where another had to leave: with the rest of the upstream's stream, or the news that there is none. */
  goOn(tail: Tail): void {
    this.attach(tail, this.newest)
    this.fail(new Error('The node that read the stream has gone'))
  }

  /** The position of the newest event. */
  get newest(): number {
    return this.#writer.position
  }

  /** The position up to which everything was delivered. */
  get delivered(): number {
    return this.#writer.delivered
  }

  /** Whether it writes no more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Gives a tail all that comes after a position, unless there is something before that to be had from the log. */
  attach(tail: Tail, after: number): boolean {
    if (this.#isOver || after < this.delivered || after > this.newest) return false
    this.#audience.admit(tail, after)
    return true
  }

  /** Gives a tail what comes from now on, and first an id to come back with. */
  attachNow(tail: Tail): void {
    this.#audience.admit(tail, this.delivered)
    if (this.#isPrimed) tail.push(primingEvent(this.name.stream, this.delivered))
  }

  get #isPrimed(): boolean {
    return wantsPriming(this.exchange.session)
  }

  data(chunk: Buffer): boolean {
    if (this.#isOver) return true
    const pieces = this.#framer.feed(chunk)
    if (pieces.length > 0) {
      if (this.#isMidEvent || !this.#framer.atBoundary) this.#pass(pieces)
      else for (const event of eventsOf(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))) this.#take(event)
      this.#writer.flush()
    }
    this.#isPaused = this.#writer.isFull || this.#audience.isFull
    return !this.#isPaused
  }

  end(): void {
    this.#ending ??= 'ended'
    if (this.#writer.isIdle) this.#onIdle()
  }

  fail(error: Error): void {
    this.#ending ??= error
    if (this.#writer.isIdle) this.#onIdle()
  }

  #take(event: Buffer): void {
    const said = readEvent(event.toString())
    this.#owed.see([event], true)
    this.#bookmark.note(said)
    if (said.retryMs !== undefined) this.#writer.pass(Buffer.from(`retry: ${said.retryMs}\n\n`))
    if (said.event !== undefined || said.id !== undefined) this.#put({ event: said.event })
  }

  /** An event too long to be kept, in pieces; what comes in one of them with its end is not looked for. */
  #pass(pieces: readonly Buffer[]): void {
    if (!this.#isMidEvent) this.#put({ lost: true })
    this.#owed.see(pieces, false)
    // Whatever id it has is not looked for, and those before it would bring it once more.
    this.#bookmark.lose()
    this.#isMidEvent = !this.#framer.atBoundary
    for (const piece of pieces) this.#writer.pass(piece)
  }

  #put(what: Pick<Entry, 'event' | 'over' | 'lost'>): void {
    const owed = this.#owed.ids
    const asked = owed.length < this.asked.length ? this.asked : undefined
    const { upstreamId, retryMs } = this.#bookmark
    this.#writer.put({ ...what, upstreamId, retryMs, owed, asked })
  }

  #flow(): void {
    if (!this.#isPaused || this.#writer.isFull || this.#audience.isFull) return
    this.#isPaused = false
    this.#body?.resume()
  }

  #read(body: Body): void {
    this.#body = body
    body.pipe(this)
  }

  /** All that came is written. */
  #onIdle(): void {
    if (this.#isOver) return
    if (this.#isComplete) return this.#leave()
    if (this.#ending !== undefined) return this.#conclude(this.#ending)
    // A resumed stream may stay open behind the answer.
    if (this.#isResumed && !this.#isStanding && this.#owed.ids.length === 0) this.end()
    else this.#flow()
  }

  #conclude(ending: 'ended' | Error): void {
    if (this.#isStanding) return this.#leave()
    if (this.#owed.ids.length > 0 && this.#resume(ending)) return
    if (this.#isMidEvent) this.#audience.fail(new Error('An event broke off'))
    else this.#disappoint(ending)
    this.#isComplete = true
    this.#put({ over: true })
    this.#writer.flush()
  }

  /** A stream that ended in good order ends for the client too: its upstream wants to be polled. (SE3) */
  #resume(ending: 'ended' | Error): boolean {
    // A GatewayError is the last word of an upstream that was asked for the rest.
    const { upstreamId, retryMs } = this.#bookmark
    if (ending instanceof GatewayError || upstreamId === undefined || !this.#framer.forget()) return false
    const isPolled = ending === 'ended'
    if (isPolled && this.#audience.isThere) this.#bookmark.renew()
    if (isPolled) this.#audience.end()
    if (this.#bookmark.isWornOut) {
      // Nobody is there to poll it for: whoever comes back goes on.
      if (isPolled) this.#leave()
      return isPolled
    }
    this.#bookmark.use()
    this.#ending = undefined
    this.#isResumed = true
    this.#read(this.#tools.resume(this.exchange, upstreamId, retryMs))
    return true
  }

  /** Says to the client what it will not get. (ER14) */
  #disappoint(ending: 'ended' | Error): void {
    const { ids } = this.#owed
    if (ids.length === 0) return
    const fault = brokenOff(ending === 'ended' ? undefined : ending)
    for (const id of ids) this.#put({ event: messageEvent(fault.toJsonRpc(id)).toString() })
    this.#tools.report(fault, this.exchange)
  }

  /** Writes no more: all is said, or it is for another to go on. */
  #leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#body?.cancel()
    this.#audience.close()
    this.#writer.admitLoss().catch(() => {})
    this.#tools.onOver(this)
  }
}
