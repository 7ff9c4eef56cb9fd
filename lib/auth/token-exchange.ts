/** tokenExchange(): exchanges the client's token for one that only the server accepts. (RFC 8693) */
import { hash } from 'node:crypto'
import { checkOptions } from '../util/anchors.ts'
import { isPromise } from '../util/awaitable.ts'
import { GatewayError } from '../errors.ts'
import type { Awaitable, HeadersContext, Hook, Principal } from '../types.ts'
import { TokenEndpoint } from './token-endpoint.ts'
import { checkTokenOptions, type TokenOptions } from './token-options.ts'
import { Tokens } from './tokens.ts'

/** The options of `tokenExchange()`. */
export interface TokenExchangeOptions<P extends Principal | undefined = Principal | undefined> extends TokenOptions {
  /**
   * Returns the principal's token that is exchanged. Defaults to the Bearer token of the client's request; an app with a
   * login of its own returns the token from that login. `undefined` fails with `upstream_unauthorized`.
   */
  readonly subjectToken?: Hook<[context: HeadersContext<P>], Awaitable<string | undefined>> | undefined
  /** The type of that token. Defaults to `urn:ietf:params:oauth:token-type:access_token`. */
  readonly subjectTokenType?: string | undefined
}

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

/**
 * Creates a `headers` function that sends the server an access token on behalf of the principal. The token is cached
 * until it expires, for the principal, the server's URL and the client's token, and replaced when the server refuses it
 * (401).
 *
 * When the gateway acts without a request, such as to end an expired session, the principal's last token for the server
 * is used until it expires.
 *
 * The function throws a GatewayError: `unavailable` while the authorization server does not answer, and
 * `upstream_unauthorized` when it issues no token or there is no token to exchange.
 *
 * @example
 * ```js
 * const headers = tokenExchange({ issuer, clientId: 'gateway', clientSecret: process.env.CLIENT_SECRET })
 * const servers = { crm: { url: 'https://crm.example.com/mcp', headers } }
 * ```
 *
 * @throws {TypeError} for an invalid option; the message names the option and the cure.
 * @see https://www.rfc-editor.org/rfc/rfc8693#section-2.1
 */
export function tokenExchange<P extends Principal | undefined = Principal>(
  options: TokenExchangeOptions<P>,
): (context: HeadersContext<P>) => Awaitable<Readonly<Record<string, string>>> {
  checkOptions(tokenExchange, () => checkExchange(options))
  const { subjectToken = bearerOf, subjectTokenType = ACCESS_TOKEN } = options
  const endpoint = new TokenEndpoint(options)
  const tokens = new Tokens()

  function exchange(
    subject: string | undefined,
    { principal, request, url, refused }: HeadersContext,
  ): ReturnType<Tokens['headers']> {
    // Unambiguous keys: a URL has no spaces, and all digests have the same length.
    const principalKey = principal && `${url} ${principal.id}`
    if (!subject) return (!request && principalKey !== undefined && tokens.last(principalKey)) || noSubjectToken()
    const key = `${hash('sha256', subject)} ${principalKey ?? url}`
    const parameters = { subject_token: subject, subject_token_type: subjectTokenType }
    return tokens.headers(key, refused, () => endpoint.request(GRANT, url, parameters), principalKey)
  }

  return (context) => {
    const subject = subjectToken(context)
    return isPromise(subject) ? subject.then((token) => exchange(token, context)) : exchange(subject, context)
  }
}

function bearerOf({ request }: HeadersContext): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(request?.headers.authorization ?? '')?.[1]
}

function noSubjectToken(): never {
  throw new GatewayError('upstream_unauthorized', 'There is no token of the client to exchange for one of the server')
}

function checkExchange(options: TokenExchangeOptions<never>): void {
  checkTokenOptions('tokenExchange', options, { subjectToken: true, subjectTokenType: true })
  const { subjectTokenType = ACCESS_TOKEN } = options
  if (typeof subjectTokenType !== 'string' || subjectTokenType === '') {
    throw new TypeError('tokenExchange: "subjectTokenType" must be a URI')
  }
  if (options.subjectToken === undefined || typeof options.subjectToken === 'function') return
  throw new TypeError('tokenExchange: "subjectToken" must be a function ({ request, principal }) that answers a token')
}
