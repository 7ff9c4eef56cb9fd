/** Asks the embedder who is asking, and for which server; and checks what was answered. */
import { checkExpiry } from '../../session/expiry.ts'
import { foundServer } from '../../session/found-server.ts'
import type { Authenticate, Awaitable, GatewayRequest, Principal, ServerConfig, ServerLookup } from '../../types.ts'
import { andThen } from '../../util/awaitable.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { principalOf } from './principal.ts'
import type { ProtectedServers } from './protected-resource.ts'
import { requireScopes } from './scopes.ts'

/** The embedder's hooks, and what their answers are checked against. */
export interface AccessHooks {
  readonly authenticate: Authenticate | false
  readonly lookup: ServerLookup
  readonly protectedServers: ProtectedServers
}

/** The principal, with the scopes that every request needs; `undefined` when everybody may. */
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

/** The server of this name, as this principal has it now. */
export function lookUpServer(
  request: GatewayRequest,
  server: string,
  principal: Principal | undefined,
  { lookup }: AccessHooks,
): Awaitable<ServerConfig> {
  return andThen(inHookTime(lookup(server, { principal, request }), '"servers"'), foundServer)
}
