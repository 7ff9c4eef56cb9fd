/** The rest of a stream whose connection broke: GET with Last-Event-ID, a few times, with patience. (SE7, UC6) */
import { GatewayError } from '../errors.ts'
import type { Exchange, Handle } from '../exchange.ts'
import { HEADER } from '../protocol.ts'
import type { Body, Sink } from '../types.ts'

/** How often an upstream is asked. */
const ATTEMPTS = 5

/** How long the first attempt waits where the stream said nothing of it, and the longest that any waits. */
const RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000

/** A body from before it is there: what is wanted of it is remembered. */
export class ResumedBody implements Body {
  readonly #handle: Handle
  readonly #again: Exchange
  #timer: NodeJS.Timeout | undefined
  #sink: Sink | undefined
  #body: Body | undefined
  #isCancelled = false

  constructor(handle: Handle, broken: Exchange, lastEventId: string, retryMs: number = RETRY_MS) {
    this.#handle = handle
    const headers = { ...broken.headers, [HEADER.lastEventId]: lastEventId }
    this.#again = broken.with({ method: 'GET', message: undefined, body: undefined, headers })
    this.#wait(retryMs, 1)
  }

  #wait(delayMs: number, attempt: number): void {
    const attemptNow = (): void => void this.#attempt(delayMs, attempt)
    this.#timer = setTimeout(attemptNow, Math.min(delayMs, MAX_RETRY_MS)).unref()
  }

  async #attempt(delayMs: number, attempt: number): Promise<void> {
    try {
      const { status, body } = await this.#handle(this.#again)
      if (status !== 200) {
        body.drain()
        throw new GatewayError('upstream_refused', `The upstream answered ${status}`, { status })
      }
      this.#body = body
      if (this.#isCancelled) body.cancel()
      else if (this.#sink) body.pipe(this.#sink)
    } catch (error) {
      if (this.#isCancelled) return
      if (attempt < ATTEMPTS && isPassing(error)) this.#wait(delayMs * 2, attempt + 1)
      else this.#sink?.fail(error as Error)
    }
  }

  pipe(sink: Sink): void {
    this.#sink = sink
    this.#body?.pipe(sink)
  }

  resume(): void {
    this.#body?.resume()
  }

  cancel(): void {
    this.#isCancelled = true
    clearTimeout(this.#timer)
    this.#again.stop(new GatewayError('bad_request', 'Nobody wants the rest any more'))
    this.#body?.cancel()
  }

  drain(): void {
    this.cancel()
  }

  whole(): undefined {
    return undefined
  }

  /** Nothing of it is ever looked at before it is written. */
  unread(): void {}
}

/**
 * The upstream may be back in a moment, or has not noticed yet that the connection broke (409). Any other answer is its
 * last word.
 */
function isPassing(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false
  if (error.code === 'upstream_refused') return error.status === 409 || error.status === 503
  return error.code === 'upstream_unreachable' || error.code === 'upstream_broken'
}
