/** Streamable HTTP over undici: sends an exchange to its server, and resolves when the response headers arrive. */
import type { Dispatcher } from 'undici'
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { FramedBody } from '../../exchange/framed-body.ts'
import type { Upstream } from '../../exchange/layer.ts'
import type { Attempt } from '../../exchange/observed.ts'
import { drainReply, type Handle, type Reply } from '../../exchange/reply.ts'
import { EVENT_STREAM_TYPE, HEADER, JSON_TYPE, mediaType } from '../../protocol.ts'
import type { HttpServer, UpstreamState } from '../../types.ts'
import { isOrdinaryHandshake } from '../eras.ts'
import { checkResponse, type Expected, joined } from './check-response.ts'
import { RefusedCredentials, sendWith } from './credentials.ts'
import { readHandshake, sessionIdOf, stateOf } from './handshake.ts'
import type { HttpTransport } from './http-transport.ts'
import { type Target, targetOf } from './target.ts'
import { dispatchWithTrace } from './trace-context.ts'
import { UpstreamReply } from './upstream-reply.ts'

/** The time limit for accepting a message that the gateway itself sends and that needs no response. */
const ACCEPT_MS = 5_000

export class HttpUpstream implements Upstream {
  readonly id: string
  readonly label: string
  readonly quits = 'abort'
  readonly #transport: HttpTransport
  readonly #target: Target
  readonly #origin: URL

  constructor(target: Target, transport: HttpTransport) {
    this.id = target.id
    this.#target = target
    this.#origin = new URL(target.origin)
    this.label = this.#origin.host
    this.#transport = transport
  }

  /** Rejects with a GatewayError if there is no reply to relay. */
  readonly send: Handle = (exchange) => {
    const { headers } = exchange.config as HttpServer
    const reply =
      typeof headers === 'function'
        ? sendWith(headers, exchange, this.#target.url, (flat) => this.#attempt(exchange, flat))
        : this.#attempt(exchange, [])
    return exchange.opens ? reply.then((answered) => this.#opened(exchange, answered)) : reply
  }

  #attempt(exchange: Exchange, credentials: readonly string[]): Promise<Reply> {
    const attempt = this.#transport.attempt?.(exchange)
    if (!attempt) return this.#dispatch(exchange, credentials)
    return attempt.run(() => this.#dispatch(attempt.sent, credentials, attempt))
  }

  #dispatch(exchange: Exchange, credentials: readonly string[], attempt?: Attempt): Promise<Reply> {
    const { life } = exchange
    return new Promise((resolve, rejectWith) => {
      const reject = (error: Error): void => {
        attempt?.failed(error)
        rejectWith(error)
      }
      const settle = (): void => {
        const { fault } = reply
        const error = checkResponse(expected(exchange), reply) ?? (fault && brokenBy(life.stopped ?? fault))
        const hasAnswered = reply.status < 500 && error?.code !== 'upstream_invalid'
        this.#transport.outcome(this.id, hasAnswered)
        if (!error) return resolve(attempt ? attempt.watch(replyOf(exchange, reply)) : replyOf(exchange, reply))
        reply.drain()
        if (reply.status !== 401 && reply.status !== 403) return reject(error)
        reject(new RefusedCredentials(error, reply.status, joined(reply.headers['www-authenticate'])))
      }
      const fail = (error: Error): void => {
        // An exchange stopped on the client's side is no failure of the upstream, except for a timeout.
        const { stopped } = life
        if (!stopped || stopped.code === 'upstream_timeout') this.#transport.outcome(this.id, false)
        this.#transport.abandon(dispatcher)
        reject(stopped ?? faultOf(error, reply.isSent))
      }
      const reply = new UpstreamReply(settle, fail, exchange.isAnswered ? exchange.message : undefined)
      if (life.stopped) return reject(life.stopped)
      const dispatcher = this.#transport.dispatcherFor(this.#origin, exchange.listens)
      reply.stopWith(life)
      reply.waitWith(this.#transport.deadlines, this.#patienceMs(exchange))
      this.#send(exchange, credentials, dispatcher, reply)
    })
  }

  #send(exchange: Exchange, credentials: readonly string[], dispatcher: Dispatcher, reply: UpstreamReply): void {
    const { origin, path } = this.#target
    dispatchWithTrace(this.#headersOf(exchange, credentials), (headers) => {
      dispatcher.dispatch({ origin, path, method: exchange.verb, headers, body: exchange.body ?? null }, reply)
    })
  }

  /** A listening stream has no time limit, since a server may send its headers only with the first event. */
  #patienceMs({ listens, life, isAnswered }: Exchange): number {
    if (listens) return 0
    const { responseMs } = this.#transport
    return life.isDetached && !isAnswered ? Math.min(responseMs || ACCEPT_MS, ACCEPT_MS) : responseMs
  }

  #headersOf(exchange: Exchange, credentials: readonly string[]): string[] {
    const via = this.#transport.loopGuard.viaOf(exchange.origin.request?.headers?.via)
    const headers = [...this.#target.headers, ...credentials, 'via', via]
    for (const name in exchange.headers) headers.push(name, exchange.headers[name]!)
    if (exchange.verb === 'POST') headers.push('content-type', JSON_TYPE)
    const id = exchange.state?.id
    if (id !== undefined) headers.push(HEADER.sessionId, id)
    return headers
  }

  /** If the handshake fails after the server has opened a session, that session is ended at once. */
  async #opened(exchange: Exchange, reply: Reply): Promise<Reply> {
    const { response, fault } = await readHandshake(exchange, reply, this.#transport.responseMs)
    if (isOrdinaryHandshake(exchange.message, exchange.headers)) this.#transport.eras.learn(this.id, response)
    const opened = fault ? undefined : stateOf(exchange, reply, response, this.id)
    if (!opened) this.#end(exchange, sessionIdOf(reply))
    if (!fault) return opened ? { ...reply, opened } : reply
    if (reply.kind !== 'empty') reply.body.cancel()
    throw fault
  }

  #end(exchange: Exchange, id: string | undefined): void {
    if (id === undefined) return
    const state: UpstreamState = { upstream: this.id, protocolVersion: '', id }
    const farewell = { verb: 'DELETE', message: undefined, state, headers: {}, isOwn: true } as const
    void this.send(exchange.fork(farewell, exchange.life.detach())).then(drainReply, () => {})
  }
}

/** Creates the upstream of a config object, and reuses it as long as the object does not change. */
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

/** Wraps a checked response in the reply of its kind. */
function replyOf(exchange: Exchange, raw: UpstreamReply): Reply {
  const { status, headers } = raw
  if (!exchange.isAnswered && status < 300) {
    raw.drain()
    return { kind: 'empty', status: 202, headers: {} }
  }
  if (mediaType(joined(headers['content-type'])) !== EVENT_STREAM_TYPE)
    return { kind: 'json', status, headers, body: raw }
  const isLegacy = (exchange.message?.era ?? 'legacy') === 'legacy'
  const canResume = isLegacy && (exchange.verb === 'POST' || exchange.headers[HEADER.lastEventId] !== undefined)
  const body = new FramedBody(raw, exchange.requestIds, canResume)
  const { pending, resumeAfter } = body
  return { kind: 'events', status, headers, body, pending, resumeAfter, endless: exchange.listens, kept: false }
}

/** The error for a body that broke off right after the headers. */
function brokenBy(fault: Error): GatewayError {
  return fault instanceof GatewayError ? fault : faultOf(fault, true)
}

/** The error when connecting failed, or the response headers came too late or never. */
function faultOf(error: Error, isSent: boolean): GatewayError {
  if (error instanceof GatewayError) return error
  return isSent
    ? new GatewayError('upstream_broken', 'The connection to the server broke before it answered', { cause: error })
    : new GatewayError('upstream_unreachable', 'The server cannot be reached', { cause: error })
}
