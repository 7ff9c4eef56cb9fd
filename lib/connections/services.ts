/** Finds the authorization server of a server, and the gateway's client there. (RFC 9728, RFC 8414) */
import { type AuthorizationServer, type ClientAuth, None } from 'oauth4webapi'
import { boundedFetch, isSafe } from '../auth/bounded-fetch.ts'
import { clientAuth } from '../auth/client-options.ts'
import { discover, isDocument, trustedEndpoint } from '../auth/metadata.ts'
import { resourceOf } from '../auth/token-options.ts'
import type { ConnectionSubject } from '../exchange/connections.ts'
import { isObject } from '../util/json.ts'
import { type BearerChallenge, scopeList } from './challenge.ts'
import { Memo } from './memo.ts'
import type { ConnectionsConfig } from './options.ts'
import type { LinkRecord } from './records.ts'
import { serviceFault } from './service-fault.ts'
import type { ServiceFetch, ServiceFetches } from './service-fetch.ts'

/** An authorization server, and the gateway's client there. */
export interface Service {
  readonly metadata: AuthorizationServer
  readonly clientId: string
  readonly auth: ClientAuth
  readonly fetch: ServiceFetch
}

/** What a user is asked for. */
export type WantedAccess = Pick<LinkRecord, 'issuer' | 'resource' | 'scopes'>

/** The metadata of a protected resource. */
interface ResourceMetadata {
  readonly issuer: string
  readonly resource: string
  readonly scopes: readonly string[]
}

const DISCOVERY_MS = 10_000
const MAX_URL_LENGTH = 2_000

export class Services {
  readonly #config: ConnectionsConfig
  readonly #fetches: ServiceFetches
  readonly #resources = new Memo<ResourceMetadata>()
  readonly #issuers = new Memo<AuthorizationServer>()

  constructor(config: ConnectionsConfig, fetches: ServiceFetches) {
    this.#config = config
    this.#fetches = fetches
  }

  /** What to ask a user for, by the options, the server's challenge and its metadata. Rejects with a GatewayError. */
  async wantedBy({ server, url }: ConnectionSubject, challenge: BearerChallenge): Promise<WantedAccess> {
    const known = this.#config.serverOf(server)
    try {
      const { issuer, ...found } = known?.issuer
        ? { issuer: known.issuer, resource: resourceOf(url), scopes: [] }
        : await this.#metadataOf(url, challenge.resourceMetadata)
      const { metadata } = await this.of(server, issuer)
      const asked = challenge.scopes.length > 0 ? challenge.scopes : found.scopes
      // Where it is offered, there is no refresh token without it. (OpenID Connect Core section 11)
      const offline = metadata.scopes_supported?.includes('offline_access') ? ['offline_access'] : []
      const scopes = known?.scopes ?? (asked.length > 0 ? [...new Set([...asked, ...offline])] : [])
      return { issuer, resource: known?.resource ?? found.resource, scopes }
    } catch (error) {
      throw serviceFault(error, undefined)
    }
  }

  /** Rejects for an issuer that has no metadata, or where the gateway has no client. */
  async of(server: string, issuer: string): Promise<Service> {
    const known = this.#config.serverOf(server)
    const isPinned = known?.issuer === issuer
    const fetch = isPinned ? this.#fetches.trusted : this.#fetches.tokens
    const { authorizationEndpoint, tokenEndpoint } = (isPinned && known) || {}
    const metadata =
      authorizationEndpoint !== undefined && tokenEndpoint !== undefined
        ? { issuer, authorization_endpoint: authorizationEndpoint, token_endpoint: tokenEndpoint }
        : await this.#authorizationServer(issuer, isPinned)
    const registered = this.#config.clientOf(issuer)
    if (registered && isPinned) {
      const { clientId, clientSecret, privateKey } = registered
      const isPublic = clientSecret === undefined && privateKey === undefined
      const methods = metadata.token_endpoint_auth_methods_supported
      return { metadata, clientId, auth: isPublic ? None() : clientAuth({ ...registered, issuer }, methods), fetch }
    }
    if (registered) {
      throw new Error(
        `The server names the issuer ${issuer}, for which "clients" has an entry: if that is right, say so in "servers", { ${JSON.stringify(server)}: { issuer: ${JSON.stringify(issuer)} } }`,
      )
    }
    if (metadata['client_id_metadata_document_supported'] === true) {
      return { metadata, clientId: this.#config.clientDocumentUrl, auth: None(), fetch }
    }
    throw new Error(
      `${issuer} takes no client metadata documents: register the gateway there, with the redirect URI ${this.#config.redirectUri}, and put it into "clients"`,
    )
  }

  #authorizationServer(issuer: string, isPinned: boolean): Promise<AuthorizationServer> {
    return this.#issuers.of(`${isPinned} ${issuer}`, async () => {
      const url = new URL(issuer)
      if (!isSafe(url) || /[?#]/.test(issuer)) throw new Error(`${url.origin} is no issuer: it must be https:`)
      const fetch = isPinned ? this.#fetches.trusted : this.#fetches.documents
      const metadata = await discover(issuer, AbortSignal.timeout(DISCOVERY_MS), fetch)
      for (const name of ['authorization_endpoint', 'token_endpoint'] as const) {
        if (!isSafe(new URL(trustedEndpoint(metadata, name)))) throw new Error(`"${name}" of ${issuer} is not https:`)
      }
      const methods = metadata.code_challenge_methods_supported
      // An issuer that an option names may leave it out; of others nobody knows whether they check it. (AU, PKCE)
      const hasPkce = methods?.includes('S256') ?? isPinned
      if (!hasPkce) throw new Error(`${issuer} has no PKCE with S256`)
      return metadata
    })
  }

  /** The metadata of a server itself, which may name itself alone, and any issuer. */
  #metadataOf(url: string, named: string | undefined): Promise<ResourceMetadata> {
    return this.#resources.of(JSON.stringify([url, named]), async () => {
      const { origin, pathname } = new URL(url)
      const place = `${origin}/.well-known/oauth-protected-resource`
      const places = named === undefined ? [pathname === '/' ? [] : place + pathname, place].flat() : [named]
      for (const each of places) {
        if (each.length > MAX_URL_LENGTH || !URL.canParse(each)) throw new Error(`${origin} names metadata at no URL`)
        // The server's own origin is named by an option.
        const fetch = new URL(each).origin === origin ? boundedFetch : this.#fetches.documents
        const init = { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(DISCOVERY_MS) }
        const response = await fetch(each, init)
        if (isDocument(response)) return resourceMetadata(url, await response.json())
      }
      throw new Error(`${origin} has no metadata at ${places.join(', ')}: name its "issuer" in "servers"`)
    })
  }
}

/**
 * What a server says of itself. It may stand for itself and for what is above it at its origin, since a token for another
 * resource would be another server's. (RFC 9728 section 3.3)
 */
function resourceMetadata(url: string, document: unknown): ResourceMetadata {
  const { resource, authorization_servers: issuers, scopes_supported: scopes } = isObject(document) ? document : {}
  if (typeof resource !== 'string' || !isAbove(resource, url)) {
    throw new Error(`The metadata of ${new URL(url).origin} is of another resource`)
  }
  const issuer: unknown = Array.isArray(issuers) ? issuers[0] : undefined
  if (typeof issuer !== 'string' || issuer.length > MAX_URL_LENGTH || !URL.canParse(issuer)) {
    throw new Error(`The metadata of ${new URL(url).origin} names no authorization server`)
  }
  const listed = Array.isArray(scopes) ? scopes.filter((scope): scope is string => typeof scope === 'string') : []
  return { issuer, resource, scopes: scopeList(listed.join(' ')) }
}

function isAbove(resource: string, url: string): boolean {
  if (!URL.canParse(resource) || resource.includes('#') || resource.length > MAX_URL_LENGTH) return false
  const [above, below] = [new URL(resource), new URL(url)]
  const path = (pathname: string): string => (pathname.endsWith('/') ? pathname : `${pathname}/`)
  return above.origin === below.origin && path(below.pathname).startsWith(path(above.pathname))
}
