/**
 * Takes the user of a browser without a token, at the app's own pages: the list of servers, and what it lets people try
 * at the endpoints.
 */
import type { AuthenticateContext, GatewayRequest } from '../types.ts'
import type { AgentPrincipal } from './authenticate.ts'
import { userOf } from '../pages/browser.ts'
import type { Hosts } from './hosts.ts'
import type { LoginConfig } from './options.ts'
import type { AgentClient } from './types.ts'

/**
 * Whether a page of this origin sent a request, or a person opened a page. No page of another site can set these headers,
 * and no client but a browser has the cookies of one, so that a request by a stranger's page is never the user's.
 */
export function isOfOwnBrowser({ method, headers }: GatewayRequest): boolean {
  if (headers.authorization !== undefined) return false
  if (headers['sec-fetch-site'] === 'same-origin') return true
  // A link from anywhere may lead to a page; what is read there, only the person sees.
  return headers['sec-fetch-mode'] === 'navigate' && (method === 'GET' || method === 'HEAD')
}

/** The principal for the user who is logged in to the app; `undefined` for nobody, or a user that is refused. */
export async function browserPrincipal(
  request: GatewayRequest,
  { server }: AuthenticateContext,
  config: LoginConfig,
  hosts: Hosts,
): Promise<AgentPrincipal | undefined> {
  const found = await userOf(request, config)
  if (!found) return undefined
  const { issuer, origin, title, scopes, ttl } = config
  const host = new URL(origin).host
  const client: AgentClient = { id: issuer, name: title ?? host, verifiedHost: host, redirectHost: host }
  const own = await hosts.ownMembers(found.id, { client, server })
  if (own === undefined) return undefined
  const expiresAt = Math.floor(Date.now() / 1_000) + ttl.accessS
  const claims = { iss: issuer, sub: found.id }
  const user = found.id
  // The list of servers greets by it.
  const name = found.name === undefined ? {} : { name: found.name }
  return { ...name, scopes: Object.keys(scopes), ...own, expiresAt, claims, id: user, user, client, grant: undefined }
}
