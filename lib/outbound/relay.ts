/** Writes a reply to the client as it comes: JSON bytes as they are, an event stream event by event. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { EVENT_STREAM_TYPE, mediaType, META } from '../protocol.ts'
import type { Awaitable, Body, Reply, RequestId, Sink } from '../types.ts'
import { Framer, hasEventId, HEARTBEAT, messageEvent } from './event-stream.ts'
import type { Beating, Heartbeat } from './heartbeat.ts'
import { Owed } from './owed.ts'

type Headers = Readonly<Record<string, string>>

/** What costs more to write than to copy, in bytes. */
const SMALL_BYTES = 4 * 1024

type Settle = (fault?: GatewayError) => void

/** What keeps anything between here and the client from holding events back. (RT12) */
const STREAM_HEADERS: Headers = { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' }

/**
 * Done when nothing of the reply is left to do, with the upstream's fault if it broke off. Throws when the exchange was
 * stopped before.
 */
export function relay(
  reply: Reply,
  headers: Headers,
  exchange: Exchange,
  response: ServerResponse,
  heartbeat: Heartbeat,
): Awaitable<GatewayError | undefined> {
  const { status, body } = reply
  if (exchange.stopped) {
    body.cancel()
    throw exchange.stopped
  }
  const isStream = mediaType(headers['content-type']) === EVENT_STREAM_TYPE
  const whole = body.whole()
  if (whole && (!isStream || isAnswered(whole, exchange))) {
    if (response.destroyed) return undefined
    response.writeHead(status, isStream ? streamHeaders(headers) : { ...headers, 'content-length': whole.length })
    response.end(whole)
    return undefined
  }
  if (whole) body.unread([whole])
  return new Promise((resolve) => {
    if (isStream) new StreamRelay(body, exchange, response, heartbeat, resolve).start(status, headers)
    else new JsonRelay(body, exchange, response, resolve).start(status, headers)
  })
}

/** A stream that was over before it could be relayed, and owes nothing. */
function isAnswered(stream: Buffer, { waiting }: Exchange): boolean {
  const owed = new Owed(waiting)
  owed.see([stream])
  const [whole] = new Framer().feed(stream)
  return owed.ids.length === 0 && whole?.length === stream.length
}

/** No length is promised: comments and errors may be added. */
function streamHeaders(headers: Headers): Headers {
  const { 'content-length': _, ...rest } = headers
  return { ...rest, ...STREAM_HEADERS }
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
  slot = -1
  readonly #framer = new Framer()
  /** What arrived in this tick: a flood of small events leaves in one piece. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  readonly #flush = (): void => {
    const pieces = this.#waiting
    if (pieces.length === 0 || this.response.destroyed) return
    const isFlood = pieces.length > 1 && this.#waitingBytes <= pieces.length * SMALL_BYTES
    this.#waiting = []
    this.#waitingBytes = 0
    this.quiet = false
    for (const piece of isFlood ? [Buffer.concat(pieces)] : pieces) this.response.write(piece)
  }
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
    super.start(status, streamHeaders(headers))
    // The head leaves at once, with the events that came along with it.
    const isIdle = this.#waiting.length === 0 && !this.response.destroyed && !this.response.writableEnded
    if (isIdle) this.response.flushHeaders()
  }

  beat(): void {
    if (this.#framer.atBoundary && !this.response.writableNeedDrain) this.response.write(HEARTBEAT)
  }

  protected write(chunk: Buffer): void {
    const pieces = this.#framer.feed(chunk)
    if (pieces.length === 0) return
    this.#owed.see(pieces)
    this.#resumable ||= this.exchange.era === 'legacy' && pieces.some(hasEventId)
    if (this.#waiting.length === 0) process.nextTick(this.#flush)
    this.#waiting.push(...pieces)
    this.#waitingBytes += chunk.length
  }

  /** A stream that can be resumed may end at any time; another one owes an answer or an error. (SE3, ER14) */
  protected conclude(error: () => GatewayError): void {
    if (this.response.destroyed) return
    this.#flush()
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
