/** One HTTP response of an upstream: headers first, then the body once it is read. */
import type { Dispatcher } from 'undici'
import { GatewayError } from '../../errors.ts'
import { type Body, COMPLETE, type End, type Sink } from '../../exchange/body.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import type { Message } from '../../exchange/message.ts'
import type { ReplyHeaders } from '../../exchange/reply.ts'
import { JSON_TYPE, mediaType } from '../../protocol.ts'
import { ChunkList } from '../../util/chunk-list.ts'
import type { Deadlines, Awaited } from '../../util/deadlines.ts'
import { JsonCheck } from './json-check.ts'

/** How many bytes of a discarded body are read so that its connection can be reused, and for how long. */
const DRAIN_BYTES = 64 * 1024
const DRAIN_MS = 1_000

/** How many bytes are buffered without a reader; beyond that the upstream is paused. */
const KEEP_BYTES = 64 * 1024

/** Implements undici's handler and `Body` in one object, so that no byte is copied and nothing is wrapped. */
export class UpstreamReply implements Dispatcher.DispatchHandler, Body, Awaited {
  slot = -1
  dueAt = 0
  readonly givesAway = true
  status = 0
  headers: ReplyHeaders = {}
  /** Let go of with the headers: a listening stream would keep what they refer to as long as it lasts. */
  #onHead: ((reply: UpstreamReply) => void) | undefined
  #onFail: ((error: Error) => void) | undefined
  readonly #asked: Message | undefined
  #deadlines: Deadlines | undefined
  #check: JsonCheck | undefined
  /** How many bytes of the document are still missing, by its `content-length`; NaN without one. */
  #leftBytes = NaN
  #controller: Dispatcher.DispatchController | undefined
  #sink: Sink | undefined
  #off: (() => void) | undefined
  #kept = new ChunkList()
  #end: End | undefined

  /**
   * Calls `onHead` when the response headers arrive, or `onFail` if they never do. With `asked`, a JSON document is
   * checked as the response to that message.
   */
  constructor(onHead: (reply: UpstreamReply) => void, onFail: (error: Error) => void, asked?: Message) {
    this.#onHead = onHead
    this.#onFail = onFail
    this.#asked = asked
  }

  /** Whether a connection was established to send the request. */
  get isSent(): boolean {
    return this.#controller !== undefined
  }

  /** The error that has broken the body, if any. */
  get fault(): Error | undefined {
    return this.#end?.how === 'broken' ? this.#end.error : undefined
  }

  pipe(sink: Sink): void {
    this.#sink = sink
    let flowing = true
    for (let chunk = this.#kept.shift(); chunk; chunk = this.#kept.shift()) {
      flowing = sink.data(chunk, true)
      // The sink has called `unread()`, or another sink was attached and has received the rest.
      if (this.#sink !== sink) return
    }
    if (this.#end) sink.end(this.#end)
    else if (flowing) this.#controller?.resume()
    else this.#controller?.pause()
  }

  whole(): Buffer | undefined {
    return this.#end?.how === 'complete' && !this.#sink ? this.#kept.concat() : undefined
  }

  peek(): Buffer | undefined {
    return this.#end?.how === 'complete' && !this.#sink ? this.#kept.only : undefined
  }

  unread(chunks: readonly Buffer[]): void {
    this.#sink = undefined
    this.#kept.unshift(chunks)
  }

  resume(): void {
    this.#controller?.resume()
  }

  cancel(): void {
    this.#sink = undefined
    this.#kept.clear()
    // Creating an Error costs 10 µs, so none is created for a body that has ended.
    if (!this.#end) this.abort(new Error('Cancelled'))
  }

  drain(): void {
    if (this.#end) return this.#kept.clear()
    let left = DRAIN_BYTES
    const timer = setTimeout(() => this.cancel(), DRAIN_MS).unref()
    this.pipe({
      data: (chunk) => {
        left -= chunk.length
        if (left < 0) this.cancel()
        return true
      },
      end: () => clearTimeout(timer),
    })
  }

  /** Aborts the request when the lifetime is stopped. */
  stopWith(life: Lifetime): void {
    this.#off = life.onStop((reason) => this.abort(reason))
  }

  /** Aborts the request when its final response headers take longer than this. */
  waitWith(deadlines: Deadlines, ms: number): void {
    this.#deadlines = deadlines
    deadlines.add(this, ms)
  }

  onLate(): void {
    this.abort(new GatewayError('upstream_timeout', 'The server did not answer in time'))
  }

  /** Aborts the request in any state; one that waits for a connection fails immediately. */
  abort(error: Error): void {
    if (this.#end) return
    if (this.#controller) this.#controller.abort(error)
    else this.#fail(error)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#end?.how === 'broken') controller.abort(this.#end.error)
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ReplyHeaders): void {
    // A Buffer for each name and value: a listening stream would keep them as long as it lasts.
    controller.rawHeaders = null
    if (status < 200) return
    this.#deadlines?.delete(this)
    this.status = status
    this.headers = headers
    const onHead = this.#onHead!
    this.#onHead = undefined
    this.#onFail = undefined
    const type = headers['content-type']
    if (!this.#asked || typeof type !== 'string' || mediaType(type) !== JSON_TYPE) return onHead(this)
    const hasEnd = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
    this.#check = new JsonCheck(status < 300 && this.#asked.kind === 'request' ? this.#asked.id : undefined, hasEnd)
    this.#leftBytes = Number(headers['content-length'])
    // By the next tick a document that arrived with the headers is checked, so its fault can still become the status.
    process.nextTick(onHead, this)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#check && !this.#isGood(this.#check, chunk)) return
    if (this.#sink) {
      const sink = this.#sink
      if (!sink.data(chunk, true) && this.#sink === sink) controller.pause()
      return
    }
    this.#kept.push(chunk)
    if (this.#kept.byteLength >= KEEP_BYTES) controller.pause()
  }

  /**
   * The last chunk of a document with a length is delivered only if the whole document is valid, as it would complete
   * it.
   */
  #isGood(check: JsonCheck, chunk: Buffer): boolean {
    check.see(chunk)
    this.#leftBytes -= chunk.length
    if (this.#leftBytes !== 0) return true
    this.#check = undefined
    const error = check.fault()
    if (error) this.abort(error)
    return error === undefined
  }

  onResponseEnd(): void {
    const error = this.#check?.fault()
    this.#finish(error ? { how: 'broken', error } : COMPLETE)
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#end) return
    if (this.status !== 0) this.#finish({ how: 'broken', error })
    else this.#fail(error)
  }

  #fail(error: Error): void {
    this.#deadlines?.delete(this)
    this.#off?.()
    this.#end = { how: 'broken', error }
    this.#onFail?.(error)
  }

  #finish(end: End): void {
    this.#end = end
    this.#off?.()
    this.#sink?.end(end)
  }
}
