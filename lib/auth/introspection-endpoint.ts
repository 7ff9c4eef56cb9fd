/** Asks an issuer what it says of an access token, with the gateway as the OAuth client. (RFC 7662, section 2) */
import {
  allowInsecureRequests,
  type AuthorizationServer,
  customFetch,
  introspectionRequest,
  processIntrospectionResponse,
} from 'oauth4webapi'
import { GatewayError } from '../errors.ts'
import { boundedFetch } from './bounded-fetch.ts'
import { clientAuth } from './client-options.ts'
import type { IntrospectedClaims, IntrospectionOptions } from './introspection-options.ts'
import { discover, trustedEndpoint } from './metadata.ts'
import { describe, isAnswer } from './token-endpoint.ts'

/** The most requests at once: tokens that strangers make up are asked for, too. */
const MAX_INTROSPECTIONS = 256

export class IntrospectionEndpoint {
  readonly #options: IntrospectionOptions
  readonly #timeoutMs: number
  /** Cached until a request fails other than by an error of the endpoint. */
  #metadata: Promise<AuthorizationServer> | undefined
  #running = 0

  constructor(options: IntrospectionOptions) {
    this.#options = options
    this.#timeoutMs = options.timeoutMs ?? 5_000
  }

  /** Rejects with `unavailable` when the issuer gives no answer, for whatever reason: the token may be good. */
  async introspect(token: string): Promise<IntrospectedClaims> {
    if (this.#running >= MAX_INTROSPECTIONS) throw unchecked(new Error('Too many access tokens are being introspected'))
    const sent = [token, this.#options.clientSecret ?? '']
    this.#running += 1
    try {
      return await this.#ask(await this.#discover(), token, sent)
    } catch (error) {
      if (!isAnswer(error)) this.#metadata = undefined
      throw unchecked(isAnswer(error) ? new Error(describe(error, sent, 'introspection endpoint')) : error)
    } finally {
      this.#running -= 1
    }
  }

  /** Adds the credentials of the request to `sent`, to be redacted from error messages. */
  async #ask(metadata: AuthorizationServer, token: string, sent: string[]): Promise<IntrospectedClaims> {
    const client = { client_id: this.#options.clientId }
    trustedEndpoint(metadata, 'introspection_endpoint')
    const auth = clientAuth(this.#options, metadata.introspection_endpoint_auth_methods_supported)
    const response = await introspectionRequest(metadata, client, auth, token, {
      additionalParameters: { token_type_hint: 'access_token' },
      [customFetch]: (url, init) => {
        sent.push(...init.body.values(), init.headers['authorization']?.replace(/^Basic /, '') ?? '')
        return boundedFetch(url, init)
      },
      // boundedFetch checks it, and allows `http:` on the local machine.
      [allowInsecureRequests]: true,
      signal: AbortSignal.timeout(this.#timeoutMs),
    })
    return processIntrospectionResponse(metadata, client, response)
  }

  #discover(): Promise<AuthorizationServer> {
    const { issuer, introspectionEndpoint } = this.#options
    this.#metadata ??=
      introspectionEndpoint === undefined
        ? discover(issuer, AbortSignal.timeout(this.#timeoutMs))
        : Promise.resolve({ issuer, introspection_endpoint: String(introspectionEndpoint) })
    return this.#metadata
  }
}

function unchecked(cause: unknown): GatewayError {
  return new GatewayError('unavailable', 'Access tokens cannot be checked now', { cause })
}
