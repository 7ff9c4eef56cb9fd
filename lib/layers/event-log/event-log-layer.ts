/** Stores the events of session streams in the event log, so that clients can resume them. (SE6, SE7) */
import { hash, randomBytes } from 'node:crypto'
import type { ClientSession, Exchange } from '../../exchange/exchange.ts'
import type { Layer } from '../../exchange/layer.ts'
import { drainReply, type Handle, type Reply, streamExchange, wholeOf } from '../../exchange/reply.ts'
import { HEADER } from '../../protocol.ts'
import type { Awaitable, EventLog, EventStreamName, LoggedEvent } from '../../types.ts'
import { within } from '../../util/timeout.ts'
import { decode, eventsGone, parseEventId, possiblyUnanswered, wantsPriming } from './entry.ts'
import { EventLogBody } from './event-log-body.ts'
import type { LogWriter } from './log-writer.ts'
import { LogMailbox } from './mailbox.ts'
import { beginningAfter, Reader } from './reader.ts'
import { Replay } from './replay.ts'
import {
  detachedExchange,
  type EventLogParts,
  LISTEN_STREAM,
  listensElsewhere,
  StreamRegistry,
} from './stream-registry.ts'
import { callLog, TimedEventLog } from './timed-event-log.ts'
import { logWhole, type WholeStream } from './whole-stream.ts'

/** How long a log may take to close. */
const FAREWELL_MS = 1_000

export class EventLogLayer implements Layer {
  readonly name = 'eventLog'
  readonly #log: TimedEventLog
  readonly #report: EventLogParts['report']
  readonly #registry: StreamRegistry
  /** Where answers of clients wait for another node. */
  readonly mailbox: LogMailbox
  readonly #own = `${randomBytes(9).toString('base64url')}-`
  #streams = 0

  constructor(log: EventLog, parts: EventLogParts) {
    this.#log = new TimedEventLog(log)
    this.#report = parts.report
    this.#registry = new StreamRegistry(this.#log, parts)
    this.mailbox = new LogMailbox(this.#log, digestOf)
  }

  applies(): boolean {
    return true
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { verb, requestIds, origin } = exchange
    const { session } = origin
    if (!session || origin.era !== 'legacy' || verb === 'DELETE') return next(exchange)
    if (verb === 'GET') return untilStopped(exchange, this.#listen(exchange, session, next))
    return requestIds.length > 0 ? this.#call(exchange, session, next) : next(exchange)
  }

  /** Deletes the events of a session that has ended. */
  async forget(sessionId: string): Promise<void> {
    await this.#log.forget?.(digestOf(sessionId))
  }

  async close(): Promise<void> {
    await this.#registry.close()
    await within(
      performance.now() + FAREWELL_MS,
      callLog(() => this.#log.close?.()),
    )
  }

  /** A stream name that is unique among all gateways. */
  #nextStream(): string {
    this.#streams += 1
    return this.#own + this.#streams.toString(36)
  }

  /** A request gets its own lifetime once its stream is logged; until then it stops with the client's exchange. */
  async #call(exchange: Exchange, session: ClientSession, next: Handle): Promise<Reply> {
    const background = exchange.fork({}, exchange.life.detach())
    const undoAdopt = exchange.life.adopt(background.life)
    const reply = await next(background)
    if (reply.kind !== 'events' || exchange.life.stopped) return reply
    undoAdopt()
    const name = { session: digestOf(session.id), stream: this.#nextStream() }
    const requestIds = exchange.origin.awaited(exchange.requestIds)
    const bytes = wholeOf(reply)
    if (bytes) return this.#logWhole({ name, exchange: background, asked: requestIds, reply, bytes })
    const parts = { position: 0, isListening: false, owed: requestIds, asked: requestIds }
    const recorder = this.#registry.open(name, streamExchange(background, reply), next, parts)
    void this.#registry.claim(name).catch((error: unknown) => this.#report(error, exchange))
    const body = new EventLogBody(name, requestIds)
    recorder.start(reply.body, new Reader().id, body)
    return body.reply(false, reply.headers)
  }

  #logWhole(stream: Omit<WholeStream, 'log'>): Awaitable<Reply> {
    const { name, exchange } = stream
    const log = this.#log.for(exchange.origin)
    const onLost = (writer: LogWriter): void => this.#registry.closeLost({ name, log, writer })
    return logWhole({ ...stream, log }, (error) => this.#report(error, exchange), onLost)
  }

  async #listen(exchange: Exchange, session: ClientSession, next: Handle): Promise<Reply> {
    const lastEventId = exchange.headers[HEADER.lastEventId]
    const point = lastEventId === undefined ? undefined : parseEventId(lastEventId)
    if (lastEventId !== undefined && !point) throw eventsGone()
    const name = { session: digestOf(session.id), stream: point?.stream ?? LISTEN_STREAM }
    const reading = { name, exchange, next, reader: new Reader() }
    if (!point || name.stream === LISTEN_STREAM) {
      return this.#registry.inListenTurn(name, () => this.#openListenStream(reading, point?.after))
    }
    const last = await callLog(() => this.#log.last(name))
    const newest = this.#registry.of(name)?.writer.position ?? last?.position
    if (newest === undefined || point.after > newest) throw eventsGone()
    return this.#follow(reading, point.after, last)
  }

  /** A session has one listening stream at a time: each request for it joins or takes over the same stream. (SE10) */
  async #openListenStream(reading: Reading, after: number | undefined): Promise<Reply> {
    const { name, exchange, next, reader } = reading
    if (exchange.life.stopped) throw exchange.life.stopped
    const last = await callLog(() => this.#log.last(name))
    const recorder = this.#registry.of(name)
    const newest = recorder?.writer.position ?? last?.position
    const from = newest !== undefined && after !== undefined && after <= newest ? after : undefined
    const isPrimed = wantsPriming(exchange.origin.session)
    const body = new EventLogBody(name)
    if (recorder) {
      if (from !== undefined) return this.#follow(reading, from, last)
      if (exchange.isOwn) throw listensElsewhere()
      recorder.subscriber.attachNow(body, reader.id, isPrimed)
      return body.reply(true)
    }
    if (await callLog(() => this.#registry.claim(name))) {
      const resumed = from === undefined ? undefined : last
      const listening = detachedExchange(exchange, resumed)
      const undoAdopt = exchange.life.adopt(listening.life)
      const position = beginningAfter(last, after ?? 0)
      const parts = { position, resumed, tail: from === undefined ? body : undefined, reader }
      const refusal = await this.#registry.listen(name, listening, next, parts)
      if (refusal) return refusal
      undoAdopt()
      return from === undefined ? body.reply(true) : this.#follow(reading, from, last)
    }
    if (from !== undefined) return this.#follow(reading, from, last)
    // A stream that the gateway opens early never takes the place of the client's own.
    if (exchange.isOwn) throw listensElsewhere()
    reader.beginAnew()
    const begin = (await this.#announce(reading, after ?? 0)) ?? newest
    if (begin !== undefined && isPrimed) body.prime(begin)
    return this.#follow(reading, begin ?? 0, last, body)
  }

  /** Answers with the events after a position: from the log, then live. */
  async #follow(reading: Reading, after: number, last: LoggedEvent | undefined, given?: EventLogBody): Promise<Reply> {
    const { name, exchange, next, reader } = reading
    const endless = name.stream === LISTEN_STREAM
    const body = given ?? new EventLogBody(name, [], after)
    if (this.#registry.of(name)?.subscriber.attach(body, after, reader.id)) return body.reply(endless)
    if (!reader.isAnnounced) await this.#announce(reading, after)
    const missed = await callLog(() => this.#log.read(name, after, 0))
    const recorder = this.#registry.of(name)
    if (last && last.position <= after && decode(last).over) {
      body.end()
      return body.reply(endless)
    }
    const first = missed[0] && decode(missed[0])
    const isGap = first
      ? first.lost || (after > 0 && missed[0]!.position !== after + 1)
      : after < (recorder?.writer.deliveredEvent ?? last?.position ?? 0)
    const pending = first ? possiblyUnanswered(first) : (recorder?.asked ?? [])
    if (isGap && pending.length === 0) throw eventsGone()
    const replay = new Replay(name, body, after, {
      log: this.#log,
      reader,
      recorderOf: () => this.#registry.of(name),
      takeOver: (from) => this.#registry.takeOver(name, { after: from, tail: body, reader, exchange, next }),
      report: (error) => this.#report(error, exchange),
    })
    void replay.run(missed)
    return body.reply(endless)
  }

  #announce({ name, reader }: Reading, after: number): Promise<number | undefined> {
    return callLog(() => reader.announce(name, this.#log, after, () => this.#registry.of(name)))
  }
}

/** A stream, and the client's exchange and connection that read it. */
interface Reading {
  readonly name: EventStreamName
  readonly exchange: Exchange
  readonly next: Handle
  readonly reader: Reader
}

/** Rejects as soon as the exchange is stopped, even while it waits for its turn or for the log. */
function untilStopped({ life }: Exchange, replying: Promise<Reply>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const off = life.onStop(reject)
    replying.finally(off).then((reply) => {
      if (life.stopped) drainReply(reply)
      else resolve(reply)
    }, reject)
  })
}

/** The log contains only digests of session ids, so that read access to it does not give access to sessions. */
function digestOf(sessionId: string): string {
  return hash('sha256', sessionId, 'base64url')
}
