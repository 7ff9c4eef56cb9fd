/** The one resumption engine: the rest of a stream whose connection broke, by GET with Last-Event-ID. (SE7, UC6) */
import { GatewayError } from '../errors.ts'
import { HEADER } from '../protocol.ts'
import type { RequestId } from '../types.ts'
import { type Body, COMPLETE, type End, type Sink } from './body.ts'
import type { Exchange } from './exchange.ts'
import type { Lifetime } from './lifetime.ts'
import { PendingIds } from './pending-ids.ts'
import type { EventsReply, Handle } from './reply.ts'
import { ResumePoint } from './resume-point.ts'
import { eventIdHeader } from './sse.ts'

/** How often an upstream is asked for the rest before it counts as gone. */
const ATTEMPTS = 5

/** How long the first attempt waits where the stream said nothing of it, and the longest that any waits. */
const RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000

/** The least that is waited from the second time on: a server that says `retry: 0` may break off again and again. */
const MIN_RETRY_MS = 100

/** Where a stream goes on: behind an event, after a while. */
export interface Continuation {
  readonly after: string
  readonly retryMs: number | undefined
  /** Whether the stream was resumed before. */
  readonly isRepeated: boolean
}

/**
 * Reads a stream, and on where it breaks: as long as responses are pending and something new comes now and then. A
 * stream that ends in good order is not asked for: `poll` goes on outwards. It shares the lifetime of its exchange.
 */
export class ResumingBody implements Body, Sink {
  readonly #exchange: Exchange
  readonly #next: Handle
  readonly #point: ResumePoint
  #pendingOf: () => readonly RequestId[]
  /** Counts the responses that come after the first break. */
  #pending: PendingIds | undefined
  #body: Body | undefined
  #sink: Sink | undefined
  /** Bytes given back, which were scanned before: the body that they came from may be gone. */
  readonly #unread: Buffer[] = []
  /** Whether what was handed out so far ends with an event. */
  #atBoundary = true
  /** What the sink answered last. */
  #flows = true
  /** Of the requests of its own: they end with the exchange, and can be given up before. */
  #life: Lifetime | undefined
  #timer: NodeJS.Timeout | undefined
  #end: End | undefined
  #isCancelled = false
  #polls = false
  /** Whether the stream was resumed before. */
  #isRepeated = false

  /** The body of a reply, and what comes after it. */
  static of(reply: EventsReply, exchange: Exchange, next: Handle): ResumingBody {
    const body = new ResumingBody(exchange, next, reply.pending, new ResumePoint())
    body.#body = reply.body
    return body
  }

  /** The same for a reader that gets no event ids, so that it cannot ask again: `poll` is dealt with here, too. (SE3) */
  static polling(reply: EventsReply, exchange: Exchange, next: Handle): ResumingBody {
    const body = ResumingBody.of(reply, exchange, next)
    body.#polls = true
    return body
  }

  /** What comes after an event, of which these ids are pending. */
  static from(
    { after, retryMs, isRepeated }: Continuation,
    pending: readonly RequestId[],
    exchange: Exchange,
    next: Handle,
  ): ResumingBody {
    const body = new ResumingBody(exchange, next, () => pending, new ResumePoint(after, retryMs))
    body.#isRepeated = isRepeated
    body.#reopen()
    return body
  }

  private constructor(exchange: Exchange, next: Handle, pendingOf: () => readonly RequestId[], point: ResumePoint) {
    this.#exchange = exchange
    this.#next = next
    this.#pendingOf = pendingOf
    this.#point = point
  }

  /** The requests without a response so far. */
  readonly pending = (): readonly RequestId[] => this.#exchange.origin.awaited(this.#pending?.ids ?? this.#pendingOf())

  /** The id of the last event since the first break. */
  get after(): string | undefined {
    return this.#point.after
  }

  pipe(sink: Sink): void {
    this.#sink = sink
    this.#flows = true
    for (let chunk = this.#unread.shift(); chunk; chunk = this.#unread.shift()) {
      this.#hand(chunk, this.#atBoundary && this.#unread.length === 0)
      if (this.#sink !== sink) return
    }
    if (this.#end) sink.end(this.#end)
    else this.#body?.pipe(this)
  }

  whole(): Buffer | undefined {
    return this.#pending || this.#sink || this.#unread.length > 0 ? undefined : this.#body?.whole()
  }

  unread(chunks: readonly Buffer[]): void {
    this.#sink = undefined
    this.#unread.unshift(...chunks)
    if (!this.#end) this.#body?.unread([])
  }

  resume(): void {
    this.#body?.resume()
  }

  cancel(): void {
    this.#isCancelled = true
    this.#sink = undefined
    this.#unread.length = 0
    clearTimeout(this.#timer)
    this.#life?.stop(new GatewayError('bad_request', 'The rest of the stream is not wanted any more'))
    this.#body?.cancel()
  }

  drain(): void {
    if (this.#pending) return this.cancel()
    this.#sink = undefined
    this.#body?.drain()
  }

  data(chunk: Buffer, atBoundary: boolean): boolean {
    this.#atBoundary = atBoundary
    if (!this.#pending) return this.#hand(chunk, atBoundary)
    this.#pending.see(chunk, atBoundary)
    this.#point.see(chunk, atBoundary)
    const takesMore = this.#hand(chunk, atBoundary)
    // A resumed stream may stay open behind the response.
    if (atBoundary && this.#pending.isEmpty && this.#hasAsked) process.nextTick(() => this.#finish())
    return takesMore
  }

  end(end: End): void {
    if (this.#end || this.#isCancelled || !this.#body) return
    const said = end.how === 'complete' && this.#pending && this.pending().length > 0 ? this.#polled() : end
    if (said.how === 'complete') return this.#conclude(said)
    if (said.how === 'poll') {
      if (!this.#polls || !this.#canPoll)
        return this.#conclude({ ...said, retryMs: said.retryMs ?? this.#point.retryMs })
      this.#point.mark(said.after, said.retryMs)
      return this.#reopen()
    }
    const after = said.after ?? (this.#pending ? this.#point.after : undefined)
    // A GatewayError is the last word of an upstream that was asked for the rest.
    const isLost = said.error instanceof GatewayError || this.#exchange.life.stopped !== undefined
    if (isLost || after === undefined || this.pending().length === 0 || this.#point.isWornOut) {
      return this.#conclude({ how: 'broken', error: said.error })
    }
    this.#point.mark(after, said.retryMs)
    this.#reopen()
  }

  /** The answer of a sink that is let go meanwhile says nothing of the next one. */
  #hand(chunk: Buffer, atBoundary: boolean): boolean {
    const sink = this.#sink
    const takesMore = sink?.data(chunk, atBoundary) ?? false
    if (this.#sink === sink) this.#flows = takesMore
    return this.#flows
  }

  get #hasAsked(): boolean {
    return this.#pendingOf().length > 0
  }

  get #canPoll(): boolean {
    return this.#exchange.life.stopped === undefined && this.pending().length > 0 && !this.#point.isWornOut
  }

  /** A resumed stream that ended in good order without its response wants to be asked again. */
  #polled(): End {
    const { after, retryMs } = this.#point
    return after === undefined ? COMPLETE : { how: 'poll', after, retryMs }
  }

  #reopen(): void {
    this.#pending ??= new PendingIds(this.#pendingOf())
    this.#body = undefined
    this.#point.use()
    this.#wait(Math.max(this.#point.retryMs ?? RETRY_MS, this.#isRepeated ? MIN_RETRY_MS : 0), 1)
    this.#isRepeated = true
  }

  #wait(delayMs: number, attempt: number): void {
    const attemptNow = this.#exchange.origin.bind(() => void this.#attempt(delayMs, attempt))
    this.#timer = setTimeout(attemptNow, Math.min(delayMs, MAX_RETRY_MS)).unref()
  }

  async #attempt(delayMs: number, attempt: number): Promise<void> {
    const { life, headers } = this.#exchange
    if (life.stopped) return this.#conclude({ how: 'broken', error: life.stopped })
    this.#life ??= life.child()
    const asked = { ...headers, [HEADER.lastEventId]: eventIdHeader(this.#point.after!) }
    try {
      const reply = await this.#next(
        this.#exchange.fork({ verb: 'GET', message: undefined, headers: asked }, this.#life),
      )
      if (reply.kind !== 'events') {
        if (reply.kind === 'json') reply.body.drain()
        const status = reply.status >= 400 ? reply.status : 502
        throw new GatewayError('upstream_refused', `The server answered ${reply.status}`, { status })
      }
      if (this.#isCancelled) return reply.body.cancel()
      this.#body = reply.body
      if (this.#sink) reply.body.pipe(this)
    } catch (error) {
      if (this.#isCancelled) return
      if (attempt < ATTEMPTS && isPassing(error)) this.#wait(delayMs * 2, attempt + 1)
      else this.#conclude({ how: 'broken', error: error as Error })
    }
  }

  #finish(): void {
    if (this.#end || this.#isCancelled) return
    const body = this.#body
    this.#conclude(COMPLETE)
    body?.cancel()
  }

  #conclude(end: End): void {
    this.#end = end
    this.#sink?.end(end)
  }
}

/** Whether asking again may help: the upstream cannot be reached, or has not noticed yet that the first one is gone. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false
  if (error.code === 'upstream_refused') return error.status === 409 || error.status === 503
  return error.code === 'upstream_unreachable' || error.code === 'upstream_broken'
}
