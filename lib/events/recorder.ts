/** Reads an upstream's stream to its end, whoever listens, and has all of it written down. (SE4) */
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { eventsOf, Framer, messageEvent } from '../sse/event-stream.ts'
import { Owed } from '../sse/owed.ts'
import type { Body, EventLog, EventStreamName, RequestId, Sink } from '../types.ts'
import { type Entry, PRIMING, readEvent } from './entry.ts'
import { LogWriter } from './log-writer.ts'
import type { Tail } from './tail.ts'

/** The first revision whose clients know events without a message. (SE2) */
const FIRST_VERSION_WITH_PRIMING = '2025-11-25'

/** The longest event that is kept, in bytes. A longer one goes to the client as it comes, and cannot be had again. */
const EVENT_BYTES = 16 * 1024 * 1024

/** How often in a row an upstream's stream is resumed that brings nothing new. */
const MAX_RESUMES = 5

/** How long an upstream is listened to after the client has gone, who may be back any moment. */
const LINGER_MS = 60_000

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
  /** Where the upstream resumes, where that is known from before. */
  readonly upstreamId?: string | undefined
  readonly retryMs?: number | undefined
}

export class Recorder implements Sink {
  readonly name: EventStreamName
  readonly exchange: Exchange
  readonly #tools: RecorderTools
  readonly #writer: LogWriter
  readonly #isStanding: boolean
  readonly #owed: Owed
  readonly #framer = new Framer(EVENT_BYTES)
  #body: Body | undefined
  #isPaused = false
  #isMidEvent = false
  #upstreamId: string | undefined
  #retryMs: number | undefined
  #resumes = 0
  #isResumed = false
  #tail: Tail | undefined
  #linger: NodeJS.Timeout | undefined
  /** How the upstream's stream ended, until that is dealt with. */
  #ending: 'ended' | Error | undefined
  /** Whether the last word is on its way into the log. */
  #isComplete = false
  #isOver = false

  constructor(
    { name, exchange, position, isStanding, owed, upstreamId, retryMs }: RecorderParts,
    tools: RecorderTools,
  ) {
    this.name = name
    this.exchange = exchange
    this.#tools = tools
    this.#isStanding = isStanding
    this.#owed = new Owed(owed)
    this.#upstreamId = upstreamId
    this.#retryMs = retryMs
    this.#writer = new LogWriter(tools.log, name, position, {
      deliver: (bytes) => this.#tail?.push(bytes),
      onIdle: () => this.#onIdle(),
      onConflict: () => this.#leave(),
      onFailure: (error) => tools.report(error, exchange),
    })
    exchange.onStop = () => this.#leave()
  }

  /** Begins with an event that says what is owed here, and gives clients an id to come back with. */
  start(body: Body): void {
    const isPrimed = (this.exchange.session?.record.protocolVersion ?? '') >= FIRST_VERSION_WITH_PRIMING
    this.#put({ event: isPrimed ? PRIMING : undefined })
    this.#writer.flush()
    this.#read(body)
  }

  /** Goes on where another had to leave: with the rest of the upstream's stream, or the news that there is none. */
  goOn(): void {
    this.fail(new Error('The node that read the stream has gone'))
  }

  /** Whether what came lately is missing from the log. */
  get isLost(): boolean {
    return this.#writer.isLost
  }

  /** Gives a tail all that comes, once it has got from the log whatever is there. */
  attach(tail: Tail, after: number): boolean {
    if (this.#isOver || this.isLost || after !== this.#writer.keptPosition) return false
    this.listen(tail)
    return true
  }

  /** Gives a tail all that comes. Whoever had it before has it no more: no message goes out twice. (SE10) */
  listen(tail: Tail): void {
    clearTimeout(this.#linger)
    this.#tail?.end()
    this.#tail = tail
    tail.writer = { onResume: () => this.#flow(), onCancel: () => this.#detach(tail) }
    this.#flow()
  }

  data(chunk: Buffer): boolean {
    if (this.#isOver) return true
    const pieces = this.#framer.feed(chunk)
    if (pieces.length > 0) {
      if (this.#isMidEvent || !this.#framer.atBoundary) this.#pass(pieces)
      else for (const event of eventsOf(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))) this.#take(event)
      this.#writer.flush()
    }
    this.#isPaused = this.#isFull
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
    const { event: kept, id, retryMs } = readEvent(event.toString())
    this.#owed.see([event], true)
    if (id !== undefined) {
      this.#upstreamId = id === '' ? undefined : id
      this.#resumes = 0
    }
    if (retryMs !== undefined) {
      this.#retryMs = retryMs
      this.#writer.pass(Buffer.from(`retry: ${retryMs}\n\n`))
    }
    if (kept !== undefined || id !== undefined) this.#put({ event: kept })
  }

  /** An event too long to be kept, in pieces; what comes in one of them with its end is not looked for. */
  #pass(pieces: readonly Buffer[]): void {
    this.#owed.see(pieces, false)
    if (!this.#isMidEvent) this.#writer.skip()
    this.#isMidEvent = !this.#framer.atBoundary
    for (const piece of pieces) this.#writer.pass(piece)
  }

  #put({ event, over }: Pick<Entry, 'event' | 'over'>): void {
    this.#writer.put({ event, upstreamId: this.#upstreamId, retryMs: this.#retryMs, owed: this.#owed.ids, over })
  }

  get #isFull(): boolean {
    return this.#writer.isFull || this.#tail?.isFull === true
  }

  #flow(): void {
    if (!this.#isPaused || this.#isFull) return
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
    if (this.#isMidEvent) this.#tail?.fail(new Error('An event broke off'))
    else this.#disappoint(ending)
    this.#isComplete = true
    this.#put({ over: true })
    this.#writer.flush()
  }

  /** A stream that ended in good order ends for the client too: its upstream wants to be polled. (SE3) */
  #resume(ending: 'ended' | Error): boolean {
    // A GatewayError is the last word of an upstream that was asked for the rest.
    const isLast = ending instanceof GatewayError || this.#resumes === MAX_RESUMES
    if (isLast || this.#upstreamId === undefined || !this.#framer.forget()) return false
    if (ending === 'ended') this.#tail?.end()
    this.#ending = undefined
    this.#resumes += 1
    this.#isResumed = true
    this.#read(this.#tools.resume(this.exchange, this.#upstreamId, this.#retryMs))
    return true
  }

  /** Says to the client what it will not get. (ER14) */
  #disappoint(ending: 'ended' | Error): void {
    const { ids } = this.#owed
    if (ids.length === 0) return
    const fault =
      ending === 'ended'
        ? new GatewayError('upstream_broken', 'The upstream ended its stream without an answer')
        : new GatewayError('upstream_broken', 'The connection to the upstream broke', { cause: ending })
    for (const id of ids) this.#put({ event: messageEvent(fault.toJsonRpc(id)).toString() })
    this.#tools.report(fault, this.exchange)
  }

  /** A client that comes back at once finds the upstream still listened to: it takes one listener a session. (SE10) */
  #detach(tail: Tail): void {
    if (this.#tail !== tail) return
    this.#tail = undefined
    if (this.#isStanding && !this.#isOver) this.#linger = setTimeout(() => this.#leave(), LINGER_MS).unref()
    this.#flow()
  }

  /** Writes no more: all is said, or it is for another to go on. */
  #leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#linger)
    this.#body?.cancel()
    this.#tail?.end()
    this.#writer.admitLoss().catch(() => {})
    this.#tools.onOver(this)
  }
}
