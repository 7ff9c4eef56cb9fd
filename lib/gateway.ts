/** mcpGateway(): the way of a request, top to bottom. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from './errors.ts'
import { type ClientSession, Exchange, Origin } from './exchange/exchange.ts'
import { expose, type GatewayInternals } from './exchange/gateway-internals.ts'
import { Lifetime } from './exchange/lifetime.ts'
import type { Message } from './exchange/message.ts'
import { checkAccept, GET_ACCEPTS, POST_ACCEPTS } from './inbound/accept.ts'
import { challengeHeaders } from './inbound/access/challenge.ts'
import { authenticate, lookUpServer } from './inbound/access/hooks.ts'
import { answerMetadata } from './inbound/access/metadata-endpoint.ts'
import { readContent } from './inbound/body.ts'
import { classify, type Rejection } from './inbound/classify.ts'
import { checkHostAndOrigin } from './inbound/host-origin.ts'
import { InboundRequest } from './inbound/inbound-request.ts'
import { checkPipelined } from './inbound/pipelined.ts'
import { headersToListen, ownSession, sessionOf } from './inbound/session-of.ts'
import { type Config, parseOptions } from './options.ts'
import { refuse } from './outbound/refusal.ts'
import { closeGatewayParts, createGatewayParts, type GatewayParts } from './pipeline.ts'
import { LISTEN_METHOD } from './protocol.ts'
import { gatewayOrigin } from './session/upstream-session.ts'
import type {
  Awaitable,
  ErrorContext,
  Gateway,
  GatewayOptions,
  GatewayRequest,
  Principal,
  ServerConfig,
} from './types.ts'
import { clientHeadersToServer } from './upstream/http/headers.ts'
import { andThen, isPromise } from './util/awaitable.ts'

type Next = (error?: unknown) => void

/** Every client has to take both. (HD1) */
const ACCEPTS = { json: true, events: true }

/** Makes the middleware. Throws a TypeError, which says the cure, for options that cannot work. */
export function mcpGateway<P extends Principal = Principal>(options: GatewayOptions<P>): Gateway {
  const config = parseOptions(options)
  const { protectedServers } = config
  const running = new RunningGateway(config)

  function gateway(request: GatewayRequest, response: ServerResponse, next?: Next): void {
    let inbound: InboundRequest | undefined
    try {
      const server = config.serverPath(request.url)
      const described = server === undefined ? protectedServers.belowMount(request.url) : undefined
      if (described !== undefined) return describe(described, request, response)
      if (next && (server === undefined || request.method === 'OPTIONS')) return next()
      if (server === undefined) throw new GatewayError('not_found', 'Not found')
      inbound = new InboundRequest(request, response, server)
      const served = running.serve(inbound)
      if (!isPromise(served)) inbound.charge?.release()
      else
        served.then(
          () => inbound!.charge?.release(),
          (error: unknown) => fail(inbound!, error),
        )
    } catch (error) {
      fail(inbound ?? new InboundRequest(request, response, ''), error)
    }
  }

  function wellKnown(request: GatewayRequest, response: ServerResponse, next?: Next): void {
    try {
      const server = protectedServers.atRoot(request.url)
      if (server !== undefined) return describe(server, request, response)
      if (next) return next()
      throw new GatewayError('not_found', 'Not found')
    } catch (error) {
      fail(new InboundRequest(request, response, ''), error)
    }
  }

  function describe(server: string, request: GatewayRequest, response: ServerResponse): void {
    answerMetadata(protectedServers, server, request, response).catch((error: unknown) =>
      fail(new InboundRequest(request, response, server), error),
    )
  }

  function fail(inbound: InboundRequest, error: unknown): void {
    inbound.charge?.release()
    const known = faultOf(config, error, inbound)
    const asked = challengeHeaders(known, protectedServers.asked(inbound.server))
    refuse(inbound.request, inbound.response, known, inbound.id, asked)
  }

  const close: Gateway['close'] = ({ graceMs = 5_000 } = {}) => running.close(graceMs)
  return expose(Object.assign(gateway, { wellKnown, close }), running.internals())
}

/** What to answer for a fault. */
function faultOf({ report }: Config, error: unknown, context: Partial<ErrorContext>): GatewayError {
  const known = error instanceof GatewayError ? error : new GatewayError('internal', 'Internal error')
  // A client's own fault is said to the client alone; what it cannot see, or mend, is the operator's to know.
  const isSwallowed = known.status >= 500 ? known.code !== 'closing' : known.cause !== undefined
  if (isSwallowed) report(error, context)
  return known
}

/** A gateway with its parts, until it closes. What hooks answer at once is not waited for. */
class RunningGateway {
  readonly #config: Config
  readonly #parts: GatewayParts
  #closed: Promise<void> | undefined

  constructor(config: Config) {
    this.#config = config
    this.#parts = createGatewayParts(config)
  }

  /** The order is also the order of what leaks to whom: nobody unknown learns which servers there are. */
  serve(inbound: InboundRequest): Awaitable<void> {
    const { request, server } = inbound
    const { method } = request
    if (method !== 'POST' && method !== 'GET' && method !== 'DELETE') {
      throw new GatewayError('method_not_allowed', 'Method not allowed')
    }
    this.#checkHostAndOrigin(request)
    checkPipelined(request, inbound.response)
    return andThen(authenticate(request, server, this.#config), (principal) => {
      inbound.principal = principal
      inbound.charge = this.#parts.quota.open(principal?.id)
      return andThen(lookUpServer(request, server, principal, this.#config), (config) => {
        inbound.config = config
        if (method === 'POST') return this.#post(inbound, config)
        return method === 'GET' ? this.#get(inbound, config) : this.#delete(inbound, config)
      })
    })
  }

  /** A message: body, then what it is, then where it belongs. */
  #post(inbound: InboundRequest, config: ServerConfig): Awaitable<void> {
    checkAccept(inbound.header('accept'), POST_ACCEPTS)
    return andThen(readContent(inbound.request, this.#config.bodyBytes, inbound.charge), ({ bytes, text, json }) => {
      const message = classify(json, inbound.standardHeaders(), text)
      if ('id' in message && message.kind !== 'response') inbound.id = message.id
      if (message.kind === 'rejection') throw refusalOf(message, config)
      if (this.#closed && (message.kind === 'request' || message.kind === 'batch')) throw closing()
      this.#parts.eras.check(config, message)
      if (!listens(message))
        inbound.charge!.call((most) => this.#parts.inFlight.giveUpAbandoned(inbound.principal?.id, most))
      return andThen(sessionOf(inbound, message, this.#parts), (session) =>
        this.#dispatch(inbound, 'POST', session, message, bytes),
      )
    })
  }

  /** A client that listens. */
  async #get(inbound: InboundRequest, config: ServerConfig): Promise<void> {
    checkAccept(inbound.header('accept'), GET_ACCEPTS)
    if (this.#closed) throw closing()
    const session = await ownSession(inbound, config, this.#parts)
    return this.#dispatch(inbound, 'GET', session, undefined, undefined)
  }

  /** A client that ends its session: it has ended, whatever the server says to it. Without one the server answers. */
  async #delete(inbound: InboundRequest, config: ServerConfig): Promise<void> {
    const session = await ownSession(inbound, config, this.#parts)
    if (!session) return this.#dispatch(inbound, 'DELETE', undefined, undefined, undefined)
    await this.#parts.forget(session.id)
    const { server, principal, request } = inbound
    await this.#parts.upstreamSessions.terminate(session.record.upstream, { server, config, principal, request })
    inbound.response.writeHead(200, { 'content-length': 0 }).end()
  }

  #dispatch(
    inbound: InboundRequest,
    verb: 'POST' | 'GET' | 'DELETE',
    session: ClientSession | undefined,
    message: Message | undefined,
    body: Buffer | undefined,
  ): Promise<void> {
    const { server, principal, request, response } = inbound
    const config = inbound.config!
    const era = message?.era ?? 'legacy'
    const state = session?.record.upstream
    const crossing = clientHeadersToServer(verb, request.headers, state?.protocolVersion)
    const headers = verb === 'GET' ? headersToListen(crossing, state, this.#parts) : crossing
    const origin = new Origin({ server, principal, request, era, session, accepts: ACCEPTS, response })
    const parts = { origin, life: new Lifetime(), config, path: [server], verb, message, state, headers }
    const exchange = new Exchange(parts, body)
    return this.#parts.dispatcher.dispatch(exchange, this.#parts.pipeline.handleOf(config, 'client'), response)
  }

  #checkHostAndOrigin({ headers, socket }: GatewayRequest): void {
    checkHostAndOrigin(this.#config.hostRules, headers.host, headers.origin, socket.localAddress)
  }

  /** Calling again gives the same promise. */
  close(graceMs: number): Promise<void> {
    const report = (error: unknown): void => this.#config.report(error, undefined)
    this.#closed ??= closeGatewayParts(this.#parts, closing(), graceMs, report)
    return this.#closed
  }

  /** A directory asks the very functions that every message goes through. */
  internals(): GatewayInternals {
    const { path, onlyServer, publicUrl, servers } = this.#config
    const { pipeline, upstreams, upstreamSessions } = this.#parts
    return {
      path,
      onlyServer,
      publicUrl,
      servers,
      checkHostAndOrigin: (request) => this.#checkHostAndOrigin(request),
      authenticate: async (request, server) => authenticate(request, server, this.#config),
      lookUpServer: async (request, server, principal) => lookUpServer(request, server, principal, this.#config),
      faultOf: (error, context) => faultOf(this.#config, error, context),
      connect: (subject) => {
        const { server, config } = subject
        const parts = { life: new Lifetime(), config, path: [server], verb: 'POST', state: undefined } as const
        const origin = gatewayOrigin(subject, 'legacy')
        const handle = pipeline.handleOf(config, 'gateway')
        return {
          parent: new Exchange({ ...parts, origin, message: undefined, headers: {} }),
          handle: async (exchange) => (this.#closed ? Promise.reject(closing()) : handle(exchange)),
        }
      },
      track: (work) => void upstreamSessions.track(work),
      upstreamId: (server, config) => upstreams.of(server, config).id,
      watch: (onOutcome) => upstreams.watch(onOutcome),
    }
  }
}

/** A server that is legacy by its config gives no evidence of the contrary, or a client of both eras comes back. */
function refusalOf({ era, code, reason, data }: Rejection, { protocol }: ServerConfig): GatewayError {
  return protocol === 'legacy' && era === 'modern'
    ? new GatewayError('bad_request', reason)
    : new GatewayError(code, reason, { data })
}

function listens(message: Message): boolean {
  return message.kind === 'request' && message.method === LISTEN_METHOD
}

function closing(): GatewayError {
  return new GatewayError('closing', 'The gateway is shutting down')
}
