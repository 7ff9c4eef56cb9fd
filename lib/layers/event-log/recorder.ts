/** Reads an upstream's stream to its end, whoever listens, and has all of it written down. (SE4) */
import { brokenOff } from '../../errors.ts'
import type { Body, End, Sink } from '../../exchange/body.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { PendingIds } from '../../exchange/pending-ids.ts'
import type { Handle } from '../../exchange/reply.ts'
import { ResumePoint } from '../../exchange/resume-point.ts'
import { ResumingBody } from '../../exchange/resuming-body.ts'
import { messageEvent } from '../../exchange/sse.ts'
import type { EventStreamName, RequestId } from '../../types.ts'
import { EventCollector } from './event-collector.ts'
import type { EventLogBody } from './event-log-body.ts'
import { type Entry, PRIMING, readEvent, wantsPriming } from './entry.ts'
import { LogWriter } from './log-writer.ts'
import { Subscriber } from './subscriber.ts'
import type { RecorderParts } from './recorder-parts.ts'
import type { TimedEventLog } from './timed-event-log.ts'

/** How often without news, and how long at all, a stream is polled for while no client is there: logs forget as soon. */
const MAX_UNHEARD_POLLS = 5
const UNHEARD_MS = 10 * 60_000

export interface RecorderTools {
  readonly log: TimedEventLog
  /** The layers below: the rest of a stream is asked for there. */
  readonly next: Handle
  readonly report: (error: unknown, exchange: Exchange) => void
  /** Told once, when nothing more will be written. */
  readonly onOver: (recorder: Recorder) => void
}

export class Recorder implements Sink {
  readonly name: EventStreamName
  readonly exchange: Exchange
  /** The log, asked on behalf of the request. */
  readonly log: TimedEventLog
  /** All requests that the stream is to answer. */
  asked: readonly RequestId[]
  readonly writer: LogWriter
  readonly subscriber: Subscriber
  readonly #tools: RecorderTools
  readonly #isStanding: boolean
  readonly #pending: PendingIds
  readonly #point: ResumePoint
  readonly #collector: EventCollector
  #body: Body | undefined
  #isPaused = false
  /** Since a client was there, or anything new came. */
  #unheardPolls = 0
  #isResumed = false
  /** How the upstream's stream ended, until that is dealt with. */
  #ending: End | undefined
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
    this.log = tools.log.for(exchange.origin)
    this.#pending = new PendingIds(owed)
    this.#point = new ResumePoint(upstreamId, retryMs)
    this.#collector = new EventCollector({
      onEvent: (event) => this.#take(event),
      onGiant: () => this.#put({ lost: true }),
      onPiece: (piece, atBoundary) => this.#pass(piece, atBoundary),
    })
    this.writer = new LogWriter(this.log, name, position, owed, {
      deliver: (bytes, at, pending) => this.subscriber.pushKept(bytes, at, pending),
      pass: (bytes, atBoundary) => this.subscriber.push(bytes, atBoundary),
      onIdle: () => this.#onIdle(),
      onReader: (reader) => this.subscriber.giveWay(reader),
      onConflict: () => this.#leave(),
      onFailure: (error) => tools.report(error, exchange),
    })
    // The upstream takes one listener a session: a client that comes back soon finds it still listened to.
    this.subscriber = new Subscriber(this.writer, {
      announce: (reader) => this.#announce(reader),
      onRoom: () => this.#flow(),
      onLonely: isStanding && (() => this.#leave()),
    })
    exchange.life.onStop(() => this.#leave())
  }

  /** Begins with an event that says what is owed here, and gives clients an id to come back with. */
  start(body: Body, reader: string, tail?: EventLogBody): void {
    this.subscriber.admit(reader, tail)
    this.#put({ event: wantsPriming(this.exchange.origin.session) ? PRIMING : undefined })
    // Of a call no other connection can know yet.
    if (this.#isStanding) this.#put({ reader })
    // What is there already goes into the log along with it.
    this.#read(body)
    this.writer.flush()
  }

  /** Goes on where another had to leave: with the rest of the upstream's stream, or the news that there is none. */
  goOn(tail: EventLogBody, reader: string): void {
    this.subscriber.admit(reader, tail)
    // The node that wrote before may be back: what it appends is refused from here on.
    this.#put({})
    this.writer.flush()
    if (this.#isOver) return
    const { after, retryMs } = this.#point
    if (after !== undefined && !this.#pending.isEmpty) this.#readOn(after, retryMs)
    else this.end({ how: 'broken', error: new Error('The node that read the stream has gone') })
  }

  /** Whether it writes no more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Another writes this stream, since the lease of this one has run out. */
  readonly onLeaseLost = (): void => this.#leave()

  /** Looks for another node's readers where nothing is to be appended that would meet with them. */
  readonly look = (): void => void (this.subscriber.isThere && this.writer.look())

  data(chunk: Buffer, atBoundary: boolean): boolean {
    if (this.#isOver) return true
    this.#collector.feed(chunk, atBoundary)
    this.writer.flush()
    this.#isPaused = this.writer.isFull || this.subscriber.isFull
    return !this.#isPaused
  }

  end(end: End): void {
    this.#ending ??= end
    if (this.writer.isIdle) this.#onIdle()
  }

  /** The client waits for this response no more: it is owed to nobody who goes on with the stream. (UT4) */
  cancel(id: RequestId): void {
    if (this.#isOver || this.#isComplete || !this.#pending.delete(id)) return
    this.asked = this.asked.filter((one) => one !== id)
    this.#put({})
    this.writer.flush()
  }

  #take(event: Buffer): void {
    const said = readEvent(event.toString())
    this.#pending.see(event, true)
    this.#point.note(said)
    if (said.id !== undefined) this.#unheardPolls = 0
    if (said.retryMs !== undefined) this.writer.pass(Buffer.from(`retry: ${said.retryMs}\n\n`), true)
    if (said.event !== undefined || said.id !== undefined) this.#put({ event: said.event })
  }

  /** A piece of an event too long to be kept. */
  #pass(piece: Buffer, atBoundary: boolean): void {
    this.#pending.see(piece, atBoundary)
    // Whatever id it has is not looked for, and those before it would bring it once more.
    this.#point.lose()
    this.writer.pass(piece, atBoundary)
  }

  #announce(reader: string): void {
    // Behind the end nobody has to know.
    if (this.#isComplete || this.#isOver) return
    this.#put({ reader })
    this.writer.flush()
  }

  #put(what: Pick<Entry, 'event' | 'over' | 'lost' | 'reader'>): void {
    const owed = this.#pending.ids
    const asked = owed.length < this.asked.length ? this.asked : undefined
    const { after, retryMs } = this.#point
    this.writer.put({ ...what, upstreamId: after, retryMs, owed, asked })
  }

  #flow(): void {
    if (!this.#isPaused || this.writer.isFull || this.subscriber.isFull) return
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
    if (this.#ending !== undefined) this.#conclude(this.#ending)
    else this.#flow()
  }

  #conclude(ending: End): void {
    if (this.#isStanding) return this.#leave()
    if (ending.how === 'poll' && !this.#pending.isEmpty) return this.#poll(ending.after, ending.retryMs)
    if (this.#collector.isMidEvent) this.subscriber.fail(new Error('An event broke off'))
    else this.#failPending(ending)
    this.#isComplete = true
    this.#put({ over: true })
    this.writer.flush()
  }

  /** The server wants to be asked again: the stream ends for the client, too, and is read on for its return. (SE3) */
  #poll(after: string, retryMs: number | undefined): void {
    if (this.subscriber.isThere) this.#unheardPolls = 0
    this.subscriber.end()
    // Whoever comes back goes on from here.
    if (this.#unheardPolls === MAX_UNHEARD_POLLS || this.subscriber.awayMs >= UNHEARD_MS) return this.#leave()
    this.#unheardPolls += 1
    this.#readOn(after, retryMs)
  }

  #readOn(after: string, retryMs: number | undefined): void {
    this.#ending = undefined
    const isRepeated = this.#isResumed
    this.#isResumed = true
    this.#read(ResumingBody.from({ after, retryMs, isRepeated }, this.#pending.ids, this.exchange, this.#tools.next))
  }

  /** Says to the client what it will not get. (ER14) */
  #failPending(ending: End): void {
    if (this.#pending.isEmpty) return
    const fault = brokenOff(ending.how === 'broken' ? ending.error : undefined)
    for (const id of this.#pending.ids) {
      const event = messageEvent(fault.toJsonRpc(id))
      this.#pending.see(event, true)
      this.#put({ event: event.toString() })
    }
    this.#tools.report(fault, this.exchange)
  }

  /** Writes no more: all is said, or it is for another to go on. */
  #leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#body?.cancel()
    this.subscriber.close()
    this.#tools.onOver(this)
  }
}
