/** mcpGateway(), the middleware that is mounted. It passes requests to running-gateway.ts. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from './errors.ts'
import { expose } from './exchange/gateway-internals.ts'
import { wantsPage } from './inbound/accept.ts'
import { challengeHeaders } from './inbound/access/challenge.ts'
import { answerMetadata } from './inbound/access/metadata-endpoint.ts'
import { InboundRequest } from './inbound/inbound-request.ts'
import { isInRoute, mountedAsRoute } from './inbound/path.ts'
import { serveInTurn } from './inbound/pipelining.ts'
import { type Config, parseOptions } from './options.ts'
import { faultOf } from './outbound/fault-of.ts'
import { refuse } from './outbound/refusal.ts'
import { HEADER, MODERN_VERSIONS } from './protocol.ts'
import { RunningGateway } from './running-gateway.ts'
import type { Authenticate, Gateway, GatewayOptions, GatewayRequest, Principal } from './types.ts'
import { checkOptions } from './util/anchors.ts'

type Next = (error?: unknown) => void

/**
 * Creates the middleware, which answers at `{mount}/{server}/mcp` and at the metadata URLs of RFC 9728.
 *
 * @example
 * ```js
 * const gateway = mcpGateway({ servers: { weather: { url: 'http://localhost:8080/mcp' } }, authenticate: false })
 * app.use('/mcp-servers', gateway)
 * process.once('SIGTERM', () => gateway.close())
 * ```
 *
 * @throws {TypeError} for an option that is unknown or cannot work; the message names the option and the cure.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 */
export function mcpGateway<P extends Principal = Principal>(options: GatewayOptions<P, Authenticate<P>>): Gateway
/** With `authenticate: false` hooks are given no principal. */
export function mcpGateway(options: GatewayOptions): Gateway
export function mcpGateway(options: GatewayOptions): Gateway {
  const config = checkOptions(mcpGateway, () => parseOptions(options))
  const { protectedServers } = config
  const running = checkOptions(mcpGateway, () => new RunningGateway(config))
  const fail = refusing(config, running)

  function gateway(request: GatewayRequest, response: ServerResponse, next?: Next): void {
    let inbound: InboundRequest
    try {
      const server = config.serverPath(request.url)
      const described = server === undefined ? protectedServers.belowMount(request.url) : undefined
      if (described !== undefined) return describe(described, request, response)
      if (next && server === undefined)
        return next(isInRoute(request, config.serverPath) ? mountedAsRoute() : undefined)
      if (next && request.method === 'OPTIONS') return next()
      if (server === undefined) throw new GatewayError('not_found', 'Not found')
      inbound = new InboundRequest(request, response, server)
      if (wantsPage(request)) return running.sendPage(inbound)
    } catch (error) {
      fail(new InboundRequest(request, response, ''), error)
      return
    }
    serveInTurn(inbound, (one) => running.answer(one, fail))
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
    const answered = answerMetadata(running.send, protectedServers, server, request, response)
    answered.catch((error: unknown) => void fail(new InboundRequest(request, response, server), error))
  }

  return expose(Object.assign(gateway, { wellKnown, close: running.close }), running.internals())
}

type Fail = (inbound: InboundRequest, error: unknown) => GatewayError

/** Answers with the error that the client may see, which it returns, and reports the rest to the operator. */
function refusing({ report, protectedServers }: Config, { send }: RunningGateway): Fail {
  return (inbound, error) => {
    const known = forEra(faultOf(error, inbound, report), inbound)
    const headers = () => challengeHeaders(known, protectedServers.asked(inbound.server))
    const unsent = refuse(send, inbound.request, inbound.response, known, inbound.id, headers, inbound)
    if (unsent !== undefined) report(unsent, inbound)
    return known
  }
}

/** A client of both eras would take a 429 for the answer of a legacy server, and begin a handshake. (CL9) */
function forEra(error: GatewayError, inbound: InboundRequest): GatewayError {
  const isModern = MODERN_VERSIONS.includes(inbound.header(HEADER.protocolVersion) ?? '')
  if (error.code !== 'rate_limited' || error.status !== 429 || !isModern) return error
  return new GatewayError(error.code, error.message, { status: 503, headers: error.headers })
}
