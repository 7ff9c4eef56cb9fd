/** clientCredentials(): credentials for a server, from the client credentials grant of OAuth 2.1. */
import type { Awaitable, HeadersContext } from '../types.ts'
import { checkOptions } from '../util/anchors.ts'
import { TokenEndpoint } from './token-endpoint.ts'
import { checkTokenOptions, type TokenOptions } from './token-options.ts'
import { Tokens } from './tokens.ts'

/** The options of `clientCredentials()`. */
export type ClientCredentialsOptions = TokenOptions

/**
 * Creates a `headers` function that sends the server an access token of the gateway itself, the same one for every
 * principal. The token is cached until it expires, and replaced when the server refuses it (401).
 *
 * The function throws a GatewayError: `unavailable` while the authorization server does not answer, and
 * `upstream_unauthorized` when it issues no token.
 *
 * @example
 * ```js
 * const headers = clientCredentials({ issuer, clientId: 'gateway', clientSecret: process.env.CLIENT_SECRET })
 * const servers = { billing: { url: 'https://billing.example.com/mcp', headers } }
 * ```
 *
 * @throws {TypeError} for an invalid option; the message names the option and the cure.
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1#section-4.2
 */
export function clientCredentials(
  options: ClientCredentialsOptions,
): (context: HeadersContext) => Awaitable<Readonly<Record<string, string>>> {
  checkOptions(clientCredentials, () => checkTokenOptions('clientCredentials', options))
  const endpoint = new TokenEndpoint(options)
  const tokens = new Tokens()
  return ({ url, refused }) => tokens.headers(url, refused, () => endpoint.request('client_credentials', url, {}))
}
