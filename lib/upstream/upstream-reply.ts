/** One answer of an upstream as it arrives: head first, then bytes when somebody wants them. */
import type { Dispatcher } from 'undici'
import type { Body, Reply, Sink } from '../types.ts'

/** How many bytes of an unwanted body are read away to keep its connection, and for how long. */
const DRAIN_BYTES = 64 * 1024
const DRAIN_MS = 1_000

/** How many bytes are kept before anybody wants them; then the upstream waits. */
const KEEP_BYTES = 64 * 1024

/** undici's handler and our Reply in one object: nothing is copied or wrapped on the way. */
export class UpstreamReply implements Dispatcher.DispatchHandler, Reply, Body {
  status = 0
  headers: Reply['headers'] = {}
  readonly #onHead: (reply: UpstreamReply) => void
  readonly #onFail: (error: Error) => void
  #controller: Dispatcher.DispatchController | undefined
  #sink: Sink | undefined
  #kept: Buffer[] = []
  #keptBytes = 0
  #over: 'ended' | Error | undefined

  /** `onHead` is called when the head is there, `onFail` when it never will be. */
  constructor(onHead: (reply: UpstreamReply) => void, onFail: (error: Error) => void) {
    this.#onHead = onHead
    this.#onFail = onFail
  }

  /** Whether a connection was there to send the request over. */
  get isSent(): boolean {
    return this.#controller !== undefined
  }

  get body(): Body {
    return this
  }

  pipe(sink: Sink): void {
    this.#sink = sink
    const kept = this.#kept
    this.#kept = []
    this.#keptBytes = 0
    let flowing = true
    for (const [index, chunk] of kept.entries()) {
      flowing = sink.data(chunk)
      if (this.#sink === sink) continue
      this.#kept.push(...kept.slice(index + 1))
      return
    }
    if (this.#over !== undefined) this.#finish(sink, this.#over)
    else if (flowing) this.#controller?.resume()
    else this.#controller?.pause()
  }

  whole(): Buffer | undefined {
    if (this.#over !== 'ended' || this.#sink) return undefined
    const kept = this.#kept
    this.#kept = []
    return kept.length === 1 ? kept[0] : Buffer.concat(kept)
  }

  unread(chunks: readonly Buffer[]): void {
    this.#sink = undefined
    this.#kept = [...chunks]
  }

  resume(): void {
    this.#controller?.resume()
  }

  cancel(): void {
    // An error made in vain costs 10 µs.
    if (this.#over === undefined) this.abort(new Error('Cancelled'))
  }

  drain(): void {
    if (this.#over !== undefined) return
    let left = DRAIN_BYTES
    const timer = setTimeout(() => this.cancel(), DRAIN_MS).unref()
    this.pipe({
      data: (chunk) => {
        left -= chunk.length
        if (left < 0) this.cancel()
        return true
      },
      end: () => clearTimeout(timer),
      fail: () => clearTimeout(timer),
    })
  }

  /** Ends the request wherever it is; one that waits for a connection fails at once. */
  abort(error: Error): void {
    if (this.#over !== undefined) return
    if (this.#controller) this.#controller.abort(error)
    else {
      this.#over = error
      this.#onFail(error)
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over instanceof Error) controller.abort(this.#over)
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Reply['headers']): void {
    if (status < 200) return
    this.status = status
    this.headers = headers
    this.#onHead(this)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#sink) {
      if (!this.#sink.data(chunk)) controller.pause()
      return
    }
    this.#kept.push(chunk)
    this.#keptBytes += chunk.length
    if (this.#keptBytes >= KEEP_BYTES) controller.pause()
  }

  onResponseEnd(): void {
    this.#over = 'ended'
    if (this.#sink) this.#finish(this.#sink, 'ended')
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#over !== undefined) return
    this.#over = error
    if (this.status === 0) this.#onFail(error)
    else if (this.#sink) this.#finish(this.#sink, error)
  }

  #finish(sink: Sink, over: 'ended' | Error): void {
    if (over === 'ended') sink.end()
    else sink.fail(over)
  }
}
