/** Discovers the metadata of an issuer's authorization server. (RFC 8414, OpenID Connect Discovery; AU15) */
import { type AuthorizationServer, processDiscoveryResponse } from 'oauth4webapi'
import { boundedFetch, isOnThisMachine } from './bounded-fetch.ts'

/** The URLs where an issuer's metadata may be, in the order that MCP prescribes for clients. */
export function metadataUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const inserted = ['oauth-authorization-server', 'openid-configuration'].map(
    (name) => `${origin}/.well-known/${name}${path}`,
  )
  return path === '' ? inserted : [...inserted, `${origin}${path}/.well-known/openid-configuration`]
}

/** Rejects when there is no metadata, or only that of another issuer. `fetch` is for issuers that no option names. */
export async function discover(
  issuer: string,
  signal: AbortSignal,
  fetch: typeof boundedFetch = boundedFetch,
): Promise<AuthorizationServer> {
  for (const url of metadataUrls(issuer)) {
    const response = await fetch(url, { headers: { accept: 'application/json' }, signal })
    if (!isDocument(response)) continue
    const metadata = await processDiscoveryResponse(new URL(issuer), response)
    // RFC 8414 section 3.3 requires an identical string; the library compares URLs, and ignores a slash at the end.
    if (metadata.issuer === issuer) return metadata
    throw new Error(`${url} is of the issuer ${metadata.issuer}, not ${issuer}: configure the one it is`)
  }
  throw new Error(`${issuer} has no metadata at ${metadataUrls(issuer).join(', ')}`)
}

/**
 * The URL of an endpoint in the metadata. Throws when there is none, and when a remote issuer names one on the local
 * machine: the request would reach a service that trusts local requests (SSRF). (SC4)
 */
export function trustedEndpoint(
  metadata: AuthorizationServer,
  name: 'jwks_uri' | 'token_endpoint' | 'introspection_endpoint' | 'authorization_endpoint' | 'revocation_endpoint',
): string {
  const { issuer, [name]: url } = metadata
  const cure = name === 'jwks_uri' ? ': set "jwksUri"' : ''
  const fault = (what: string): Error => new Error(`The metadata of ${issuer} ${what}${cure}`)
  if (typeof url !== 'string' || !URL.canParse(url)) throw fault(`has no "${name}"`)
  if (isOnThisMachine(new URL(url)) && !isOnThisMachine(new URL(issuer))) {
    throw fault(`names a "${name}" on this machine, which only an issuer on this machine may`)
  }
  return url
}

/** Whether a response is a JSON document: many apps answer unknown paths with 200 and their start page. */
export function isDocument({ status, headers }: Response): boolean {
  return status === 200 && /^application\/json\b/i.test(headers.get('content-type') ?? '')
}
