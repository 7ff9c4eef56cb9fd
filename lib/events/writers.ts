/** The streams that this gateway writes into the log, and how it comes to write one: nobody else may at the same time. */
import { GatewayError } from '../errors.ts'
import type { Exchange, Handle } from '../exchange.ts'
import { EVENT_STREAM_TYPE, HEADER, mediaType } from '../protocol.ts'
import type { Body, EventLog, EventStreamName, LoggedEvent, Reply } from '../types.ts'
import { decode } from './entry.ts'
import { gone } from './follower.ts'
import { Leases } from './leases.ts'
import { Recorder, type RecorderParts, type RecorderTools } from './recorder.ts'
import type { Tail } from './tail.ts'
import { Turns } from './turns.ts'

/** The stream on which a session listens. All others have names of chance. */
export const STANDING = 'listen'

/** What a journal has others do. */
export interface JournalTools {
  /** Gives the rest of an upstream's stream. */
  readonly resume: (exchange: Exchange, lastEventId: string, retryMs: number | undefined) => Body
  readonly report: (error: unknown, exchange: Exchange) => void
  /** Knows what goes on, so that it can be stopped. */
  readonly running: { add(exchange: Exchange): void; delete(exchange: Exchange): void }
}

/** How a stream is to be listened to. */
interface Hearing {
  /** The position of the newest event there is. */
  readonly position: number
  /** That event, where the upstream is to go on behind it. */
  readonly resumed: LoggedEvent | undefined
  /** Who gets all that comes. */
  readonly tail: Tail | undefined
}

export class Writers {
  readonly #inner: Handle
  readonly #log: EventLog
  readonly #running: JournalTools['running']
  readonly #recorderTools: RecorderTools
  readonly #recorders = new Map<string, Recorder>()
  readonly #leases: Leases
  /** Streams that somebody is about to write: the next one waits for its turn. */
  readonly #turns = new Turns()

  constructor(inner: Handle, log: EventLog, { resume, report, running }: JournalTools) {
    this.#inner = inner
    this.#log = log
    this.#running = running
    this.#recorderTools = { log, resume, report, onOver: (recorder) => this.#onOver(recorder) }
    this.#leases = new Leases(log, () => Array.from(this.#recorders.values(), ({ name }) => name))
  }

  /** Who writes a stream here, if anybody does. */
  of(name: EventStreamName): Recorder | undefined {
    return this.#recorders.get(keyOf(name))
  }

  /** Has a stream written here from now on. */
  open(name: EventStreamName, exchange: Exchange, parts: Omit<RecorderParts, 'name' | 'exchange'>): Recorder {
    const background = exchange.with({ isBackground: true })
    background.awaitsAnswer = !parts.isStanding
    const recorder = new Recorder({ ...parts, name, exchange: background }, this.#recorderTools)
    this.#recorders.set(keyOf(name), recorder)
    this.#running.add(background)
    return recorder
  }

  /** Whether this gateway may write a stream. */
  claim(name: EventStreamName): Promise<boolean> {
    return this.#leases.claim(name)
  }

  inTurn<T>(name: EventStreamName, turn: () => Promise<T>): Promise<T> {
    return this.#turns.take(keyOf(name), turn)
  }

  /** Listens to the upstream of a stream that was claimed; what it answers when it does not want that. */
  async hear(
    name: EventStreamName,
    asking: Exchange,
    { position, resumed, tail }: Hearing,
  ): Promise<Reply | undefined> {
    try {
      const reply = await this.#inner(asking)
      if (isStream(reply)) {
        const { upstreamId, retryMs } = resumed ? decode(resumed) : {}
        const parts = { position, isStanding: true, owed: [], asked: [], upstreamId, retryMs }
        this.open(name, asking, parts).start(reply.body, tail)
        return undefined
      }
      this.#leases.release(name)
      return reply
    } catch (error) {
      this.#leases.release(name)
      throw error
    }
  }

  /** Has a stream written here from a position on, for a client, unless somebody still writes it. */
  takeOver(name: EventStreamName, after: number, tail: Tail, exchange: Exchange): Promise<boolean> {
    return this.inTurn(name, async () => {
      if (tail.isOver || this.of(name) || !(await this.claim(name))) return false
      try {
        const last = await this.#log.last(name)
        // What another has written before it left is to be had first.
        const isNext = !tail.isOver && (last?.position ?? after) <= after
        if (isNext) await this.#goOn(name, after, last, tail, exchange)
        else this.#leases.release(name)
        return isNext
      } catch (error) {
        this.#leases.release(name)
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
    after: number,
    last: LoggedEvent | undefined,
    tail: Tail,
    exchange: Exchange,
  ): Promise<void> {
    if (name.stream === STANDING) {
      const asking = askingAgain(exchange, last)
      tail.writer = { onResume: () => {}, onCancel: () => asking.stop(gone()) }
      const position = last?.position ?? Math.max(after, Date.now())
      const refusal = await this.hear(name, asking, { position, resumed: last, tail })
      refusal?.body.drain()
      if (refusal) throw new GatewayError('upstream_refused', `The upstream answered ${refusal.status}`)
      return
    }
    if (last?.position !== after) throw gone()
    const { upstreamId, retryMs, owed, asked = owed } = decode(last)
    const parts = { position: after, isStanding: false, owed, asked, upstreamId, retryMs }
    this.open(name, askingAgain(exchange, undefined), parts).goOn(tail)
  }

  #onOver({ name, exchange }: Recorder): void {
    this.#recorders.delete(keyOf(name))
    this.#running.delete(exchange)
    this.#leases.release(name)
  }
}

export function isStream({ status, headers }: Reply): boolean {
  return status === 200 && mediaType(String(headers['content-type'])) === EVENT_STREAM_TYPE
}

/** What a client asks, put to the upstream: behind an event in the upstream's words, or from now on. */
export function askingAgain(exchange: Exchange, resumed: LoggedEvent | undefined): Exchange {
  const { [HEADER.lastEventId]: _, ...headers } = exchange.headers
  const upstreamId = resumed && decode(resumed).upstreamId
  return exchange.with({
    headers: upstreamId === undefined ? headers : { ...headers, [HEADER.lastEventId]: upstreamId },
  })
}

function keyOf({ session, stream }: EventStreamName): string {
  return `${session} ${stream}`
}
