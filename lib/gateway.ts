/** mcpGateway(): the way of a request, top to bottom. The only file that knows every folder. */
import type { ServerResponse } from 'node:http'
import { challengeHeaders } from './auth/challenge.ts'
import { answerMetadata } from './auth/metadata-endpoint.ts'
import { andThen, isPromise } from './awaitable.ts'
import { Conversations } from './conversations.ts'
import { GatewayError } from './errors.ts'
import { identify, lookUp, permit } from './hooks.ts'
import { admit } from './inbound/admit.ts'
import { readContent } from './inbound/body.ts'
import { classify, type Rejection } from './inbound/classify.ts'
import { checkAccept, GET_ACCEPTS, POST_ACCEPTS } from './inbound/headers.ts'
import { type Inside, reveal } from './inside.ts'
import { type Config, parseOptions } from './options.ts'
import { refuse } from './outbound/refusal.ts'
import type {
  Awaitable,
  ErrorContext,
  Gateway,
  GatewayOptions,
  GatewayRequest,
  Principal,
  ServerConfig,
} from './types.ts'
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
    const known = faultOf(config, error, visit)
    const asked = challengeHeaders(known, protectedServers.asked(visit.server))
    refuse(visit.request, visit.response, known, visit.id, asked)
  }

  const close: Gateway['close'] = ({ graceMs = 5_000 } = {}) => conversations.close(graceMs)
  return reveal(Object.assign(gateway, { wellKnown, close }), insideOf(config, conversations))
}

/** What to answer for a fault. */
function faultOf({ report }: Config, error: unknown, context: Partial<ErrorContext>): GatewayError {
  const known = error instanceof GatewayError ? error : new GatewayError('internal', 'Internal error')
  // A client's own fault is said to the client alone; what it cannot see, or mend, is the operator's to know.
  const isSwallowed = known.status >= 500 ? known.code !== 'closing' : known.cause !== undefined
  if (isSwallowed) report(error, context)
  return known
}

/** Who lists the servers asks the very functions that every message goes through. */
function insideOf(config: Config, { enquiries }: Conversations): Inside {
  const { path, onlyServer, publicUrl, servers } = config
  return {
    path,
    onlyServer,
    publicUrl,
    servers,
    admit: (request) => checkIn(request, config),
    identify: async (request, server) => identify(request, server, config),
    lookUp: async (request, server, principal) => lookUp(request, server, principal, config),
    faultOf: (error, context) => faultOf(config, error, context),
    enquiries,
  }
}

/**
 * The order is also the order of what leaks to whom: nobody unknown learns which servers there are. What hooks answer
 * at once is not waited for, here and in what follows.
 */
function serve(visit: Visit, config: Config, conversations: Conversations): Awaitable<void> {
  const { request, server } = visit
  const converse = CONVERSE[request.method ?? '']
  if (!converse) throw new GatewayError('method_not_allowed', 'Method not allowed')
  checkIn(request, config)
  return andThen(identify(request, server, config), (principal) => {
    visit.principal = principal
    return andThen(lookUp(request, server, principal, config), (found) => {
      visit.config = found
      return converse(visit, config, conversations)
    })
  })
}

function checkIn({ headers, socket }: GatewayRequest, { admission }: Config): void {
  admit(admission, headers.host, headers.origin, socket.localAddress)
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
      permit(json, visit.server, visit.config!, visit.principal, config)
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
