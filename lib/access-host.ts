/** What a gateway can do for its `authenticate` hook: find and look up servers, and end what a principal has open. */
import { GatewayError } from './errors.ts'
import type { ClientSession } from './exchange/exchange.ts'
import type { Flight } from './exchange/in-flight.ts'
import { lookUpServer } from './inbound/access/hooks.ts'
import type { Config } from './options.ts'
import type { GatewayParts } from './pipeline.ts'
import { recordOf } from './session/session-record.ts'
import type { AccessHost, BearerAuthenticate } from './types.ts'

/** Introduces a gateway to its hook. Returns the function that ends this, when the gateway closes. */
export function attachAccess(config: Config, parts: GatewayParts): () => void {
  const attach = config.authenticate === false ? undefined : (config.authenticate as Partial<BearerAuthenticate>).attach
  return attach?.(accessHost(config, parts)) ?? (() => {})
}

function accessHost(config: Config, parts: GatewayParts): AccessHost {
  const { protectedServers, report } = config
  const { inFlight, upstreamSessions } = parts

  /** Ends the session that an exchange belongs to, here and at its server. */
  function endSession({ exchange: { origin, config: server } }: Flight, session: ClientSession): void {
    const { principal } = origin
    upstreamSessions.enqueue(recordOf(session.record).upstream, { server: origin.server, config: server, principal })
    parts.forget(session.id).catch((error: unknown) => report(error, { server: origin.server, principal }))
  }

  return {
    serverOf(uri) {
      const name = protectedServers.serverOf(uri)
      return name === undefined ? undefined : { name, resource: protectedServers.uriOf(name)! }
    },
    async lookUp(name, { principal, request }) {
      try {
        return await lookUpServer(request, name, principal, config)
      } catch (error) {
        if (error instanceof GatewayError && error.status < 500) return undefined
        throw error
      }
    },
    end(test) {
      const ended = inFlight
        .snapshot()
        .filter(({ exchange: { origin } }) => origin.principal !== undefined && test(origin.principal))
      const sessions = new Map<string, readonly [Flight, ClientSession]>()
      for (const flight of ended) {
        const { session } = flight.exchange.origin
        if (session) sessions.set(session.id, [flight, session])
        flight.life.stop(withdrawn())
      }
      for (const each of sessions.values()) endSession(...each)
    },
  }
}

function withdrawn(): GatewayError {
  return new GatewayError('unauthorized', 'The access was withdrawn', { challenge: { error: 'invalid_token' } })
}
