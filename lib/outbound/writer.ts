/** The base class of reply writers: backpressure, stalled or disconnected clients, and stopped exchanges. */
import type { ServerResponse } from 'node:http'
import { brokenOff } from '../exchange/broken-off.ts'
import { GatewayError } from '../errors.ts'
import type { Body, End, Sink } from '../exchange/body.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import type { AbandonedCalls } from './abandoned-calls.ts'
import type { Heartbeat, HeartbeatTarget } from './heartbeat.ts'
import type { Headers } from './response-headers.ts'
import { cutOff, Uptake } from './uptake.ts'

export interface RelayOptions {
  readonly heartbeat: Heartbeat
  /** How long a client may stop reading, in milliseconds. */
  readonly stallMs: number
  /** Limits the requests whose clients have disconnected. */
  readonly abandoned: AbandonedCalls
  /** Writes a whole response. */
  readonly send: SendWhole
  /** Reports a fault to the operator. */
  readonly report: (fault: GatewayError, exchange: Exchange) => void
}

/** The exchange and client response that a reply is written for. `settle` is called when writing is over. */
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
  /** Set once the client has disconnected from a request that continues; called when the request is over. */
  #onAbandonedOver: (() => void) | undefined
  #isOver = false
  /** Whether the last `write()` returned `false`. It is tracked because middleware may wrap the response. */
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

  /** A disconnected client causes no backpressure. */
  data(chunk: Buffer, atBoundary: boolean): boolean {
    if (this.response.destroyed) return true
    this.write(chunk, atBoundary)
    return !this.#needsDrain
  }

  protected abstract write(chunk: Buffer, atBoundary: boolean): void

  protected get needsDrain(): boolean {
    return this.#needsDrain
  }

  /** `write()` and `drain` come from the same stream, also if `compression()` wraps the response. */
  protected put(bytes: Buffer, onWritten?: () => void): void {
    if (!this.response.write(bytes, onWritten)) this.#needsDrain = true
  }

  end(end: End): void {
    if (this.#isOver) return
    const { stopped } = this.exchange.life
    // If the stop broke the body, the body may end before the writer's own stop listener runs.
    if (stopped) return this.#stop(stopped)
    let fault: GatewayError | undefined
    this.conclude(end, () => (fault ??= brokenOff(end.how === 'broken' ? end.error : undefined)))
    if (end.how === 'broken') fault ??= brokenOff(end.error)
    this.over(fault)
  }

  /** Ends the response. `error` creates the error for pending requests, lazily because an Error costs 10 µs. */
  protected abstract conclude(end: End, error: () => GatewayError): void

  /** Whether the request continues at the server after the client disconnects. */
  protected get outlivesClient(): boolean {
    return !this.exchange.endsWithClient
  }

  /** Disconnects a client that has stopped reading, since it holds memory here and a connection to the server. */
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

  /** Also runs after a complete response: until `close` the client may still stall. */
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
