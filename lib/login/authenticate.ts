/** `login.authenticate`: takes the login's own tokens, as long as their grants are in force. */
import { type JwtClaims, type JwtPrincipal, jwtBearer } from '../auth/jwt-bearer.ts'
import { invalidToken } from '../auth/jwt-verifier.ts'
import { GatewayError } from '../errors.ts'
import type { Awaitable, BearerAuthenticate } from '../types.ts'
import { andThen } from '../util/awaitable.ts'
import { browserPrincipal, isOfOwnBrowser } from './browser-principal.ts'
import type { GrantRecord } from './grants.ts'
import type { Hosts } from './hosts.ts'
import type { LiveGrants } from './live-grants.ts'
import type { LoginConfig } from './options.ts'
import { publicKey } from './signing-keys.ts'
import type { AgentClient } from './types.ts'

/** The principal of an agent: its `id` is that of the user in the app. */
export interface AgentPrincipal extends JwtPrincipal {
  /** The user, as `id`. */
  readonly user: string
  /** For a user without an agent, the app itself. */
  readonly client: AgentClient
  /**
   * The grant by which `disconnect()` can end this agent alone; `undefined` for the user without an agent, at the list of
   * servers in the browser.
   */
  readonly grant: string | undefined
}

export function agentAuthenticate(
  config: LoginConfig,
  hosts: Hosts,
  live: LiveGrants,
): BearerAuthenticate<AgentPrincipal> {
  const { issuer, keys, baseScope } = config
  const takeToken = jwtBearer({
    issuer,
    jwks: { keys: keys.map(publicKey) },
    algorithms: ['ES256'],
    scopes: [baseScope],
    principal: async (claims) => ownMembers(claims, hosts, live),
  })

  const authenticate = (...given: Parameters<BearerAuthenticate>): Awaitable<AgentPrincipal | undefined> => {
    if (isOfOwnBrowser(given[0])) return browserPrincipal(...given, config, hosts)
    return andThen(takeToken(...given) as Awaitable<AgentPrincipal | undefined>, (principal) => {
      if (principal?.grant === undefined) return undefined
      return andThen(findLive(live, principal.grant), (grant) => {
        if (!grant) throw invalidToken('The agent was disconnected')
        return principal
      })
    })
  }
  const { protectedResource } = takeToken
  return Object.assign(authenticate, { protectedResource, needsResource: true, attach: hosts.attach })
}

/** Called once for each token; the members that the gateway needs cannot be replaced. */
async function ownMembers(claims: JwtClaims, hosts: Hosts, live: LiveGrants): Promise<object | undefined> {
  const { sub: user, grant: id, aud } = claims
  if (typeof user !== 'string' || typeof id !== 'string' || typeof aud !== 'string') return undefined
  const grant = await findLive(live, id)
  if (grant?.user !== user || grant.resource !== aud) throw invalidToken('The agent was disconnected')
  const { client, server } = grant
  const own = await hosts.ownMembers(user, { client, server })
  return own && { ...own, id: user, user, client, grant: id }
}

function findLive(live: LiveGrants, id: string): Awaitable<GrantRecord | undefined> {
  const found = live.find(id)
  return found instanceof Promise ? found.catch(uncheckable) : found
}

function uncheckable(cause: unknown): never {
  throw new GatewayError('unavailable', 'Access tokens cannot be checked now', { cause })
}
