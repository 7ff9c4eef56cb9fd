/** Requests access tokens from an authorization server, with the gateway as the OAuth client. (AU15) */
import {
  allowInsecureRequests,
  type AuthorizationServer,
  customFetch,
  genericTokenEndpointRequest,
  processGenericTokenEndpointResponse,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'oauth4webapi'
import { GatewayError } from '../errors.ts'
import { blankOut } from './blank-out.ts'
import { boundedFetch, Unavailable } from './bounded-fetch.ts'
import { clientAuth } from './client-options.ts'
import { discover, trustedEndpoint } from './metadata.ts'
import { resourceOf, type TokenOptions } from './token-options.ts'

/** An access token, and its lifetime from the time of the request on. */
export interface Grant {
  readonly accessToken: string
  readonly lifetimeMs: number
}

/** The lifetime of a token without `expires_in`. A server that refuses it sooner makes the gateway request another. */
const USUAL_LIFETIME_S = 300

/** RFC 6750 section 2.1: other characters cannot be sent in a header. */
export const BEARER_TOKEN: RegExp = /^[\w.~+/-]+=*$/

/** The longest error description that is passed on, in characters. */
const MAX_DESCRIPTION = 200

/** The standard errors of token endpoints: RFC 6749, 6750, 8628, 8707, 9449, 9470, OpenID Connect, Entra ID. */
const CODES: ReadonlySet<string> = new Set([
  'access_denied',
  'authorization_pending',
  'consent_required',
  'expired_token',
  'insufficient_scope',
  'insufficient_user_authentication',
  'interaction_required',
  'invalid_client',
  'invalid_dpop_proof',
  'invalid_grant',
  'invalid_request',
  'invalid_resource',
  'invalid_scope',
  'invalid_target',
  'invalid_token',
  'login_required',
  'server_error',
  'slow_down',
  'temporarily_unavailable',
  'unauthorized_client',
  'unsupported_grant_type',
  'unsupported_token_type',
  'use_dpop_nonce',
])

export class TokenEndpoint {
  readonly #options: TokenOptions
  readonly #timeoutMs: number
  /** Cached until a request fails other than by an error of the token endpoint. */
  #metadata: Promise<AuthorizationServer> | undefined

  constructor(options: TokenOptions) {
    this.#options = options
    this.#timeoutMs = options.timeoutMs ?? 5_000
  }

  /** Rejects with a GatewayError: `unavailable` for a temporary failure, `upstream_unauthorized` for any other. */
  async request(grantType: string, url: string, parameters: Readonly<Record<string, string>>): Promise<Grant> {
    const { scopes, resource = resourceOf(url) } = this.#options
    const scope = scopes && { scope: scopes.join(' ') }
    const all = { resource, ...scope, ...parameters, ...this.#options.parameters }
    // Basic authentication encodes the secret, so the plain one is redacted as well.
    const sent = [this.#options.clientSecret ?? '']
    try {
      return await this.#ask(await this.#discover(), grantType, all, sent)
    } catch (error) {
      if (!isAnswer(error)) this.#metadata = undefined
      throw refusal(error, sent)
    }
  }

  /** Adds the values of the request to `sent`, to be redacted from error messages. */
  async #ask(
    metadata: AuthorizationServer,
    grantType: string,
    parameters: Record<string, string>,
    sent: string[],
  ): Promise<Grant> {
    const client = { client_id: this.#options.clientId }
    trustedEndpoint(metadata, 'token_endpoint')
    const auth = clientAuth(this.#options, metadata.token_endpoint_auth_methods_supported)
    const response = await genericTokenEndpointRequest(metadata, client, auth, grantType, parameters, {
      [customFetch]: (url, init) => {
        sent.push(...init.body.values(), init.headers['authorization']?.replace(/^Basic /, '') ?? '')
        return boundedFetch(url, init)
      },
      // boundedFetch checks it, and allows `http:` on the local machine.
      [allowInsecureRequests]: true,
      signal: AbortSignal.timeout(this.#timeoutMs),
    })
    const answer = await processGenericTokenEndpointResponse(metadata, client, response)
    if (answer.token_type !== 'bearer') throw new Error(`The token is of the type ${answer.token_type}, not bearer`)
    if (!BEARER_TOKEN.test(answer.access_token)) throw new Error('The token cannot be sent in a header')
    return { accessToken: answer.access_token, lifetimeMs: 1_000 * (answer.expires_in ?? USUAL_LIFETIME_S) }
  }

  #discover(): Promise<AuthorizationServer> {
    this.#metadata ??= discover(this.#options.issuer, AbortSignal.timeout(this.#timeoutMs))
    return this.#metadata
  }
}

/** Whether an error is a response of the endpoint, which means that the metadata is right. */
export function isAnswer(error: unknown): error is ResponseBodyError | WWWAuthenticateChallengeError {
  return error instanceof ResponseBodyError || error instanceof WWWAuthenticateChallengeError
}

/** A temporary failure is 503, so that the client tries again; a refusal is 502, which the operator has to fix. */
function refusal(error: unknown, sent: readonly string[]): GatewayError {
  return error instanceof Unavailable
    ? new GatewayError('unavailable', "The server's authorization server does not answer", { cause: error })
    : new GatewayError('upstream_unauthorized', 'The gateway was given no token for the server', {
        cause: new Error(isAnswer(error) ? describe(error, sent) : (error as Error).message),
      })
}

/** A message without secrets: the properties of the library's errors, and descriptions, may hold tokens. (SC7) */
export function describe(
  error: ResponseBodyError | WWWAuthenticateChallengeError,
  sent: readonly string[],
  endpoint = 'token endpoint',
): string {
  const { error: code, error_description: description } =
    error instanceof ResponseBodyError ? error : (error.cause[0]?.parameters ?? {})
  const kind = code === undefined ? 'no reason given' : CODES.has(code) ? code : 'an error that no standard has'
  const words = description === undefined ? '' : `: ${blankOut(description, sent, MAX_DESCRIPTION)}`
  return `The ${endpoint} answered ${error.status}, ${kind}${words}`
}
