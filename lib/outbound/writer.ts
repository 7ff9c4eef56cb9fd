/** What every way of writing a reply shares: backpressure, a client that stalls or leaves, an exchange that is stopped. */
import type { ServerResponse } from 'node:http'
import { brokenOff, GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Body, Sink } from '../types.ts'
import { type Beating, type Heartbeat, TICK_MS } from './heartbeat.ts'

export type Headers = Readonly<Record<string, string>>

/** What a writer works with. */
export interface Desk {
  readonly body: Body
  readonly exchange: Exchange
  readonly response: ServerResponse
  readonly heartbeat: Heartbeat
  /** How long a client may leave what is written to it unread, in milliseconds. */
  readonly stallMs: number
  /** Gives the rest of a stream that broke off after an event. */
  readonly reopen?: (lastEventId: string, retryMs: number | undefined) => Body
  /** Told what the operator should know of. */
  readonly report: (fault: GatewayError) => void
  /** Told once, when nothing is left to do. */
  readonly settle: () => void
}

export abstract class Writer implements Sink, Beating {
  slot = -1
  protected body: Body
  protected readonly exchange: Exchange
  protected readonly response: ServerResponse
  readonly #heartbeat: Heartbeat
  readonly #stallMs: number
  readonly #report: Desk['report']
  readonly #settle: () => void
  #isOver = false
  /** What the client had taken at the last tick, and for how long it has not become more. */
  #takenBytes = 0
  #stalledMs = 0

  constructor({ body, exchange, response, heartbeat, stallMs, report, settle }: Desk) {
    this.body = body
    this.exchange = exchange
    this.response = response
    this.#heartbeat = heartbeat
    this.#stallMs = stallMs
    this.#report = report
    this.#settle = settle
  }

  start(status: number, headers: Headers): void {
    const { response } = this
    this.exchange.onStop = (error) => this.#stop(error)
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
  data(chunk: Buffer): boolean {
    if (this.response.destroyed) return true
    this.write(chunk)
    return !this.response.writableNeedDrain
  }

  protected abstract write(chunk: Buffer): void

  end(): void {
    if (this.#isOver) return
    let fault: GatewayError | undefined
    this.conclude(() => (fault ??= brokenOff(undefined)))
    this.over(fault)
  }

  fail(cause: Error): void {
    if (this.#isOver) return
    const fault = brokenOff(cause)
    this.conclude(() => fault, true)
    this.over(fault)
  }

  /** Ends the response; `error` makes what is said where an answer is still owed. (Made in vain, it costs 10 µs.) */
  protected abstract conclude(error: () => GatewayError, broken?: boolean): void

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
    this.#report(new GatewayError('client_stalled', 'The client stopped reading'))
    this.response.destroy()
  }

  protected over(fault?: GatewayError): void {
    this.#isOver = true
    if (fault) this.#report(fault)
    this.#settle()
  }

  #stop(error: GatewayError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.conclude(() => error, true)
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
