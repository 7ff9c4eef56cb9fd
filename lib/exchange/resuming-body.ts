/** Resumes an upstream's stream whose connection broke, by GET with `Last-Event-ID`. (SE7, UC6) */
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

/** How many GET requests may fail in a row before the stream counts as lost. */
const ATTEMPTS = 5

/** The delay of the first attempt if the stream set no `retry`, and the longest delay of any attempt. */
const RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000

/** The shortest delay from the second resumption on, since a server with `retry: 0` may break off again and again. */
const MIN_RETRY_MS = 100

/** Where and when to resume a stream. */
export interface Continuation {
  readonly after: string
  readonly retryMs: number | undefined
  /** Whether this is not the first resumption of the stream, which sets a minimum delay. */
  readonly isRepeated: boolean
}

/**
 * Reads a stream and resumes it whenever its connection breaks, as long as responses are pending and resuming brings
 * new events. A stream that the server closed on purpose (`poll`) is not resumed here: that end is passed to the
 * reader.
 */
export class ResumingBody implements Body, Sink {
  readonly #exchange: Exchange
  readonly #next: Handle
  readonly #point: ResumePoint
  #pendingOf: () => readonly RequestId[]
  /** Tracks responses from the first break on; before that the reply's own count is used. */
  #pending: PendingIds | undefined
  #body: Body | undefined
  #sink: Sink | undefined
  /** Bytes put back by a reader. They are kept here because the body that they came from may be closed. */
  readonly #unread: Buffer[] = []
  /** Whether the bytes delivered so far end with a whole event. */
  #atBoundary = true
  /** The last result of the sink's `data()`. */
  #flows = true
  /** The lifetime of the GET requests: a child of the exchange's, so that `cancel()` can stop them alone. */
  #life: Lifetime | undefined
  #timer: NodeJS.Timeout | undefined
  #end: End | undefined
  #isCancelled = false
  #polls = false
  #isRepeated = false

  /** Reads the body of a reply, and resumes it if it breaks; `polls`: also where its reader would have to ask. (SE3) */
  static of(reply: EventsReply, exchange: Exchange, next: Handle, polls: boolean = false): ResumingBody {
    const body = new ResumingBody(exchange, next, reply.pending, new ResumePoint())
    body.#body = reply.body
    body.#polls = polls
    return body
  }

  /** Resumes a stream from an event on, with these requests pending. */
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

  /** The requests without a response, except those that the client has cancelled. */
  readonly pending = (): readonly RequestId[] => this.#exchange.origin.awaited(this.#pending?.ids ?? this.#pendingOf())

  /** The id of the last event, tracked from the first break on. */
  get after(): string | undefined {
    return this.#point.after
  }

  pipe(sink: Sink): void {
    this.#sink = sink
    this.#flows = true
    for (let chunk = this.#unread.shift(); chunk; chunk = this.#unread.shift()) {
      this.#deliver(chunk, this.#atBoundary && this.#unread.length === 0)
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
    if (!this.#pending) return this.#deliver(chunk, atBoundary)
    this.#pending.see(chunk, atBoundary)
    this.#point.see(chunk, atBoundary)
    const takesMore = this.#deliver(chunk, atBoundary)
    // A server may keep a resumed stream open after the response, so it is ended here.
    if (atBoundary && this.#pending.isEmpty && this.#expectsResponses) process.nextTick(() => this.#finish())
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
    // A GatewayError is final, unlike a broken connection: the upstream has refused, or the gateway ended the stream.
    const isLost = said.error instanceof GatewayError || this.#exchange.life.stopped !== undefined
    if (isLost || after === undefined || this.pending().length === 0 || this.#point.isExhausted) {
      return this.#conclude({ how: 'broken', error: said.error })
    }
    this.#point.mark(after, said.retryMs)
    this.#reopen()
  }

  /**
   * The result of `data()` counts only if the sink is still attached: `unread()` may have detached it during the call.
   */
  #deliver(chunk: Buffer, atBoundary: boolean): boolean {
    const sink = this.#sink
    const takesMore = sink?.data(chunk, atBoundary) ?? false
    if (this.#sink === sink) this.#flows = takesMore
    return this.#flows
  }

  get #expectsResponses(): boolean {
    return this.#pendingOf().length > 0
  }

  get #canPoll(): boolean {
    return this.#exchange.life.stopped === undefined && this.pending().length > 0 && !this.#point.isExhausted
  }

  /** A resumed stream that was closed without its response expects a reconnect. */
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
    const resumeHeaders = { ...headers, [HEADER.lastEventId]: eventIdHeader(this.#point.after!) }
    try {
      const reply = await this.#next(
        this.#exchange.fork({ verb: 'GET', message: undefined, headers: resumeHeaders, continues: true }, this.#life),
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
      if (attempt < ATTEMPTS && isTransient(error)) this.#wait(delayMs * 2, attempt + 1)
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

/**
 * Whether a retry may help: the upstream is unreachable, or has not yet noticed that the broken connection is closed.
 */
function isTransient(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false
  if (error.code === 'upstream_refused') return error.status === 409 || error.status === 503
  return error.code === 'upstream_unreachable' || error.code === 'upstream_broken'
}
