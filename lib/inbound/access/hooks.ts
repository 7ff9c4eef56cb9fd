/** Calls the embedder's `authenticate` and `servers` hooks, and checks what they return. */
import { checkExpiry } from '../../session/expiry.ts'
import { foundServer } from '../../session/found-server.ts'
import type { Authenticate, Awaitable, GatewayRequest, Principal, ServerConfig, ServerLookup } from '../../types.ts'
import { andThen } from '../../util/awaitable.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { principalOf } from './principal.ts'
import type { ProtectedServers } from './protected-resource.ts'
import { requireScopes } from './scopes.ts'

/** The embedder's hooks, with what their results are checked against. */
export interface AccessHooks {
  readonly authenticate: Authenticate | false
  readonly lookup: ServerLookup
  readonly protectedServers: ProtectedServers
}

/** The principal, which has the scopes that every request needs; `undefined` with `authenticate: false`. */
export function authenticate(
  request: GatewayRequest,
  server: string,
  { authenticate: hook, protectedServers }: AccessHooks,
): Awaitable<Principal | undefined> {
  if (hook === false) return undefined
  const resource = protectedServers.uriOf(server)
  return andThen(inHookTime(hook(request, { server, resource }), '"authenticate"'), (answer) => {
    const principal = principalOf(answer, request, resource)
    checkExpiry(principal)
    requireScopes(principal, protectedServers.scopes)
    return principal
  })
}

/** The config that the lookup returns for this name and principal. Throws `not_found` when it returns none. */
export function lookUpServer(
  request: GatewayRequest,
  server: string,
  principal: Principal | undefined,
  { lookup }: AccessHooks,
): Awaitable<ServerConfig> {
  return andThen(inHookTime(lookup(server, { principal, request }), '"servers"'), foundServer)
}
