/** A running gateway: the steps of a request from the mount to the pipeline, in order. */
import { attachAccess } from './access-host.ts'
import { GatewayError } from './errors.ts'
import { type Accepts, type ClientSession, Exchange, Origin } from './exchange/exchange.ts'
import type { GatewayInternals, SendWhole } from './exchange/gateway-internals.ts'
import { Lifetime } from './exchange/lifetime.ts'
import { isListenRequest, type Message } from './exchange/message.ts'
import type { Handle } from './exchange/reply.ts'
import { WatcherSlot } from './exchange/request-watcher.ts'
import { acceptsOfGet, acceptsOfPost, requireEvents } from './inbound/accept.ts'
import { authenticate, lookUpServer } from './inbound/access/hooks.ts'
import { readContent } from './inbound/body.ts'
import { classify } from './inbound/classify.ts'
import { errorOfRejection } from './inbound/rejection-error.ts'
import { checkHostAndOrigin } from './inbound/host-origin.ts'
import type { InboundRequest } from './inbound/inbound-request.ts'
import { checkSegments, mountFrom } from './inbound/path.ts'
import { ownSession, sessionOf } from './inbound/session-of.ts'
import { checkSingleHeaders } from './inbound/single-headers.ts'
import type { Config } from './options.ts'
import { endpointPage, endpointPageHeaders } from './outbound/endpoint-page.ts'
import { faultOf } from './outbound/fault-of.ts'
import type { InboundObservation } from './observe/inbound-observation.ts'
import { closeGatewayParts, createGatewayParts, type GatewayParts } from './pipeline.ts'
import { ownConnection } from './session/own-connection.ts'
import type { Awaitable, Gateway, GatewayRequest, ServerConfig } from './types.ts'
import { clientHeadersToServer } from './upstream/http/headers.ts'
import { andThen, isPromise } from './util/awaitable.ts'

/** Used for DELETE, whose response has no content. */
const TAKES_BOTH: Accepts = { json: true, events: true }

/** A request after its checks. */
interface Received {
  readonly accepts: Accepts
  readonly session: ClientSession | undefined
  readonly message?: Message
  readonly body?: Buffer
}

/** Steps whose hooks answer synchronously run without a promise, which saves a turn of the event loop per step. */
export class RunningGateway {
  readonly #config: Config
  readonly #parts: GatewayParts
  readonly #detach: () => void
  readonly #onClose: (() => void)[] = []
  readonly #watched = new WatcherSlot()
  #closed: Promise<void> | undefined
  /** Whether a directory is mounted with the gateway. */
  #hasList = false

  constructor(config: Config) {
    this.#config = { ...config, report: this.#watched.reporting(config.report) }
    this.#parts = createGatewayParts(this.#config)
    this.#detach = attachAccess(config, this.#parts)
  }

  /** Serves a request; calls `fail` for an error. The request's share of the quota is released when it is over. */
  answer(inbound: InboundRequest, fail: (inbound: InboundRequest, error: unknown) => GatewayError): void {
    const observed = this.#parts.observers.begin(inbound)
    const over = (): void => {
      inbound.charge?.release()
      observed?.over()
    }
    const failed = (error: unknown): void => {
      inbound.charge?.release()
      const known = fail(inbound, error)
      observed?.failed(known, inbound.stage)
    }
    try {
      const served = this.#serve(inbound, observed)
      if (isPromise(served)) served.then(over, failed)
      else over()
    } catch (error) {
      failed(error)
    }
  }

  /** Authentication comes before the lookup, so that an unauthenticated client does not learn which servers exist. */
  #serve(inbound: InboundRequest, observed: InboundObservation | undefined): Awaitable<void> {
    const { request, server } = inbound
    const { method } = request
    if (method !== 'POST' && method !== 'GET' && method !== 'DELETE') {
      inbound.stage = 'message'
      throw new GatewayError('method_not_allowed', 'Method not allowed')
    }
    this.#checkHostAndOrigin(request)
    this.#parts.upstreams.loopGuard.check(request.headers.via)
    inbound.stage = 'authenticate'
    return andThen(authenticate(request, server, this.#config), (principal) => {
      inbound.principal = principal
      inbound.charge = this.#parts.quota.open(principal?.id)
      inbound.stage = 'servers'
      return andThen(lookUpServer(request, server, principal, this.#config), (config) => {
        inbound.config = config
        inbound.stage = 'message'
        if (method === 'POST') return this.#post(inbound, config, observed)
        const serve = () =>
          method === 'GET' ? this.#get(inbound, config, observed) : this.#delete(inbound, config, observed)
        return observed ? observed.received(method, undefined, serve) : serve()
      })
    })
  }

  /** Reads the body, classifies the message, then finds its session. */
  #post(inbound: InboundRequest, config: ServerConfig, observed: InboundObservation | undefined): Awaitable<void> {
    const accepts = acceptsOfPost(inbound.header('accept'))
    return andThen(readContent(inbound.request, this.#config.bodyBytes, inbound.charge), ({ bytes, text, json }) => {
      const message = classify(json, inbound.standardHeaders(), text)
      if ('id' in message && message.kind !== 'response') inbound.id = message.id
      if (message.kind === 'rejection') throw errorOfRejection(message, config)
      const received = { accepts, message, body: bytes }
      // No closure: an error keeps the functions on its stack, and with them what they captured.
      if (!observed) return this.#send(inbound, config, received, observed)
      return observed.received('POST', message, () => this.#send(inbound, config, received, observed))
    })
  }

  #send(
    inbound: InboundRequest,
    config: ServerConfig,
    { accepts, message, body }: Required<Omit<Received, 'session'>>,
    observed: InboundObservation | undefined,
  ): Awaitable<void> {
    if (this.#closed && (message.kind === 'request' || message.kind === 'batch')) throw closing()
    if (isListenRequest(message)) requireEvents(accepts)
    this.#parts.eras.check(config, message)
    if (!isListenRequest(message)) inbound.charge!.call()
    inbound.stage = 'session'
    return andThen(sessionOf(inbound, message, this.#parts), (session) =>
      this.#dispatch(inbound, 'POST', { accepts, session, message, body }, observed),
    )
  }

  /** Opens a client's listening stream. */
  async #get(inbound: InboundRequest, config: ServerConfig, observed: InboundObservation | undefined): Promise<void> {
    const accepts = acceptsOfGet(inbound.header('accept'))
    if (this.#closed) throw closing()
    inbound.stage = 'session'
    const session = await ownSession(inbound, config, this.#parts)
    return this.#dispatch(inbound, 'GET', { accepts, session }, observed)
  }

  /** Ends a client's session, whatever the server answers. A DELETE without a session is forwarded to the server. */
  async #delete(
    inbound: InboundRequest,
    config: ServerConfig,
    observed: InboundObservation | undefined,
  ): Promise<void> {
    inbound.stage = 'session'
    const session = await ownSession(inbound, config, this.#parts)
    if (!session) return this.#dispatch(inbound, 'DELETE', { accepts: TAKES_BOTH, session }, observed)
    inbound.stage = undefined
    observed?.inSession(session)
    await this.#parts.forget(session.id)
    const { server, principal, request } = inbound
    await this.#parts.upstreamSessions.terminate(session.record.upstream, { server, config, principal, request })
    this.send(inbound.response, 200, { 'content-length': 0 }, undefined, inbound)
  }

  #dispatch(
    inbound: InboundRequest,
    verb: 'POST' | 'GET' | 'DELETE',
    { accepts, session, message, body }: Received,
    observed: InboundObservation | undefined,
  ): Promise<void> {
    inbound.stage = undefined
    const { server, principal, request, response } = inbound
    const config = inbound.config!
    const era = message?.era ?? 'legacy'
    const state = session?.record.upstream
    const negotiated = state?.protocolVersion
    const resumes = session !== undefined && (this.#parts.eventLog !== undefined || state?.id !== undefined)
    const headers = clientHeadersToServer({ verb, message, negotiated, resumes }, request.headers)
    const origin = new Origin({ server, principal, request, era, session, accepts, response, observed })
    const parts = { origin, life: new Lifetime(), config, path: [server], verb, message, state, headers }
    const exchange = new Exchange(parts, body)
    observed?.sent(exchange)
    return this.#parts.dispatcher.dispatch(exchange, this.#parts.pipeline.handleOf(config, 'client'), response)
  }

  /** Answers a browser, without authentication: the page is the same for everybody and for every name. */
  sendPage({ request, response }: InboundRequest): void {
    this.#checkHostAndOrigin(request)
    const page = endpointPage(this.#hasList ? mountFrom(this.#config.path, request.url) : undefined)
    this.send(response, 200, endpointPageHeaders(page), page)
  }

  get send(): SendWhole {
    return this.#parts.answers.send
  }

  #checkHostAndOrigin({ headers, rawHeaders, originalUrl, socket }: GatewayRequest): void {
    checkSegments(originalUrl)
    checkSingleHeaders(rawHeaders)
    checkHostAndOrigin(this.#config.hostRules, headers.host, headers.origin, socket.localAddress)
  }

  /** Repeated calls return the same promise. */
  readonly close: Gateway['close'] = ({ graceMs = 5_000 } = {}) => {
    const report = (error: unknown): void => this.#config.report(error, undefined)
    if (!this.#closed) this.#detach()
    for (const end of this.#onClose.splice(0)) end()
    this.#closed ??= closeGatewayParts(this.#parts, closing(), graceMs, report)
    return this.#closed
  }

  /** The functions are those that every message passes, so that a directory applies the same checks. */
  internals(): GatewayInternals {
    const { path, onlyServer, publicUrl, servers } = this.#config
    const { pipeline, upstreams, upstreamSessions, observers } = this.#parts
    return {
      path,
      onlyServer,
      publicUrl,
      servers,
      checkHostAndOrigin: (request) => this.#checkHostAndOrigin(request),
      authenticate: async (request, server) => authenticate(request, server, this.#config),
      lookUpServer: async (request, server, principal) => lookUpServer(request, server, principal, this.#config),
      hasOAuth: (server) => this.#config.protectedServers.asked(server).metadataUrl !== undefined,
      faultOf: (error, context) => faultOf(error, context, this.#config.report),
      connect: (subject) => {
        const handle = pipeline.handleOf(subject.config, 'gateway')
        const send: Handle = async (exchange) => (this.#closed ? Promise.reject(closing()) : handle(exchange))
        return ownConnection(subject, send)
      },
      send: this.send,
      track: (work) => void upstreamSessions.track(work),
      upstreamId: (server, config) => upstreams.of(server, config).id,
      announceList: () => void (this.#hasList = true),
      watch: (onOutcome) => upstreams.watch(onOutcome),
      watchRequests: (watcher) => {
        this.#watched.set(watcher)
        observers.watch(watcher)
      },
      sessionCount: () => ({ ...observers.sessions.counts, cap: this.#config.maxSessions }),
      onClose: (end) => void this.#onClose.push(end),
    }
  }
}

function closing(): GatewayError {
  return new GatewayError('closing', 'The gateway is shutting down')
}
