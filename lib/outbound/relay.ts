/** Writes a reply to the client as it comes: JSON bytes as they are, an event stream event by event. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { EVENT_STREAM_TYPE, mediaType, META } from '../protocol.ts'
import type { Body, Reply, RequestId, Sink } from '../types.ts'
import { Framer, hasEventId, HEARTBEAT, messageEvent } from './event-stream.ts'
import type { Beating, Heartbeat } from './heartbeat.ts'
import { Owed } from './owed.ts'

type Headers = Readonly<Record<string, string>>

type Settle = (fault?: GatewayError) => void

/** What keeps anything between here and the client from holding events back. (RT12) */
const STREAM_HEADERS: Headers = { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' }

/**
 * Resolves when nothing of the reply is left to do, with the upstream's fault if it broke off. Rejects when the
 * exchange was stopped before.
 */
export function relay(
  reply: Reply,
  headers: Headers,
  exchange: Exchange,
  response: ServerResponse,
  heartbeat: Heartbeat,
): Promise<GatewayError | undefined> {
  return new Promise((resolve, reject) => {
    if (exchange.stopped) {
      reply.body.cancel()
      reject(exchange.stopped)
      return
    }
    const isStream = mediaType(headers['content-type']) === EVENT_STREAM_TYPE
    if (isStream) new StreamRelay(reply.body, exchange, response, heartbeat, resolve).start(reply.status, headers)
    else new JsonRelay(reply.body, exchange, response, resolve).start(reply.status, headers)
  })
}

/** What both kinds share: backpressure, a client that leaves, an exchange that is stopped. */
abstract class Relay implements Sink {
  protected readonly body: Body
  protected readonly exchange: Exchange
  protected readonly response: ServerResponse
  readonly #resolve: Settle
  #isOver = false

  constructor(body: Body, exchange: Exchange, response: ServerResponse, resolve: Settle) {
    this.body = body
    this.exchange = exchange
    this.response = response
    this.#resolve = resolve
  }

  start(status: number, headers: Headers): void {
    const { response } = this
    this.exchange.onStop = (error) => this.#stop(error)
    if (response.destroyed) this.#onGone()
    else {
      response.writeHead(status, headers)
      response.on('drain', () => this.body.resume())
    }
    response.on('close', () => this.#onGone())
    this.body.pipe(this)
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
    this.conclude(
      () => (fault ??= new GatewayError('upstream_broken', 'The upstream ended its stream without an answer')),
    )
    this.over(fault)
  }

  fail(cause: Error): void {
    if (this.#isOver) return
    const fault = new GatewayError('upstream_broken', 'The connection to the upstream broke', { cause })
    this.conclude(() => fault, true)
    this.over(fault)
  }

  /** Ends the response; `error` makes what is said where an answer is still owed. (Made in vain, it costs 10 µs.) */
  protected abstract conclude(error: () => GatewayError, broken?: boolean): void

  /** Whether a client that leaves may still want what is on its way. */
  protected get outlivesClient(): boolean {
    return !this.exchange.endsWithClient
  }

  protected over(fault?: GatewayError): void {
    this.#isOver = true
    this.#resolve(fault)
  }

  #stop(error: GatewayError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.conclude(() => error, true)
    this.body.cancel()
    this.over()
  }

  #onGone(): void {
    if (this.#isOver) return
    if (this.outlivesClient) this.body.resume()
    else {
      this.over()
      this.body.cancel()
    }
  }
}

class JsonRelay extends Relay {
  protected write(chunk: Buffer): void {
    this.response.write(chunk)
  }

  /** A document that breaks off must look broken. */
  protected conclude(_: () => GatewayError, broken = false): void {
    if (broken) this.response.destroy()
    else this.response.end()
  }
}

class StreamRelay extends Relay implements Beating {
  quiet = false
  readonly #framer = new Framer()
  readonly #heartbeat: Heartbeat
  readonly #owed: Owed
  /** Whether the client can fetch the rest of this stream with GET and Last-Event-ID. */
  #resumable = false

  constructor(body: Body, exchange: Exchange, response: ServerResponse, heartbeat: Heartbeat, resolve: Settle) {
    super(body, exchange, response, resolve)
    this.#heartbeat = heartbeat
    this.#owed = new Owed(exchange.waiting)
  }

  override start(status: number, headers: Headers): void {
    this.#heartbeat.add(this)
    const { 'content-length': _, ...rest } = headers
    super.start(status, { ...rest, ...STREAM_HEADERS })
    if (!this.response.destroyed && !this.response.writableEnded) this.response.flushHeaders()
  }

  beat(): void {
    if (this.#framer.atBoundary && !this.response.writableNeedDrain) this.response.write(HEARTBEAT)
  }

  protected write(chunk: Buffer): void {
    this.quiet = false
    const stretch = this.#framer.feed(chunk)
    if (!stretch) return
    this.#owed.see(stretch)
    this.#resumable ||= this.exchange.era === 'legacy' && hasEventId(stretch)
    this.response.write(stretch)
  }

  /** A stream that can be resumed may end at any time; another one owes an answer or an error. (SE3, ER14) */
  protected conclude(error: () => GatewayError): void {
    if (this.response.destroyed) return
    if (!this.#framer.atBoundary) {
      this.response.destroy()
      return
    }
    if (!this.#resumable || this.exchange.stopped) {
      for (const id of this.#owed.ids) this.response.write(messageEvent(this.#lastWord(error(), id)))
    }
    this.response.end()
  }

  /** What ends a subscription is no error. (ST18) */
  #lastWord(error: GatewayError, id: RequestId): string {
    if (this.exchange.era === 'legacy' || !this.exchange.listens || error.code !== 'closing') return error.toJsonRpc(id)
    return JSON.stringify({
      jsonrpc: '2.0',
      id,
      result: { resultType: 'complete', _meta: { [META.subscriptionId]: id } },
    })
  }

  /** A server that keeps events for a client to resume must see that the client has gone. */
  protected override get outlivesClient(): boolean {
    return super.outlivesClient && !this.#resumable
  }

  protected override over(fault?: GatewayError): void {
    this.#heartbeat.delete(this)
    super.over(fault)
  }
}
