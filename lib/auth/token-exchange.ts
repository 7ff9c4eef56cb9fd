/** tokenExchange(): the client's token, exchanged for one that is good at the upstream alone. (RFC 8693) */
import { hash } from 'node:crypto'
import { isPromise } from '../util/awaitable.ts'
import { GatewayError } from '../errors.ts'
import type { Awaitable, HeadersContext, Hook, Principal } from '../types.ts'
import { TokenEndpoint } from './token-endpoint.ts'
import { checkTokenOptions, type TokenOptions } from './token-options.ts'
import { Tokens } from './tokens.ts'

export interface TokenExchangeOptions<P extends Principal = Principal> extends TokenOptions {
  /**
   * The token that says for whom the gateway asks. Defaults to the bearer token of the client's request; an app with a
   * login of its own answers the one it got there. Without one there is nothing to exchange.
   */
  readonly subjectToken?: Hook<[context: HeadersContext<P>], Awaitable<string | undefined>> | undefined
  /** Defaults to `urn:ietf:params:oauth:token-type:access_token`. */
  readonly subjectTokenType?: string | undefined
}

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

/**
 * Makes a server's `headers`: a token that says the gateway asks for this principal. It is kept until it expires, for
 * this principal, this upstream and this very token of the client, and replaced when the upstream refuses it. Throws a
 * TypeError for options that cannot work.
 *
 * Where the gateway acts by itself, as when it ends an expired session, there is no request: the principal's last token
 * for the upstream serves as long as it lives, and after that there is none.
 *
 * What the function throws is a GatewayError: `unavailable` while the authorization server does not answer,
 * `upstream_unauthorized` when it gives no token or there is nothing to exchange.
 */
export function tokenExchange<P extends Principal = Principal>(
  options: TokenExchangeOptions<P>,
): (context: HeadersContext<P>) => Awaitable<Readonly<Record<string, string>>> {
  checkTokenOptions('tokenExchange', options, ['subjectToken', 'subjectTokenType'])
  const { subjectToken = bearerOf, subjectTokenType = ACCESS_TOKEN } = options
  if (typeof subjectToken !== 'function') {
    throw new TypeError(
      'tokenExchange: "subjectToken" must be a function ({ request, principal }) that answers a token',
    )
  }
  const endpoint = new TokenEndpoint(options)
  const tokens = new Tokens()

  function exchange(
    subject: string | undefined,
    { principal, request, url, refused }: HeadersContext,
  ): ReturnType<Tokens['headers']> {
    // A URL has no spaces, a digest has one length: no two of these run together.
    const whose = principal && `${url} ${principal.id}`
    if (!subject) return (!request && whose !== undefined && tokens.last(whose)) || nothing()
    const key = `${hash('sha256', subject)} ${whose ?? url}`
    const parameters = { subject_token: subject, subject_token_type: subjectTokenType }
    return tokens.headers(key, refused, () => endpoint.request(GRANT, url, parameters), whose)
  }

  return (context) => {
    const subject = subjectToken(context)
    return isPromise(subject) ? subject.then((token) => exchange(token, context)) : exchange(subject, context)
  }
}

function bearerOf({ request }: HeadersContext): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(request?.headers.authorization ?? '')?.[1]
}

function nothing(): never {
  throw new GatewayError('upstream_unauthorized', 'There is no token of the client to exchange for one of the upstream')
}
