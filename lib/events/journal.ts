/** Keeps the events of session streams, so that clients can resume them: a Handle before a Handle. (SE6, SE7) */
import { createHash, randomBytes } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import type { Exchange, Handle } from '../exchange.ts'
import { EVENT_STREAM_TYPE, HEADER, mediaType } from '../protocol.ts'
import type { Awaitable, Body, EventLog, EventStreamName, LoggedEvent, Reply, Session } from '../types.ts'
import { decode, parseEventId } from './entry.ts'
import { Follower, gone } from './follower.ts'
import { Recorder, type RecorderParts, type RecorderTools } from './recorder.ts'
import { Tail } from './tail.ts'

/** How long a node that says nothing any more keeps others from going on with its streams, and how often it says so. */
const LEASE_MS = 15_000
const RENEW_MS = 5_000

/** The stream on which a session listens. All others have names of chance. */
const STANDING = 'listen'

/** What a journal has others do. */
export interface JournalTools {
  /** Gives the rest of an upstream's stream. */
  readonly resume: (exchange: Exchange, lastEventId: string, retryMs: number | undefined) => Body
  readonly report: (error: unknown, exchange: Exchange) => void
  /** Knows what goes on, so that it can be stopped. */
  readonly running: { add(exchange: Exchange): void; delete(exchange: Exchange): void }
}

export class Journal {
  readonly #inner: Handle
  readonly #log: EventLog
  readonly #tools: JournalTools
  readonly #recorderTools: RecorderTools
  /** Names this gateway in leases. */
  readonly #writer = randomBytes(12).toString('base64url')
  readonly #recorders = new Map<string, Recorder>()
  /** Streams that somebody is about to write: the next one waits for its turn. */
  readonly #turns = new Map<string, Promise<unknown>>()
  readonly #renewing: NodeJS.Timeout

  constructor(inner: Handle, log: EventLog, tools: JournalTools) {
    this.#inner = inner
    this.#log = log
    this.#tools = tools
    this.#recorderTools = {
      log,
      resume: tools.resume,
      report: tools.report,
      onOver: (recorder) => this.#onOver(recorder),
    }
    this.#renewing = setInterval(() => this.#renew(), RENEW_MS).unref()
  }

  readonly handle: Handle = (exchange) => {
    const { session, era, method, waiting } = exchange
    if (!session || era !== 'legacy' || method === 'DELETE') return this.#inner(exchange)
    if (method === 'GET') return this.#listen(exchange, session)
    const reply = this.#inner(exchange)
    return waiting.length > 0 ? reply.then((known) => this.#keep(known, exchange, session)) : reply
  }

  /** A session has ended: nobody comes back for what was said in it. */
  async forget(sessionId: string): Promise<void> {
    await this.#log.forget?.(digestOf(sessionId))
  }

  async close(): Promise<void> {
    clearInterval(this.#renewing)
    await this.#log.close?.()
  }

  /** The stream that answers a POST. */
  #keep(reply: Reply, exchange: Exchange, session: Session): Reply {
    if (!isStream(reply)) return reply
    const name = { session: digestOf(session.id), stream: randomBytes(9).toString('base64url') }
    const recorder = this.#record(name, exchange, { position: 0, isStanding: false, owed: exchange.waiting })
    void this.#claim(name).catch((error: unknown) => this.#tools.report(error, exchange))
    exchange.isRecorded = true
    const tail = new Tail()
    recorder.listen(tail)
    recorder.start(reply.body)
    return { ...headOf(reply), body: tail }
  }

  async #listen(exchange: Exchange, session: Session): Promise<Reply> {
    const lastEventId = exchange.headers[HEADER.lastEventId]
    const point = lastEventId === undefined ? undefined : parseEventId(lastEventId)
    if (lastEventId !== undefined && !point) throw gone()
    const name = { session: digestOf(session.id), stream: point?.stream ?? STANDING }
    if (name.stream === STANDING) return this.#inTurn(name, () => this.#stand(name, point?.after, exchange))
    const last = await this.#ask(() => this.#log.last(name))
    if (!point || !last || point.after > last.position) throw gone()
    return this.#follow(name, point.after, last, exchange)
  }

  /** The one stream on which a session listens, whoever opens it, as often as it is opened. (SE10) */
  async #stand(name: EventStreamName, after: number | undefined, exchange: Exchange): Promise<Reply> {
    const last = await this.#ask(() => this.#log.last(name))
    const isResumed = last !== undefined && after !== undefined && after <= last.position
    let from = (isResumed ? after : last?.position) ?? 0
    if (!this.#recorders.has(keyOf(name)) && (await this.#ask(() => this.#claim(name)))) {
      from ||= Date.now()
      const refusal = await this.#hear(name, exchange, last?.position ?? from, isResumed ? last : undefined)
      if (refusal) return refusal
    }
    return this.#follow(name, from, last, exchange)
  }

  /** Listens to the upstream; what it answers when it does not want that. */
  async #hear(
    name: EventStreamName,
    exchange: Exchange,
    position: number,
    resumed: LoggedEvent | undefined,
  ): Promise<Reply | undefined> {
    const { upstreamId, retryMs } = resumed ? decode(resumed) : {}
    const { [HEADER.lastEventId]: _, ...headers } = exchange.headers
    const asking = exchange.with({
      headers: upstreamId === undefined ? headers : { ...headers, [HEADER.lastEventId]: upstreamId },
    })
    exchange.onStop = (error) => asking.stop(error)
    try {
      const reply = await this.#inner(asking)
      if (isStream(reply)) {
        this.#record(name, asking, { position, isStanding: true, owed: [], upstreamId, retryMs }).start(reply.body)
        return undefined
      }
      this.#release(name)
      return reply
    } catch (error) {
      this.#release(name)
      throw error
    }
  }

  /** What comes after an event: from the log, then live. */
  async #follow(
    name: EventStreamName,
    after: number,
    last: LoggedEvent | undefined,
    exchange: Exchange,
  ): Promise<Reply> {
    const missed = await this.#ask(() => this.#log.read(name, after, 0))
    const [first] = missed
    const isGap = first ? after > 0 && first.position !== after + 1 : after < (last?.position ?? 0)
    if (isGap && (!first || decode(first).owed.length === 0)) throw gone()
    const tail = new Tail()
    const follower = new Follower(name, tail, after, {
      log: this.#log,
      recorderOf: () => this.#recorders.get(keyOf(name)),
      takeOver: (newest) => this.#inTurn(name, () => this.#takeOver(name, newest, exchange)),
    })
    void follower.run(missed)
    return { status: 200, headers: { 'content-type': EVENT_STREAM_TYPE }, body: tail }
  }

  /** Has this gateway write a stream, unless somebody still does. */
  async #takeOver(name: EventStreamName, newest: LoggedEvent, exchange: Exchange): Promise<boolean> {
    if (this.#recorders.has(keyOf(name))) return true
    if (!(await this.#claim(name))) return false
    const { position } = newest
    if (name.stream === STANDING) {
      const refusal = await this.#hear(name, exchange, position, newest)
      refusal?.body.drain()
      if (refusal) throw new GatewayError('upstream_refused', `The upstream answered ${refusal.status}`)
      return true
    }
    const { upstreamId, retryMs, owed } = decode(newest)
    const { [HEADER.lastEventId]: _, ...headers } = exchange.headers
    const parts = { position, isStanding: false, owed, upstreamId, retryMs }
    this.#record(name, exchange.with({ headers }), parts).goOn()
    return true
  }

  #record(name: EventStreamName, exchange: Exchange, parts: Omit<RecorderParts, 'name' | 'exchange'>): Recorder {
    const background = exchange.with({ isBackground: true })
    const recorder = new Recorder({ ...parts, name, exchange: background }, this.#recorderTools)
    this.#recorders.set(keyOf(name), recorder)
    this.#tools.running.add(background)
    return recorder
  }

  #onOver(recorder: Recorder): void {
    this.#recorders.delete(keyOf(recorder.name))
    this.#tools.running.delete(recorder.exchange)
    this.#release(recorder.name)
  }

  async #claim(name: EventStreamName): Promise<boolean> {
    return this.#log.claim(name, this.#writer, LEASE_MS)
  }

  /** A lease that cannot be given back ends by itself. */
  #release(name: EventStreamName): void {
    const release = async (): Promise<void> => this.#log.release(name, this.#writer)
    release().catch(() => {})
  }

  /** A log that does not hear this has told of it already, when it was to keep an event. */
  #renew(): void {
    for (const { name } of this.#recorders.values()) this.#claim(name).catch(() => {})
  }

  async #inTurn<T>(name: EventStreamName, turn: () => Promise<T>): Promise<T> {
    const key = keyOf(name)
    const before = this.#turns.get(key)
    const mine = (async () => {
      await before?.catch(() => {})
      return turn()
    })()
    this.#turns.set(key, mine)
    try {
      return await mine
    } finally {
      if (this.#turns.get(key) === mine) this.#turns.delete(key)
    }
  }

  /** A log that fails is a 503. */
  async #ask<T>(question: () => Awaitable<T>): Promise<T> {
    try {
      return await question()
    } catch (cause) {
      throw new GatewayError('unavailable', 'The event log is unavailable', { cause })
    }
  }
}

function isStream({ status, headers }: Reply): boolean {
  return status === 200 && mediaType(String(headers['content-type'])) === EVENT_STREAM_TYPE
}

function headOf({ status, headers }: Reply): Pick<Reply, 'status' | 'headers'> {
  return { status, headers }
}

function keyOf({ session, stream }: EventStreamName): string {
  return `${session} ${stream}`
}

/** Whoever reads the log gets to know no session. */
function digestOf(sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('base64url')
}
