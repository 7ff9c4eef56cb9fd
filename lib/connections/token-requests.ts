/** The OAuth requests of the gateway as a client: authorization with PKCE, tokens, and their end. (OAuth 2.1, RFC 7009) */
import {
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  calculatePKCECodeChallenge,
  customFetch,
  processAuthorizationCodeResponse,
  processRefreshTokenResponse,
  processRevocationResponse,
  refreshTokenGrantRequest,
  revocationRequest,
  type TokenEndpointResponse,
} from 'oauth4webapi'
import { trustedEndpoint } from '../auth/metadata.ts'
import { BEARER_TOKEN } from '../auth/token-endpoint.ts'
import { scopeList } from './challenge.ts'
import type { AttemptRecord, ConnectionRecord, ConnectionTokens } from './records.ts'
import { serviceFault } from './service-fault.ts'
import type { Service } from './services.ts'

/** The time limit of a request, which is below the life of a refresh's lock. */
export const TOKEN_REQUEST_MS = 6_000

export interface GrantedTokens {
  readonly tokens: ConnectionTokens
  /** `undefined` where they are those that were asked for. */
  readonly scopes: readonly string[] | undefined
}

/** What the authorization response brought. */
export interface CodeAnswer {
  readonly parameters: URLSearchParams
  readonly redirectUri: string
}

export async function authorizationUrl(
  { metadata, clientId }: Service,
  { verifier, scopes, resource }: AttemptRecord,
  fixed: {
    readonly state: string
    readonly redirectUri: string
    readonly parameters: Readonly<Record<string, string>>
  },
): Promise<string> {
  const url = new URL(metadata.authorization_endpoint!)
  const parameters = {
    // MCP clients ask for consent where they ask for `offline_access`, without which it is ignored.
    ...(scopes.includes('offline_access') && { prompt: 'consent' }),
    ...fixed.parameters,
    response_type: 'code',
    client_id: clientId,
    redirect_uri: fixed.redirectUri,
    state: fixed.state,
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    ...(resource !== false && { resource }),
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** Rejects with a GatewayError, whose cause says why. */
export async function requestTokens(
  service: Service,
  answer: CodeAnswer,
  attempt: AttemptRecord,
): Promise<GrantedTokens> {
  const { metadata, clientId, auth } = service
  const sent = [attempt.verifier]
  const issuedAt = Date.now()
  try {
    const response = await authorizationCodeGrantRequest(
      metadata,
      { client_id: clientId },
      auth,
      answer.parameters,
      answer.redirectUri,
      attempt.verifier,
      { ...optionsOf(service, sent), additionalParameters: resourceParameter(attempt) },
    )
    return granted(await processAuthorizationCodeResponse(metadata, { client_id: clientId }, response), issuedAt)
  } catch (error) {
    throw serviceFault(error, metadata.issuer, sent)
  }
}

/** Rejects with the library's error, so that the caller can tell `invalid_grant`. `sent` gets what may be in no message. */
export async function refreshTokens(
  service: Service,
  { resource }: Pick<ConnectionRecord, 'resource'>,
  refresh: string,
  sent: string[],
): Promise<GrantedTokens> {
  const { metadata, clientId, auth } = service
  sent.push(refresh)
  const issuedAt = Date.now()
  const response = await refreshTokenGrantRequest(metadata, { client_id: clientId }, auth, refresh, {
    ...optionsOf(service, sent),
    additionalParameters: resourceParameter({ resource }),
  })
  const next = granted(await processRefreshTokenResponse(metadata, { client_id: clientId }, response), issuedAt)
  return { ...next, tokens: { ...next.tokens, refresh: next.tokens.refresh ?? refresh } }
}

/** Ends the tokens at the service, if it can do that. Rejects with a GatewayError where it could, and did not. */
export async function revokeTokens(service: Service, { refresh, access }: ConnectionTokens): Promise<void> {
  const { metadata, clientId, auth } = service
  if (metadata.revocation_endpoint === undefined) return
  trustedEndpoint(metadata, 'revocation_endpoint')
  const sent = [access, refresh ?? '']
  try {
    const options = { ...optionsOf(service, sent), additionalParameters: { token_type_hint: tokenTypeHint(refresh) } }
    const client = { client_id: clientId }
    await processRevocationResponse(await revocationRequest(metadata, client, auth, refresh ?? access, options))
  } catch (error) {
    throw serviceFault(error, metadata.issuer, sent)
  }
}

const tokenTypeHint = (refresh: string | undefined): string =>
  refresh === undefined ? 'access_token' : 'refresh_token'

function resourceParameter({ resource }: Pick<ConnectionRecord, 'resource'>): Record<string, string> {
  return resource === false ? {} : { resource }
}

/** Adds the values of the request to `sent`. */
function optionsOf({ fetch }: Service, sent: string[]): RequestOptions {
  return {
    [customFetch]: (url, init) => {
      sent.push(...init.body.values(), init.headers['authorization']?.replace(/^Basic /, '') ?? '')
      return fetch(url, init)
    },
    // The fetch checks it, and allows `http:` on the local machine.
    [allowInsecureRequests]: true,
    signal: AbortSignal.timeout(TOKEN_REQUEST_MS),
  }
}

type RequestOptions = NonNullable<Parameters<typeof refreshTokenGrantRequest>[4]>

function granted(answer: TokenEndpointResponse, issuedAt: number): GrantedTokens {
  const { access_token: access, refresh_token: refresh, expires_in: lifetimeS, token_type: type, scope } = answer
  if (type !== 'bearer') throw new Error(`The token is of the type ${type}, not bearer`)
  if (!BEARER_TOKEN.test(access)) throw new Error('The token cannot be sent in a header')
  const endsAt = lifetimeS === undefined ? undefined : issuedAt + 1_000 * lifetimeS
  const scopes = scope === undefined ? undefined : scopeList(scope)
  return { tokens: { access, refresh, issuedAt, endsAt }, scopes }
}
