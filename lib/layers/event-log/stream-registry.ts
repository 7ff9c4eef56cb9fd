/** The streams that this gateway writes into the log, and how it comes to write one: one writer a stream at a time. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Flight, InFlight } from '../../exchange/in-flight.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import { drainReply, type Handle, type Reply } from '../../exchange/reply.ts'
import { eventIdHeader } from '../../exchange/sse.ts'
import { HEADER } from '../../protocol.ts'
import type { EventStreamName, LoggedEvent } from '../../types.ts'
import { KeyedMutex } from '../../util/keyed-mutex.ts'
import { decode, eventsGone } from './entry.ts'
import type { EventLogBody } from './event-log-body.ts'
import { Leases } from './leases.ts'
import type { Reader } from './reader.ts'
import { Recorder } from './recorder.ts'
import type { RecorderParts } from './recorder-parts.ts'
import type { TimedEventLog } from './timed-event-log.ts'

/** The stream on which a session listens. All others have names of chance. */
export const LISTEN_STREAM = 'listen'

/** How long who listens leaves another alone that has asked the upstream before. */
const PATIENCE_MS = 500

/** What the event log needs of the gateway. */
export interface EventLogParts {
  readonly report: (error: unknown, exchange: Exchange) => void
  /** Knows what goes on, so that it can be stopped. */
  readonly inFlight: InFlight
}

/** How a stream is to be listened to. */
interface ListenParts {
  /** The position of the newest event there is. */
  readonly position: number
  /** That event, where the upstream is to go on behind it. */
  readonly resumed: LoggedEvent | undefined
  /** Gets all that comes. */
  readonly tail: EventLogBody | undefined
  readonly reader: Reader
}

/** A client that reads a stream in the log, for which it may come to be written here. */
interface Follower {
  /** The position behind which the stream is to go on. */
  readonly after: number
  readonly tail: EventLogBody
  readonly reader: Reader
  readonly exchange: Exchange
  readonly next: Handle
}

export class StreamRegistry {
  readonly #log: TimedEventLog
  readonly #parts: EventLogParts
  readonly #recorders = new Map<string, Recorder>()
  readonly #flights = new Map<Recorder, Flight>()
  readonly #leases: Leases
  readonly #opening = new KeyedMutex()
  /** The requests to listen that the upstream has not answered yet. */
  readonly #asking = new Map<string, { readonly life: Lifetime; readonly since: number }>()

  constructor(log: TimedEventLog, parts: EventLogParts) {
    this.#log = log
    this.#parts = parts
    this.#leases = new Leases(() => this.#recorders.values())
  }

  /** Who writes a stream here, if anybody does. */
  of(name: EventStreamName): Recorder | undefined {
    return this.#recorders.get(keyOf(name))
  }

  /** Has a stream written here from now on. The exchange is detached: it goes on when the client's has ended. */
  open(
    name: EventStreamName,
    exchange: Exchange,
    next: Handle,
    parts: Omit<RecorderParts, 'name' | 'exchange'>,
  ): Recorder {
    exchange.life.endless = parts.isStanding
    const { report } = this.#parts
    const tools = { log: this.#log, next, report, onOver: (recorder: Recorder) => this.#onOver(recorder) }
    const recorder = new Recorder({ ...parts, name, exchange }, tools)
    this.#recorders.set(keyOf(name), recorder)
    const flight = this.#parts.inFlight.add(exchange)
    flight.onCancel = (id) => recorder.cancel(id)
    this.#flights.set(recorder, flight)
    return recorder
  }

  /** Whether this gateway may write a stream. */
  claim(name: EventStreamName): Promise<boolean> {
    return this.#leases.claim(name, this.#log)
  }

  /** Streams are opened one at a time for each name: the second finds done what the first one did. */
  inTurn<T>(name: EventStreamName, task: () => Promise<T>): Promise<T> {
    return this.#opening.run(keyOf(name), task)
  }

  /**
   * The same for who listens. An upstream may withhold the head of its answer for as long as it has nothing to say: who
   * waits for that is told after a while that another connection listens, which it is for a stream that has begun, too.
   */
  async inTurnToListen<T>(name: EventStreamName, task: () => Promise<T>): Promise<T> {
    const takeTurn = (): void => {
      const asking = this.#asking.get(keyOf(name))
      const leftMs = asking ? asking.since + PATIENCE_MS - performance.now() : PATIENCE_MS
      if (leftMs <= 0) asking?.life.stop(listensElsewhere())
      timer = setTimeout(takeTurn, leftMs > 0 ? Math.ceil(leftMs) : PATIENCE_MS).unref()
    }
    let timer = setTimeout(takeTurn, PATIENCE_MS).unref()
    try {
      return await this.inTurn(name, () => {
        clearTimeout(timer)
        return task()
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Listens to the upstream of a stream that was claimed. Resolves with what it answers where it does not want that. */
  async listen(
    name: EventStreamName,
    asking: Exchange,
    next: Handle,
    { position, resumed, tail, reader }: ListenParts,
  ): Promise<Reply | undefined> {
    const key = keyOf(name)
    this.#asking.set(key, { life: asking.life, since: performance.now() })
    try {
      const reply = await next(asking)
      if (reply.kind === 'events') {
        const { upstreamId, retryMs } = resumed ? decode(resumed) : {}
        const parts = { position, isStanding: true, owed: [], asked: [], upstreamId, retryMs }
        this.open(name, asking, next, parts).start(reply.body, reader.id, tail)
        return undefined
      }
      this.#leases.release(name, this.#log)
      return reply
    } catch (error) {
      this.#leases.release(name, this.#log)
      throw error
    } finally {
      this.#asking.delete(key)
    }
  }

  /** Has a stream written here from a position on, for a client, unless somebody still writes it. */
  takeOver(name: EventStreamName, follower: Follower): Promise<boolean> {
    const { tail, after } = follower
    return this.inTurn(name, async () => {
      if (tail.isOver || this.of(name) || !(await this.claim(name))) return false
      try {
        const last = await this.#log.last(name)
        // What another has written before it left is to be had first.
        const isNext = !tail.isOver && (last?.position ?? after) <= after
        if (isNext) await this.#goOn(name, last, follower)
        else this.#leases.release(name, this.#log)
        return isNext
      } catch (error) {
        this.#leases.release(name, this.#log)
        throw error
      }
    })
  }

  /** Resolves when others may go on with what was written here. */
  close(): Promise<void> {
    return this.#leases.close()
  }

  async #goOn(
    name: EventStreamName,
    last: LoggedEvent | undefined,
    { after, tail, reader, exchange, next }: Follower,
  ): Promise<void> {
    if (name.stream === LISTEN_STREAM) {
      const asking = askingAgain(exchange, last)
      tail.writer = { onResume: () => {}, onCancel: () => asking.life.stop(eventsGone()) }
      const position = last?.position ?? Math.max(after, Date.now())
      const refusal = await this.listen(name, asking, next, { position, resumed: last, tail, reader })
      if (!refusal) return
      drainReply(refusal)
      throw new GatewayError('upstream_refused', `The server answered ${refusal.status}`)
    }
    if (last?.position !== after) throw eventsGone()
    const { upstreamId, retryMs, owed, asked = owed } = decode(last)
    const parts = { position: after, isStanding: false, owed, asked, upstreamId, retryMs }
    this.open(name, askingAgain(exchange, undefined), next, parts).goOn(tail, reader.id)
  }

  #onOver(recorder: Recorder): void {
    this.#recorders.delete(keyOf(recorder.name))
    const flight = this.#flights.get(recorder)
    this.#flights.delete(recorder)
    if (flight) this.#parts.inFlight.delete(flight)
    const { name, log, writer } = recorder
    this.#leases.release(name, log, writer.isLost ? () => this.#writeGap(recorder) : undefined)
  }

  /** The lease may have run out meanwhile, and another have gone on: then there is nothing to say. */
  #writeGap({ name, log, writer }: Recorder): Promise<void> {
    return this.inTurn(name, async () => {
      if (!this.of(name) && (await this.#leases.claim(name, log))) await writer.writeGap()
    })
  }
}

/**
 * What a client asks, put to the upstream: behind an event in the upstream's words, or from now on. It is detached: the
 * stream is read when this client has gone, too.
 */
export function askingAgain(exchange: Exchange, resumed: LoggedEvent | undefined): Exchange {
  const { [HEADER.lastEventId]: _, ...headers } = exchange.headers
  const upstreamId = resumed && decode(resumed).upstreamId
  const asked = upstreamId === undefined ? headers : { ...headers, [HEADER.lastEventId]: eventIdHeader(upstreamId) }
  return exchange.fork({ headers: asked }, exchange.life.detach())
}

/** Why a request to listen ends without an answer. */
function listensElsewhere(): GatewayError {
  return new GatewayError('bad_request', 'The session listens on another connection now', { status: 409 })
}

function keyOf({ session, stream }: EventStreamName): string {
  return `${session} ${stream}`
}
