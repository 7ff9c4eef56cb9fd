/** Reads an upstream's stream to its end and logs it, with or without a client connected. (SE4) */
import { brokenOff } from '../../exchange/broken-off.ts'
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

/**
 * The limits for polling a stream without a client: polls without a new event, and time. Logs delete events as soon.
 */
const MAX_UNATTENDED_POLLS = 5
const UNATTENDED_MS = 10 * 60_000

export interface RecorderTools {
  readonly log: TimedEventLog
  /** The layers below, through which the stream is resumed. */
  readonly next: Handle
  readonly report: (error: unknown, exchange: Exchange) => void
  /** Called once, when the recorder has stopped writing. */
  readonly onOver: (recorder: Recorder) => void
}

export class Recorder implements Sink {
  readonly name: EventStreamName
  readonly exchange: Exchange
  /** The log, bound to the async context of the request. */
  readonly log: TimedEventLog
  /** All requests of the stream, answered or not, except those that the client has cancelled. */
  asked: readonly RequestId[]
  readonly writer: LogWriter
  readonly subscriber: Subscriber
  readonly #tools: RecorderTools
  readonly #isListening: boolean
  readonly #pending: PendingIds
  readonly #point: ResumePoint
  readonly #collector: EventCollector
  #body: Body | undefined
  #isPaused = false
  /** Polls since a client was last connected or a new event arrived. */
  #unattendedPolls = 0
  #isResumed = false
  /** The end of the upstream's stream, until the queue is empty and it can be handled. */
  #ending: End | undefined
  /** Whether the final entry is queued for the log. */
  #isComplete = false
  #isOver = false

  constructor(
    { name, exchange, position, isListening, owed, asked, upstreamId, retryMs }: RecorderParts,
    tools: RecorderTools,
  ) {
    this.name = name
    this.exchange = exchange
    this.asked = asked
    this.#tools = tools
    this.#isListening = isListening
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
      onReader: (reader) => this.subscriber.replaceReader(reader),
      onConflict: () => this.#stop(),
      onFailure: (error) => tools.report(error, exchange),
    })
    // An upstream accepts one listening stream per session, so it stays open for a client that reconnects soon.
    this.subscriber = new Subscriber(this.writer, {
      announce: (reader) => this.#announce(reader),
      onDrain: () => this.#flow(),
      onLingerEnd: isListening && (() => this.#stop()),
    })
    exchange.life.onStop(() => this.#stop())
  }

  /** Starts a new stream with an entry that records its pending requests and gives clients an id to resume from. */
  start(body: Body, reader: string, tail?: EventLogBody): void {
    this.subscriber.admit(reader, tail)
    this.#put({ event: wantsPriming(this.exchange.origin.session) ? PRIMING : undefined })
    // Only a listening stream may have readers at other nodes already.
    if (this.#isListening) this.#put({ reader })
    // Events that have already arrived are appended together with the first entry.
    this.#read(body)
    this.writer.flush()
  }

  /** Continues a stream that another node has stopped writing: resumes the upstream's stream, or fails its requests. */
  continue(tail: EventLogBody, reader: string): void {
    this.subscriber.admit(reader, tail)
    // Makes appends of the previous writer fail from here on, should that node be back.
    this.#put({})
    this.writer.flush()
    if (this.#isOver) return
    const { after, retryMs } = this.#point
    if (after !== undefined && !this.#pending.isEmpty) this.#resume(after, retryMs)
    else this.end({ how: 'broken', error: new Error('The node that read the stream has gone') })
  }

  /** Whether it has stopped writing. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether the final entry is in the log, or queued for it. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Stops writing, because the lease has expired and another node has it. */
  readonly onLeaseLost = (): void => this.#stop()

  /** Checks the log for readers at other nodes, or whether it is well again. Otherwise an append would conflict. */
  readonly look = (): void => void ((this.subscriber.isConnected || this.writer.isLost) && this.writer.look())

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

  /** Removes a request that the client has cancelled, also for a node that continues the stream later. (UT4) */
  cancel(id: RequestId): void {
    if (this.#isOver || this.#isComplete || !this.#pending.delete(id)) return
    this.asked = this.asked.filter((one) => one !== id)
    this.#put({})
    this.writer.flush()
  }

  #take(event: Buffer): void {
    const fields = readEvent(event.toString())
    this.#pending.see(event, true)
    this.#point.note(fields)
    if (fields.id !== undefined) this.#unattendedPolls = 0
    if (fields.retryMs !== undefined) this.writer.pass(Buffer.from(`retry: ${fields.retryMs}\n\n`), true)
    if (fields.event !== undefined || fields.id !== undefined) this.#put({ event: fields.event })
  }

  /** Passes on a piece of an event too long to be stored. */
  #pass(piece: Buffer, atBoundary: boolean): void {
    this.#pending.see(piece, atBoundary)
    // The event's own id is not parsed, and resuming after an earlier one would deliver the event twice.
    this.#point.lose()
    this.writer.pass(piece, atBoundary)
  }

  #announce(reader: string): void {
    // No event follows the final entry, so its readers need no announcement.
    if (this.#isComplete || this.#isOver) return
    this.#put({ reader })
    this.writer.flush()
  }

  #put(change: Pick<Entry, 'event' | 'over' | 'lost' | 'reader'>): void {
    const owed = this.#pending.ids
    const asked = owed.length < this.asked.length ? this.asked : undefined
    const { after, retryMs } = this.#point
    this.writer.put({ ...change, upstreamId: after, retryMs, owed, asked })
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

  /** Runs whenever all queued events are written. */
  #onIdle(): void {
    if (this.#isOver) return
    if (this.#isComplete) return this.#stop()
    if (this.#ending !== undefined) this.#conclude(this.#ending)
    else this.#flow()
  }

  #conclude(ending: End): void {
    if (this.#isListening) return this.#stop()
    if (ending.how === 'poll' && !this.#pending.isEmpty) return this.#poll(ending.after, ending.retryMs)
    if (this.#collector.isMidEvent) this.subscriber.fail(new Error('An event broke off'))
    else this.#failPending(ending)
    this.#isComplete = true
    this.#put({ over: true })
    this.writer.flush()
  }

  /** Ends the client's stream like the upstream's, and resumes reading for when the client reconnects. (SE3) */
  #poll(after: string, retryMs: number | undefined): void {
    if (this.subscriber.isConnected) this.#unattendedPolls = 0
    this.subscriber.end()
    // A client that reconnects later has the stream continued from the log.
    if (this.#unattendedPolls === MAX_UNATTENDED_POLLS || this.subscriber.awayMs >= UNATTENDED_MS) return this.#stop()
    this.#unattendedPolls += 1
    this.#resume(after, retryMs)
  }

  #resume(after: string, retryMs: number | undefined): void {
    this.#ending = undefined
    const isRepeated = this.#isResumed
    this.#isResumed = true
    this.#read(ResumingBody.from({ after, retryMs, isRepeated }, this.#pending.ids, this.exchange, this.#tools.next))
  }

  /** Answers the pending requests with an error. (ER14) */
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

  /** Stops writing: the stream has ended, or another node may continue it. */
  #stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#body?.cancel()
    this.subscriber.close()
    this.#tools.onOver(this)
  }
}
