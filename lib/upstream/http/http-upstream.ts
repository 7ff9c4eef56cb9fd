/** Streamable HTTP over undici: sends an exchange to its server, gives back the reply as soon as its head is there. */
import { Agent, buildConnector, Client, type Dispatcher } from 'undici'
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { FramedBody } from '../../exchange/framed-body.ts'
import type { Upstream } from '../../exchange/layer.ts'
import { peekResponse } from '../../exchange/read-response.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import { EVENT_STREAM_TYPE, HEADER, JSON_TYPE, mediaType } from '../../protocol.ts'
import type { HttpServer, UpstreamState } from '../../types.ts'
import { member } from '../../util/json.ts'
import type { Eras } from '../eras.ts'
import { checkResponse, type Expected } from './check-response.ts'
import { RefusedCredentials, sendWith } from './credentials.ts'
import { type Target, targetOf } from './target.ts'
import { dispatchWithTrace } from './trace-context.ts'
import { UpstreamReply } from './upstream-reply.ts'

/** Told how asking an upstream went: whether anything sensible came back. */
export type OnOutcome = (upstreamId: string, hasAnswered: boolean) => void

export interface UpstreamTimeouts {
  readonly connectMs: number
  readonly responseMs: number
}

/** How long a server may take to accept a message of the gateway's own, which it need not answer. */
const ACCEPT_MS = 5_000

/** The connections to all servers behind HTTP. */
export class HttpTransport {
  readonly eras: Eras
  readonly responseMs: number
  readonly #options: Client.Options
  /** Connections for calls, shared and kept alive per origin; idle ones close by themselves. */
  readonly #calls: Agent
  /** A listener has a connection of its own, closed with it: thousands of idle ones never slow a call down. */
  readonly #streams = new Set<Client>()
  #onOutcome: OnOutcome | undefined

  constructor({ connectMs, responseMs }: UpstreamTimeouts, eras: Eras) {
    this.eras = eras
    this.responseMs = responseMs
    // SE17: by default undici ends a stream that is quiet for 300 s.
    this.#options = { connect: buildConnector({ timeout: connectMs }), bodyTimeout: 0, headersTimeout: 0 }
    this.#calls = new Agent(this.#options)
  }

  /** From now on tells how each exchange went. Without a watcher it costs nothing. */
  watch(onOutcome: OnOutcome): void {
    const before = this.#onOutcome
    this.#onOutcome = (upstreamId, hasAnswered) => {
      before?.(upstreamId, hasAnswered)
      onOutcome(upstreamId, hasAnswered)
    }
  }

  outcome(upstreamId: string, hasAnswered: boolean): void {
    this.#onOutcome?.(upstreamId, hasAnswered)
  }

  /** Where a request goes out: over a shared connection, or over one of its own that is closed with its stream. */
  dispatcherFor(origin: string, listens: boolean): Dispatcher {
    return listens ? this.#openStream(origin) : this.#calls
  }

  async close(): Promise<void> {
    await Promise.all([this.#calls.destroy(), ...Array.from(this.#streams, (client) => client.destroy())])
  }

  #openStream(origin: string): Client {
    const client = new Client(origin, this.#options)
    this.#streams.add(client)
    client.once('disconnect', () => this.#closeStream(client))
    client.once('connectionError', () => this.#closeStream(client))
    return client
  }

  #closeStream(client: Client): void {
    this.#streams.delete(client)
    client.destroy().catch(() => {})
  }
}

/** One endpoint. */
export class HttpUpstream implements Upstream {
  readonly id: string
  readonly label: string
  readonly quits = 'abort'
  readonly #transport: HttpTransport
  readonly #target: Target

  constructor(target: Target, transport: HttpTransport) {
    this.id = target.id
    this.label = new URL(target.url).host
    this.#target = target
    this.#transport = transport
  }

  /** Rejects with a GatewayError for whatever is not a reply to relay. */
  readonly send: Handle = (exchange) => {
    const { headers } = exchange.config as HttpServer
    const reply =
      typeof headers === 'function'
        ? sendWith(headers, exchange, this.#target.url, (flat) => this.#dispatch(exchange, flat))
        : this.#dispatch(exchange, [])
    return exchange.opens ? reply.then((answered) => this.#opened(exchange, answered)) : reply
  }

  #dispatch(exchange: Exchange, credentials: readonly string[]): Promise<Reply> {
    const { life } = exchange
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        const error = checkResponse(expected(exchange), reply)
        const hasAnswered = reply.status < 500 && error?.code !== 'upstream_invalid'
        this.#transport.outcome(this.id, hasAnswered)
        if (!error) return resolve(replyOf(exchange, reply))
        reply.drain()
        if (reply.status !== 401) return reject(error)
        reject(new RefusedCredentials(error.code, error.message))
      }
      const fail = (error: Error): void => {
        // Who stopped waiting says nothing of the upstream, unless it was for too long.
        const { stopped } = life
        if (!stopped || stopped.code === 'upstream_timeout') this.#transport.outcome(this.id, false)
        reject(stopped ?? faultOf(error, reply.isSent))
      }
      const reply = new UpstreamReply(settle, fail)
      reply.stopWith(life)
      if (!life.stopped) this.#send(exchange, credentials, reply)
    })
  }

  #send(exchange: Exchange, credentials: readonly string[], reply: UpstreamReply): void {
    const { origin, path } = this.#target
    const dispatcher = this.#transport.dispatcherFor(origin, exchange.listens)
    dispatchWithTrace(this.#headersOf(exchange, credentials), (headers) => {
      dispatcher.dispatch(
        {
          origin,
          path,
          method: exchange.verb,
          headers,
          body: exchange.body ?? null,
          headersTimeout: this.#patienceMs(exchange),
        },
        reply,
      )
    })
  }

  /** A stream may begin late, since nothing may have happened yet; what the gateway says by itself waits for nobody. */
  #patienceMs({ listens, life, isAnswered }: Exchange): number {
    if (listens) return 0
    const { responseMs } = this.#transport
    return life.isDetached && !isAnswered ? Math.min(responseMs || ACCEPT_MS, ACCEPT_MS) : responseMs
  }

  #headersOf(exchange: Exchange, credentials: readonly string[]): string[] {
    const headers = [...this.#target.headers, ...credentials]
    for (const name in exchange.headers) headers.push(name, exchange.headers[name]!)
    if (exchange.verb === 'POST') headers.push('content-type', JSON_TYPE)
    const id = exchange.state?.id
    if (id !== undefined) headers.push(HEADER.sessionId, id)
    return headers
  }

  /** What a session keeps of a handshake that the server agreed to. */
  async #opened(exchange: Exchange, reply: Reply): Promise<Reply> {
    const response = await peekResponse(reply)
    this.#transport.eras.learn(this.id, response)
    const protocolVersion = member(response?.result, 'protocolVersion')
    const { message, config } = exchange
    if (typeof protocolVersion !== 'string' || message?.kind !== 'request') return reply
    const id = reply.headers[HEADER.sessionId]
    const opened: UpstreamState = {
      upstream: this.id,
      protocolVersion,
      ...(typeof id === 'string' && { id }),
      ...(config.recover === true && { client: { handshake: message.params ?? {} } }),
    }
    return { ...reply, opened }
  }
}

/** The upstream of a config object, made once for each that does not change. */
export class HttpUpstreams {
  readonly #transport: HttpTransport
  readonly #known = new WeakMap<Target, HttpUpstream>()

  constructor(transport: HttpTransport) {
    this.#transport = transport
  }

  of(server: string, config: HttpServer): HttpUpstream {
    const target = targetOf(server, config)
    const before = this.#known.get(target)
    if (before) return before
    const upstream = new HttpUpstream(target, this.#transport)
    this.#known.set(target, upstream)
    return upstream
  }
}

function expected({ verb, state, message, isAnswered }: Exchange): Expected {
  const inSession = state?.id !== undefined
  const era = message?.era ?? 'legacy'
  return { expects: verb === 'GET' ? 'stream' : isAnswered ? 'answer' : 'acceptance', era, inSession }
}

/** What has been checked, as what it is. */
function replyOf(exchange: Exchange, raw: UpstreamReply): Reply {
  const { status, headers } = raw
  if (!exchange.isAnswered && status < 300) {
    raw.drain()
    return { kind: 'empty', status: 202, headers: {} }
  }
  if (mediaType(single(headers['content-type'])) !== EVENT_STREAM_TYPE)
    return { kind: 'json', status, headers, body: raw }
  const isLegacy = (exchange.message?.era ?? 'legacy') === 'legacy'
  const canResume = isLegacy && (exchange.verb === 'POST' || exchange.headers[HEADER.lastEventId] !== undefined)
  const body = new FramedBody(raw, exchange.requestIds, canResume)
  const { pending, resumeAfter } = body
  return { kind: 'events', status, headers, body, pending, resumeAfter, endless: exchange.listens, kept: false }
}

/** Connecting failed, the answer came too late, or the connection broke before it came. */
function faultOf(error: Error & { readonly code?: string }, isSent: boolean): GatewayError {
  if (error.code === 'UND_ERR_HEADERS_TIMEOUT') {
    return new GatewayError('upstream_timeout', 'The upstream did not answer in time', { cause: error })
  }
  return isSent
    ? new GatewayError('upstream_broken', 'The connection to the upstream broke before it answered', { cause: error })
    : new GatewayError('upstream_unreachable', 'The upstream cannot be reached', { cause: error })
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value
}
