/** Keeps the events of session streams, so that clients can resume them: a Handle before a Handle. (SE6, SE7) */
import { createHash, randomBytes } from 'node:crypto'
import { within } from '../in-time.ts'
import { GatewayError } from '../errors.ts'
import type { Exchange, Handle } from '../exchange.ts'
import { EVENT_STREAM_TYPE, HEADER } from '../protocol.ts'
import type { Awaitable, EventLog, EventStreamName, LoggedEvent, Reply, Session } from '../types.ts'
import { decode, doubtful, parseEventId, primingEvent, wantsPriming } from './entry.ts'
import { Follower, gone } from './follower.ts'
import { PromptLog } from './prompt-log.ts'
import { Tail } from './tail.ts'
import { askingAgain, isStream, type JournalTools, STANDING, Writers } from './writers.ts'

/** How long a log may take to close. */
const FAREWELL_MS = 1_000

export class Journal {
  readonly #inner: Handle
  readonly #log: EventLog
  readonly #report: JournalTools['report']
  readonly #writers: Writers
  readonly #own = `${randomBytes(9).toString('base64url')}-`
  #streams = 0

  constructor(inner: Handle, log: EventLog, tools: JournalTools) {
    this.#inner = inner
    this.#log = new PromptLog(log)
    this.#report = tools.report
    this.#writers = new Writers(inner, this.#log, tools)
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
    await this.#writers.close()
    await within(
      Date.now() + FAREWELL_MS,
      ask(() => this.#log.close?.()),
    )
  }

  /** A name that no stream of any gateway has. */
  #nextStream(): string {
    this.#streams += 1
    return this.#own + this.#streams.toString(36)
  }

  /** The stream that answers a POST. */
  #keep(reply: Reply, exchange: Exchange, session: Session): Reply {
    if (!isStream(reply) || exchange.stopped) return reply
    const name = { session: digestOf(session.id), stream: this.#nextStream() }
    const { waiting } = exchange
    const recorder = this.#writers.open(name, exchange, {
      position: 0,
      isStanding: false,
      owed: waiting,
      asked: waiting,
    })
    exchange.isRecorded = true
    void this.#writers.claim(name).catch((error: unknown) => this.#report(error, exchange))
    const tail = new Tail()
    recorder.start(reply.body, tail)
    return { status: reply.status, headers: reply.headers, body: tail }
  }

  async #listen(exchange: Exchange, session: Session): Promise<Reply> {
    const lastEventId = exchange.headers[HEADER.lastEventId]
    const point = lastEventId === undefined ? undefined : parseEventId(lastEventId)
    if (lastEventId !== undefined && !point) throw gone()
    const name = { session: digestOf(session.id), stream: point?.stream ?? STANDING }
    if (!point || name.stream === STANDING) {
      return this.#writers.inTurn(name, () => this.#stand(name, point?.after, exchange))
    }
    const last = await ask(() => this.#log.last(name))
    const newest = this.#writers.of(name)?.newest ?? last?.position
    if (newest === undefined || point.after > newest) throw gone()
    exchange.awaitsAnswer = true
    return this.#follow(name, point.after, last, exchange)
  }

  /** The one stream on which a session listens, whoever opens it, as often as it is opened. (SE10) */
  async #stand(name: EventStreamName, after: number | undefined, exchange: Exchange): Promise<Reply> {
    const last = await ask(() => this.#log.last(name))
    const recorder = this.#writers.of(name)
    const newest = recorder?.newest ?? last?.position
    const from = newest !== undefined && after !== undefined && after <= newest ? after : undefined
    const tail = new Tail()
    if (recorder) {
      if (from !== undefined) return this.#follow(name, from, last, exchange)
      recorder.attachNow(tail)
      return replyOf(tail)
    }
    if (await ask(() => this.#writers.claim(name))) {
      const resumed = from === undefined ? undefined : last
      const asking = askingAgain(exchange, resumed)
      exchange.onStop = (error) => asking.stop(error)
      const position = last?.position ?? Math.max(after ?? 0, Date.now())
      const hearing = { position, resumed, tail: from === undefined ? tail : undefined }
      const refusal = await this.#writers.hear(name, asking, hearing)
      if (refusal) return refusal
      return from === undefined ? replyOf(tail) : this.#follow(name, from, last, exchange)
    }
    if (from !== undefined) return this.#follow(name, from, last, exchange)
    if (newest !== undefined && wantsPriming(exchange.session)) tail.push(primingEvent(name.stream, newest))
    return this.#follow(name, newest ?? 0, last, exchange, tail)
  }

  /** What comes after an event: from the log, then live. */
  async #follow(
    name: EventStreamName,
    after: number,
    last: LoggedEvent | undefined,
    exchange: Exchange,
    tail = new Tail(),
  ): Promise<Reply> {
    if (this.#writers.of(name)?.attach(tail, after)) return replyOf(tail)
    const missed = await ask(() => this.#log.read(name, after, 0))
    const recorder = this.#writers.of(name)
    const first = missed[0] && decode(missed[0])
    const isGap = first
      ? first.lost || (after > 0 && missed[0]!.position !== after + 1)
      : after < (recorder?.delivered ?? last?.position ?? 0)
    const waiting = first ? doubtful(first) : (recorder?.asked ?? [])
    if (isGap && waiting.length === 0) throw gone()
    const follower = new Follower(name, tail, after, {
      log: this.#log,
      recorderOf: () => this.#writers.of(name),
      takeOver: (from) => this.#writers.takeOver(name, from, tail, exchange),
      report: (error) => this.#report(error, exchange),
    })
    void follower.run(missed)
    return replyOf(tail)
  }
}

/** A log that fails is a 503. */
async function ask<T>(question: () => Awaitable<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    throw new GatewayError('unavailable', 'The event log is unavailable', { cause })
  }
}

function replyOf(body: Tail): Reply {
  return { status: 200, headers: { 'content-type': EVENT_STREAM_TYPE }, body }
}

/** Whoever reads the log gets to know no session. */
function digestOf(sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('base64url')
}
