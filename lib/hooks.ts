/** Asks the embedder who is asking, and for which server; and checks what was answered. */
import { principalOf } from './auth/principal.ts'
import { requireScopes, scopeRulesOf, scopesOf } from './auth/scopes.ts'
import { andThen } from './awaitable.ts'
import { GatewayError } from './errors.ts'
import { checkExpiry } from './expiry.ts'
import type { Config } from './options.ts'
import type { Awaitable, GatewayRequest, Principal, ServerConfig } from './types.ts'

/** Who is asking, with the scopes that every request needs; `undefined` when everybody may. */
export function identify(request: GatewayRequest, server: string, config: Config): Awaitable<Principal | undefined> {
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

/** The server of this name, as this principal has it now. */
export function lookUp(
  request: GatewayRequest,
  server: string,
  principal: Principal | undefined,
  { lookup }: Config,
): Awaitable<ServerConfig> {
  return andThen(lookup(server, { principal, request }), checkFound)
}

function checkFound(config: ServerConfig | undefined): ServerConfig {
  if (config === undefined) throw new GatewayError('not_found', 'Unknown server')
  return config
}

/** Whether a message may be sent. The body is what counts: what the headers say of it has been compared by now. */
export function permit(
  json: unknown,
  server: string,
  config: ServerConfig,
  principal: Principal | undefined,
  { protectedServers }: Config,
): void {
  if (config.scopes) requireScopes(principal, scopesOf(scopeRulesOf(server, config), protectedServers.scopes, json))
}
