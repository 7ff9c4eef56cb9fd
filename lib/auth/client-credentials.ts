/** clientCredentials(): upstream credentials from the OAuth 2.1 client credentials grant. */
import type { Awaitable, HeadersContext } from '../types.ts'
import { TokenEndpoint } from './token-endpoint.ts'
import { checkTokenOptions, type TokenOptions } from './token-options.ts'
import { Tokens } from './tokens.ts'

export type ClientCredentialsOptions = TokenOptions

/**
 * Makes a server's `headers`: a token that says the gateway itself is asking, the same for every principal. It is kept
 * until it expires, and replaced when the upstream refuses it. Throws a TypeError for options that cannot work.
 *
 * What the function throws is a GatewayError: `unavailable` while the authorization server does not answer,
 * `upstream_unauthorized` when it gives no token.
 */
export function clientCredentials(
  options: ClientCredentialsOptions,
): (context: HeadersContext) => Awaitable<Readonly<Record<string, string>>> {
  checkTokenOptions('clientCredentials', options)
  const endpoint = new TokenEndpoint(options)
  const tokens = new Tokens()
  return ({ url, refused }) => tokens.headers(url, refused, () => endpoint.request('client_credentials', url, {}))
}
