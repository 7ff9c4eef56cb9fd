/** The Bearer token of a request, from the `Authorization` header. (RFC 6750 section 2; OAuth 2.1 section 5.1) */
import { GatewayError } from '../../errors.ts'
import type { GatewayRequest } from '../../types.ts'

const TOKEN = /^Bearer +([\w.~+/-]+=*) *$/i
const SCHEME = /^Bearer(?: |$)/i

/**
 * Reads the Bearer token of a request, for an `authenticate` hook of your own. Returns `undefined` when there is no
 * `Authorization` header, or one of another scheme. (AU9)
 *
 * @example
 * ```js
 * const authenticate = async (request) => {
 *   const token = bearerToken(request)
 *   return token === undefined ? undefined : findUser(token)
 * }
 * ```
 *
 * @throws {GatewayError} `bad_request` for a token in the query, for two `Authorization` headers, and for a value that
 * is not a token.
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-2.1
 */
export function bearerToken(request: GatewayRequest): string | undefined {
  const { authorization } = request.headers
  if (request.url?.includes('?') === true) refuseQuery(request.url)
  if (authorization === undefined) return undefined
  if (hasTwoAuthorizations(request.rawHeaders)) throw malformed('There is more than one Authorization header')
  const token = TOKEN.exec(authorization)?.[1]
  if (token === undefined && SCHEME.test(authorization)) throw malformed('The Authorization header holds no token')
  return token
}

/** Whether the request has a Bearer token, valid or not. */
export function showsToken({ headers }: GatewayRequest): boolean {
  return headers.authorization !== undefined && SCHEME.test(headers.authorization)
}

function refuseQuery(url: string): void {
  const query = new URLSearchParams(url.slice(url.indexOf('?')))
  if (query.has('access_token')) throw malformed('Access tokens are taken in the Authorization header alone')
}

/** `request.headers` has the first of several headers alone, while a proxy may have checked another one. */
function hasTwoAuthorizations(rawHeaders: readonly string[]): boolean {
  let found = false
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length !== 'authorization'.length || name.toLowerCase() !== 'authorization') continue
    if (found) return true
    found = true
  }
  return false
}

function malformed(what: string): GatewayError {
  return new GatewayError('bad_request', what, { challenge: { error: 'invalid_request' } })
}
