/** The streams that this node writes to the log, opened or taken over so that each has one writer at a time. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Flight, InFlight } from '../../exchange/in-flight.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import { drainReply, type Handle, type Reply } from '../../exchange/reply.ts'
import { eventIdHeader } from '../../exchange/sse.ts'
import { HEADER } from '../../protocol.ts'
import type { EventStreamName, LoggedEvent } from '../../types.ts'
import { KeyedMutex } from '../../util/keyed-mutex.ts'
import { streamKey } from '../../util/stream-key.ts'
import { decode, eventsGone } from './entry.ts'
import type { EventLogBody } from './event-log-body.ts'
import { Leases } from './leases.ts'
import { beginningAfter, type Reader, repeatAnnouncement } from './reader.ts'
import { Recorder } from './recorder.ts'
import type { RecorderParts } from './recorder-parts.ts'
import type { TimedEventLog } from './timed-event-log.ts'

/** The name of a session's listening stream. All other streams have random names. */
export const LISTEN_STREAM = 'listen'

/** How long a listening request waits for an earlier one that the upstream has not answered. */
const LISTEN_TURN_MS = 500

export interface EventLogParts {
  readonly report: (error: unknown, exchange: Exchange) => void
  /** Registers the recorders' exchanges, so that they can be stopped. */
  readonly inFlight: InFlight
}

interface ListenParts {
  /** The position of the newest existing event. */
  readonly position: number
  /** That event, if the upstream's stream is to be resumed after it. */
  readonly resumed: LoggedEvent | undefined
  /** The body that receives the events. */
  readonly tail: EventLogBody | undefined
  readonly reader: Reader
}

/** A client that reads a stream from the log, for which this node may take the stream over. */
interface Follower {
  /** The position after which the stream is to continue. */
  readonly after: number
  readonly tail: EventLogBody
  readonly reader: Reader
  readonly exchange: Exchange
  readonly next: Handle
}

type WrittenStream = Pick<Recorder, 'name' | 'log' | 'writer'>

export class StreamRegistry {
  readonly #log: TimedEventLog
  readonly #parts: EventLogParts
  readonly #recorders = new Map<string, Recorder>()
  readonly #flights = new Map<Recorder, Flight>()
  readonly #leases: Leases
  readonly #opening = new KeyedMutex()
  /** Listening requests that the upstream has not answered yet. */
  readonly #unanswered = new Map<string, { readonly life: Lifetime; readonly since: number }>()

  constructor(log: TimedEventLog, parts: EventLogParts) {
    this.#log = log
    this.#parts = parts
    this.#leases = new Leases(() => this.#recorders.values())
  }

  /** The recorder that writes a stream on this node, if any. */
  of(name: EventStreamName): Recorder | undefined {
    return this.#recorders.get(streamKey(name))
  }

  /** Makes this node write a stream. The exchange must be detached, so that it outlives the client's request. */
  open(
    name: EventStreamName,
    exchange: Exchange,
    next: Handle,
    parts: Omit<RecorderParts, 'name' | 'exchange'>,
  ): Recorder {
    exchange.life.endless = parts.isListening
    const { report } = this.#parts
    const tools = { log: this.#log, next, report, onOver: (recorder: Recorder) => this.#onOver(recorder) }
    const recorder = new Recorder({ ...parts, name, exchange }, tools)
    this.#recorders.set(streamKey(name), recorder)
    const flight = this.#parts.inFlight.add(exchange, (id) => recorder.cancel(id))
    this.#flights.set(recorder, flight)
    return recorder
  }

  /** Claims the lease of a stream; `false` when another node holds it. */
  claim(name: EventStreamName): Promise<boolean> {
    return this.#leases.claim(name, this.#log)
  }

  /** Serializes tasks on the same stream, so that a second one finds the recorder that the first has opened. */
  inTurn<T>(name: EventStreamName, task: () => Promise<T>): Promise<T> {
    return this.#opening.run(streamKey(name), task)
  }

  /**
   * Serializes listening requests. An upstream may withhold its response headers until it has an event to send, so a
   * request that has waited for `LISTEN_TURN_MS` stops the unanswered one with 409 and takes its place.
   */
  async inListenTurn<T>(name: EventStreamName, task: () => Promise<T>): Promise<T> {
    const takeTurn = (): void => {
      const earlier = this.#unanswered.get(streamKey(name))
      const leftMs = earlier ? earlier.since + LISTEN_TURN_MS - performance.now() : LISTEN_TURN_MS
      if (leftMs <= 0) earlier?.life.stop(listensElsewhere())
      timer = setTimeout(takeTurn, leftMs > 0 ? Math.ceil(leftMs) : LISTEN_TURN_MS).unref()
    }
    let timer = setTimeout(takeTurn, LISTEN_TURN_MS).unref()
    try {
      return await this.inTurn(name, () => {
        clearTimeout(timer)
        return task()
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Opens the upstream's listening stream, whose lease must be held. Resolves with the reply if the upstream refuses.
   */
  async listen(
    name: EventStreamName,
    listening: Exchange,
    next: Handle,
    { position, resumed, tail, reader }: ListenParts,
  ): Promise<Reply | undefined> {
    const key = streamKey(name)
    this.#unanswered.set(key, { life: listening.life, since: performance.now() })
    try {
      const reply = await next(listening)
      const { stopped } = listening.life
      if (stopped) {
        drainReply(reply)
        throw stopped
      }
      if (reply.kind === 'events') {
        const { upstreamId, retryMs } = resumed ? decode(resumed) : {}
        const parts = { position, isListening: true, owed: [], asked: [], upstreamId, retryMs }
        this.open(name, listening, next, parts).start(reply.body, reader.id, tail)
        return undefined
      }
      this.#leases.release(name, this.#log)
      return reply
    } catch (error) {
      this.#leases.release(name, this.#log)
      throw error
    } finally {
      this.#unanswered.delete(key)
    }
  }

  /** Makes this node write a stream from a position on, for a client; `false` when the stream has a writer. */
  takeOver(name: EventStreamName, follower: Follower): Promise<boolean> {
    const { tail, after } = follower
    return this.inTurn(name, async () => {
      if (tail.isOver || this.of(name) || !(await this.claim(name))) return false
      try {
        const last = await this.#log.last(name)
        // Events that the previous writer has logged beyond this position must be read first.
        const isNext = !tail.isOver && (last?.position ?? after) <= after
        if (isNext) await this.#continue(name, last, follower)
        else this.#leases.release(name, this.#log)
        return isNext
      } catch (error) {
        this.#leases.release(name, this.#log)
        throw error
      }
    })
  }

  /** Resolves when the leases are released, so that other nodes can take the streams over. */
  close(): Promise<void> {
    return this.#leases.close()
  }

  async #continue(
    name: EventStreamName,
    last: LoggedEvent | undefined,
    { after, tail, reader, exchange, next }: Follower,
  ): Promise<void> {
    if (name.stream === LISTEN_STREAM) {
      // A log that has lost its end does not know from where its client has yet to hear.
      const resumed = last?.position === after ? last : undefined
      const listening = detachedExchange(exchange, resumed)
      tail.writer = { onResume: () => {}, onCancel: () => listening.life.stop(clientLeft()) }
      const position = beginningAfter(last, after)
      const refusal = await this.listen(name, listening, next, { position, resumed, tail, reader })
      if (!refusal) return
      drainReply(refusal)
      throw new GatewayError('upstream_refused', `The server answered ${refusal.status}`)
    }
    if (last?.position !== after) throw eventsGone()
    const { upstreamId, retryMs, owed, asked = owed } = decode(last)
    const parts = { position: after, isListening: false, owed, asked, upstreamId, retryMs }
    this.open(name, detachedExchange(exchange, undefined), next, parts).continue(tail, reader.id)
  }

  #onOver(recorder: Recorder): void {
    this.#recorders.delete(streamKey(recorder.name))
    const flight = this.#flights.get(recorder)
    this.#flights.delete(recorder)
    if (flight) this.#parts.inFlight.delete(flight)
    const { name, log, writer } = recorder
    this.#leases.release(name, log, {
      lastWrite: writer.isLost ? () => this.#writeGap(recorder) : undefined,
      handOver: recorder.isComplete ? undefined : () => repeatAnnouncement(name, log),
    })
  }

  /** Marks a stream that is complete, and whose log has failed. */
  closeLost(stream: WrittenStream): void {
    this.#leases.release(stream.name, stream.log, { lastWrite: () => this.#writeGap(stream) })
  }

  /** Writes the gap only if the lease is still available: another node that has continued the stream needs none. */
  #writeGap({ name, log, writer }: WrittenStream): Promise<void> {
    return this.inTurn(name, async () => {
      if (!this.of(name) && (await this.#leases.claim(name, log))) await writer.writeGap()
    })
  }
}

/**
 * The client's exchange, detached so that the stream outlives the client, with the upstream's own event id as
 * `Last-Event-ID` if the stream is to be resumed.
 */
export function detachedExchange(exchange: Exchange, resumed: LoggedEvent | undefined): Exchange {
  const { [HEADER.lastEventId]: _, ...headers } = exchange.headers
  const upstreamId = resumed && decode(resumed).upstreamId
  const resumeHeaders =
    upstreamId === undefined ? headers : { ...headers, [HEADER.lastEventId]: eventIdHeader(upstreamId) }
  return exchange.fork({ headers: resumeHeaders }, exchange.life.detach())
}

function clientLeft(): GatewayError {
  return new GatewayError('bad_request', 'The client went away')
}

/** The error for a listening request that a later one replaces. */
export function listensElsewhere(): GatewayError {
  return new GatewayError('bad_request', 'The session listens on another connection now', { status: 409 })
}
