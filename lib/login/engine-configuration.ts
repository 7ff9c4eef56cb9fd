/** The configuration of oidc-provider: authorization codes with PKCE for one resource, and nothing else that it can do. */
import { type EngineContext, type EngineToken, errors } from 'oidc-provider'
import { engineAdapter, type AdapterParts } from './engine-adapter.ts'
import { engineCall } from './engine-call.ts'
import type { Hosts } from './hosts.ts'
import type { LoginConfig } from './options.ts'
import { PATHS } from './paths.ts'
import type { GuardedFetch } from '../util/guarded-fetch.ts'

export interface ConfigurationParts extends AdapterParts {
  readonly config: LoginConfig
  readonly hosts: Hosts
  readonly fetch: GuardedFetch
}

/** How long a code is good, in seconds: the client is redirected with it. */
const CODE_S = 60

/** How much the clocks of nodes may differ, in seconds. */
const CLOCKS_S = 15

export function engineConfiguration(parts: ConfigurationParts): object {
  const { config, fetch } = parts
  const { accessS, refreshS, grantS } = config.ttl
  return {
    adapter: (kind: string) => engineAdapter(kind, parts),
    jwks: { keys: config.keys },
    routes: { authorization: PATHS.authorize, token: PATHS.token, revocation: PATHS.revoke, jwks: PATHS.jwks },
    responseTypes: ['code'],
    clientAuthMethods: ['none', 'private_key_jwt'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clockTolerance: CLOCKS_S,
    expiresWithSession: () => false,
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    revokeGrantPolicy: () => true,
    pkce: { required: () => true },
    interactions: { url: () => PATHS.consent },
    cookies: { keys: [], long: { signed: false }, short: { signed: false } },
    extraTokenClaims: (_context: unknown, { grantId }: EngineToken) => ({ grant: grantId }),
    renderError: (context: EngineContext, out: object) => void (context.body = out),
    findAccount: async (_context: unknown, id: string, token?: EngineToken) =>
      token === undefined || (await mayStill(id, token, parts))
        ? { accountId: id, claims: () => ({ sub: id }) }
        : undefined,
    fetch: (url: string | URL) => fetch(String(url)),
    ttl: {
      AccessToken: accessS,
      AuthorizationCode: CODE_S,
      RefreshToken: refreshS,
      Grant: grantS,
      Interaction: CODE_S,
      Session: CODE_S,
      IdToken: accessS,
      ClientCredentials: accessS,
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: false },
      revocation: { enabled: true, allowedPolicy: isOwnToken },
      resourceIndicators: resourceIndicators(parts),
    },
  }
}

function isOwnToken(_context: unknown, client: { readonly clientId: string }, token: EngineToken): boolean {
  return token.clientId === client.clientId
}

/** A token is for one resource, which is a server of a gateway. */
function resourceIndicators({ config, hosts }: ConfigurationParts): object {
  return {
    enabled: true,
    useGrantedResource: () => true,
    defaultResource: () => {
      throw new errors.InvalidTarget('resource is required: the URL of the MCP server')
    },
    getResourceServerInfo: (context: EngineContext, resource: string) => {
      if (Array.isArray(context.oidc.params?.['resource'])) throw new errors.InvalidTarget('there must be one resource')
      if (hosts.serverOf(resource)?.resource !== resource) throw new errors.InvalidTarget('resource is not known')
      return {
        scope: Object.keys(config.scopes).join(' '),
        audience: resource,
        accessTokenTTL: config.ttl.accessS,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256', kid: config.keys[0]!.kid } },
      }
    },
  }
}

/** Whether the user may still use the server: asked whenever a token is issued. */
async function mayStill(
  user: string,
  { grantId, resource }: EngineToken,
  { hosts, grants }: ConfigurationParts,
): Promise<boolean> {
  const { request, grants: found } = engineCall()
  if (grantId === undefined || typeof resource !== 'string') return false
  const grant = found.get(grantId) ?? (await grants.find(grantId))
  if (!grant) return false
  const { client, scopes } = grant
  return (await hosts.titleFor(resource, { user, client, scopes, grant: grantId, request })) !== undefined
}
