/** mcpGateway(): the way of a request, top to bottom. The only file that knows every folder. */
import type { ServerResponse } from 'node:http'
import { challengeHeaders } from './auth/challenge.ts'
import { answerMetadata } from './auth/metadata-endpoint.ts'
import { principalOf } from './auth/principal.ts'
import { requireScopes, scopeRulesOf, scopesOf } from './auth/scopes.ts'
import { andThen, isPromise } from './awaitable.ts'
import { Conversations } from './conversations.ts'
import { GatewayError } from './errors.ts'
import { admit } from './inbound/admit.ts'
import { readContent } from './inbound/body.ts'
import { classify, type Rejection } from './inbound/classify.ts'
import { checkAccept, GET_ACCEPTS, POST_ACCEPTS } from './inbound/headers.ts'
import { type Config, parseOptions } from './options.ts'
import { refuse } from './outbound/refusal.ts'
import { checkExpiry } from './expiry.ts'
import type { Awaitable, Gateway, GatewayOptions, GatewayRequest, Principal, ServerConfig } from './types.ts'
import { Visit } from './visit.ts'

type Next = (error?: unknown) => void

/** Makes the middleware. Throws a TypeError, which says the cure, for options that cannot work. */
export function mcpGateway<P extends Principal = Principal>(options: GatewayOptions<P>): Gateway {
  const config = parseOptions(options)
  const { protectedServers } = config
  const conversations = new Conversations(config)

  function gateway(request: GatewayRequest, response: ServerResponse, next?: Next): void {
    let visit: Visit | undefined
    try {
      const server = config.address(request.url)
      const described = server === undefined ? protectedServers.belowMount(request.url) : undefined
      if (described !== undefined) return describe(described, request, response)
      if (next && (server === undefined || request.method === 'OPTIONS')) return next()
      if (server === undefined) throw new GatewayError('not_found', 'Not found')
      visit = new Visit(request, response, server)
      const served = serve(visit, config, conversations)
      if (isPromise(served)) served.catch((error: unknown) => fail(visit!, error))
    } catch (error) {
      fail(visit ?? new Visit(request, response, ''), error)
    }
  }

  function wellKnown(request: GatewayRequest, response: ServerResponse, next?: Next): void {
    try {
      const server = protectedServers.atRoot(request.url)
      if (server !== undefined) return describe(server, request, response)
      if (next) return next()
      throw new GatewayError('not_found', 'Not found')
    } catch (error) {
      fail(new Visit(request, response, ''), error)
    }
  }

  function describe(server: string, request: GatewayRequest, response: ServerResponse): void {
    answerMetadata(protectedServers, server, request, response).catch((error: unknown) =>
      fail(new Visit(request, response, server), error),
    )
  }

  function fail(visit: Visit, error: unknown): void {
    const known = error instanceof GatewayError ? error : new GatewayError('internal', 'Internal error')
    const asked = challengeHeaders(known, protectedServers.asked(visit.server))
    refuse(visit.request, visit.response, known, visit.id, asked)
    // A client's own fault is said to the client alone; what it cannot see, or mend, is the operator's to know.
    const isSwallowed = known.status >= 500 ? known.code !== 'closing' : known.cause !== undefined
    if (isSwallowed) config.report(error, visit)
  }

  return Object.assign(gateway, {
    wellKnown,
    close: ({ graceMs = 5_000 }: { readonly graceMs?: number | undefined } = {}) => conversations.close(graceMs),
  })
}

/**
 * The order is also the order of what leaks to whom: nobody unknown learns which servers there are. What hooks answer
 * at once is not waited for, here and in what follows.
 */
function serve(visit: Visit, config: Config, conversations: Conversations): Awaitable<void> {
  const { request } = visit
  const converse = CONVERSE[request.method ?? '']
  if (!converse) throw new GatewayError('method_not_allowed', 'Method not allowed')
  admit(config.admission, request.headers.host, request.headers.origin, request.socket.localAddress)
  return andThen(identify(visit, config), (principal) => {
    visit.principal = principal
    return andThen(lookUp(visit, config), (server) => {
      visit.config = server
      return converse(visit, config, conversations)
    })
  })
}

type Converse = (visit: Visit, config: Config, conversations: Conversations) => Awaitable<void>

const CONVERSE: Readonly<Record<string, Converse | undefined>> = {
  /** A message: body, then what it is, then where it belongs. */
  POST(visit, config, conversations) {
    checkAccept(visit.header('accept'), POST_ACCEPTS)
    return andThen(readContent(visit.request, config.bodyBytes), ({ bytes, json }) => {
      const message = classify(json, visit.standardHeaders())
      if ('id' in message) visit.id = message.id
      if (message.kind === 'rejection') throw refusalOf(message, visit.config!)
      if (visit.config!.scopes) permit(visit, config, json)
      return conversations.say(visit, message, bytes)
    })
  },

  /** A listener. */
  GET(visit, _config, conversations) {
    checkAccept(visit.header('accept'), GET_ACCEPTS)
    return conversations.listen(visit)
  },

  /** The end of a session. */
  DELETE(visit, _config, conversations) {
    return conversations.end(visit)
  },
}

/** A server that is legacy by its config gives no evidence of the contrary, or a client of both eras comes back. */
function refusalOf({ era, code, reason, data }: Rejection, { protocol }: ServerConfig): GatewayError {
  return protocol === 'legacy' && era === 'modern'
    ? new GatewayError('bad_request', reason)
    : new GatewayError(code, reason, { data })
}

/** Who is asking, with the scopes that every request needs. */
function identify({ request, server }: Visit, config: Config): Awaitable<Principal | undefined> {
  const { authenticate, protectedServers } = config
  if (authenticate === false) return undefined
  const resource = protectedServers.uriOf(server)
  return andThen(authenticate(request, { server, resource }), (answer) => {
    const principal = principalOf(answer, request, resource)
    checkExpiry(principal)
    requireScopes(principal, protectedServers.scopes)
    return principal
  })
}

/** The body is what counts: what the headers say of it has been compared by now. */
function permit({ server, config, principal }: Visit, { protectedServers }: Config, json: unknown): void {
  requireScopes(principal, scopesOf(scopeRulesOf(server, config!), protectedServers.scopes, json))
}

function lookUp({ request, server, principal }: Visit, { lookup }: Config): Awaitable<ServerConfig> {
  return andThen(lookup(server, { principal, request }), checkFound)
}

function checkFound(config: ServerConfig | undefined): ServerConfig {
  if (config === undefined) throw new GatewayError('not_found', 'Unknown server')
  return config
}
