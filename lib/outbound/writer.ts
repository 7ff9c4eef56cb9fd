/** What every way of writing a reply shares: backpressure, a client that stalls or leaves, an exchange that is stopped. */
import type { ServerResponse } from 'node:http'
import { brokenOff, GatewayError } from '../errors.ts'
import type { Body, End, Sink } from '../exchange/body.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import type { AbandonedCalls } from './abandoned-calls.ts'
import type { Heartbeat, HeartbeatTarget } from './heartbeat.ts'
import type { Headers } from './response-headers.ts'
import { cutOff, Uptake } from './uptake.ts'

/** What relaying takes, whatever is relayed. */
export interface RelayOptions {
  readonly heartbeat: Heartbeat
  /** How long a client may leave what is written to it unread, in milliseconds. */
  readonly stallMs: number
  /** Counts the calls whose clients have left. */
  readonly abandoned: AbandonedCalls
  /** Writes what is all there. */
  readonly send: SendWhole
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
  readonly #uptake: Uptake
  readonly #report: RelayOptions['report']
  readonly #settle: () => void
  readonly #abandoned: AbandonedCalls
  /** To be called when a call that its client has left is over. */
  #onAbandonedOver: (() => void) | undefined
  #isOver = false
  /** Whether what takes the bytes wants no more for now. Middleware may stand before the socket: its word counts. */
  #needsDrain = false

  constructor(
    body: Body,
    { exchange, response, settle }: Relayed,
    { heartbeat, stallMs, abandoned, report }: RelayOptions,
  ) {
    this.body = body
    this.exchange = exchange
    this.response = response
    this.#settle = settle
    this.#heartbeat = heartbeat
    this.#uptake = new Uptake(stallMs)
    this.#report = report
    this.#abandoned = abandoned
  }

  start(status: number, headers: Headers): void {
    const { response } = this
    this.exchange.life.onStop((reason) => this.#stop(reason))
    if (response.destroyed) this.#onGone()
    else {
      this.#heartbeat.add(this)
      response.writeHead(status, headers)
      response.on('drain', () => this.#onDrain())
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
    return !this.#needsDrain
  }

  protected abstract write(chunk: Buffer, atBoundary: boolean): void

  /** Whether what was written waits for the client. */
  protected get needsDrain(): boolean {
    return this.#needsDrain
  }

  /** Hands bytes over. What `write()` answers and `drain` are of the same stream, also behind `compression()`. */
  protected put(bytes: Buffer): void {
    if (!this.response.write(bytes)) this.#needsDrain = true
  }

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
    const { response } = this
    const isWaiting = this.#needsDrain || response.writableNeedDrain || (this.#isOver && !response.writableFinished)
    if (!this.#uptake.isStalled(response, isWaiting)) return
    this.#report(new GatewayError('client_stalled', 'The client stopped reading'), this.exchange)
    cutOff(response)
  }

  protected over(fault?: GatewayError): void {
    this.#isOver = true
    this.#onAbandonedOver?.()
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

  #onDrain(): void {
    this.#needsDrain = false
    this.body.resume()
  }

  /** Also when all went well: until then a client may still stall. */
  #onGone(): void {
    this.#heartbeat.delete(this)
    if (this.#isOver) return
    if (this.outlivesClient) {
      this.#onAbandonedOver = this.#abandoned.add(this.exchange)
      this.#needsDrain = false
      this.body.resume()
    } else {
      this.over()
      this.body.cancel()
    }
  }
}
