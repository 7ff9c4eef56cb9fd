/** What every way of writing a reply shares: backpressure, a client that stalls or leaves, an exchange that is stopped. */
import type { ServerResponse } from 'node:http'
import { brokenOff, GatewayError } from '../errors.ts'
import type { Body, End, Sink } from '../exchange/body.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { type Heartbeat, type HeartbeatTarget, TICK_MS } from './heartbeat.ts'
import type { Headers } from './response-headers.ts'

/** What relaying takes, whatever is relayed. */
export interface RelayOptions {
  readonly heartbeat: Heartbeat
  /** How long a client may leave what is written to it unread, in milliseconds. */
  readonly stallMs: number
  /** Told what the operator should know of. */
  readonly report: (fault: GatewayError, exchange: Exchange) => void
}

/** Where a reply goes, and what is told when nothing is left to do. */
export interface Relayed {
  readonly exchange: Exchange
  readonly response: ServerResponse
  readonly settle: () => void
}

export abstract class Writer implements Sink, HeartbeatTarget {
  slot = -1
  protected readonly body: Body
  protected readonly exchange: Exchange
  protected readonly response: ServerResponse
  readonly #heartbeat: Heartbeat
  readonly #stallMs: number
  readonly #report: RelayOptions['report']
  readonly #settle: () => void
  #isOver = false
  /** What the client had taken at the last tick, and for how long it has not become more. */
  #takenBytes = 0
  #stalledMs = 0

  constructor(body: Body, { exchange, response, settle }: Relayed, { heartbeat, stallMs, report }: RelayOptions) {
    this.body = body
    this.exchange = exchange
    this.response = response
    this.#settle = settle
    this.#heartbeat = heartbeat
    this.#stallMs = stallMs
    this.#report = report
  }

  start(status: number, headers: Headers): void {
    const { response } = this
    this.exchange.life.onStop((reason) => this.#stop(reason))
    if (response.destroyed) this.#onGone()
    else {
      this.#heartbeat.add(this)
      response.writeHead(status, headers)
      response.on('drain', () => this.body.resume())
      response.on('close', () => this.#onGone())
    }
    this.body.pipe(this)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** A client that is gone holds nothing up. */
  data(chunk: Buffer, atBoundary: boolean): boolean {
    if (this.response.destroyed) return true
    this.write(chunk, atBoundary)
    return !this.response.writableNeedDrain
  }

  protected abstract write(chunk: Buffer, atBoundary: boolean): void

  end(end: End): void {
    if (this.#isOver) return
    const { stopped } = this.exchange.life
    // A body that breaks because the exchange was stopped may say so before the writer hears of the stop.
    if (stopped) return this.#stop(stopped)
    let fault: GatewayError | undefined
    this.conclude(end, () => (fault ??= brokenOff(end.how === 'broken' ? end.error : undefined)))
    if (end.how === 'broken') fault ??= brokenOff(end.error)
    this.over(fault)
  }

  /** Ends the response; `error` makes what is said for a request without a response. (Made in vain, it costs 10 µs.) */
  protected abstract conclude(end: End, error: () => GatewayError): void

  /** Whether a client that leaves may still want what is on its way. */
  protected get outlivesClient(): boolean {
    return !this.exchange.endsWithClient
  }

  /** A client that reads nothing for too long is cut off: it holds memory here and a connection behind. */
  tick(): void {
    const { socket, writableNeedDrain, writableEnded, writableLength } = this.response
    const isWaiting = writableNeedDrain || (writableEnded && writableLength > 0)
    const takenBytes = socket ? socket.bytesWritten - socket.writableLength : 0
    this.#stalledMs = isWaiting && takenBytes === this.#takenBytes ? this.#stalledMs + TICK_MS : 0
    this.#takenBytes = takenBytes
    if (this.#stalledMs < this.#stallMs) return
    this.#stalledMs = 0
    this.#report(new GatewayError('client_stalled', 'The client stopped reading'), this.exchange)
    this.response.destroy()
  }

  protected over(fault?: GatewayError): void {
    this.#isOver = true
    if (fault) this.#report(fault, this.exchange)
    this.#settle()
  }

  #stop(reason: GatewayError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.conclude({ how: 'broken', error: reason }, () => reason)
    this.body.cancel()
    this.over()
  }

  /** Also when all went well: until then a client may still stall. */
  #onGone(): void {
    this.#heartbeat.delete(this)
    if (this.#isOver) return
    if (this.outlivesClient) this.body.resume()
    else {
      this.over()
      this.body.cancel()
    }
  }
}
