/** Makes a principal of what an `authenticate` hook returned. */
import { hash } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import type { AuthInfo, GatewayRequest, Principal } from '../../types.ts'
import { showsToken } from './bearer.ts'
import { isAudience } from './resource.ts'
import { grantedScopes } from './scopes.ts'

/** Throws `unauthorized` for `undefined`, and a TypeError for any other value that is not a principal. */
export function principalOf(answer: unknown, request: GatewayRequest, resource: string | undefined): Principal {
  if (answer === undefined) throw unauthorized(request)
  if (hasId(answer)) return withScopes(answer)
  if (isAuthInfo(answer)) return withScopes(fromAuthInfo(answer, resource))
  throw new TypeError('"authenticate" must answer { id } with an id that is not empty, or undefined')
}

/** The principal itself. Throws a TypeError for `scopes` that are not an array. */
function withScopes(principal: Principal): Principal {
  grantedScopes(principal)
  return principal
}

/** The challenge says `invalid_token` only to a client that sent a token. (RFC 6750, section 3.1) */
function unauthorized(request: GatewayRequest): GatewayError {
  return showsToken(request)
    ? new GatewayError('unauthorized', 'The access token is not valid', { challenge: { error: 'invalid_token' } })
    : new GatewayError('unauthorized', 'Authentication required')
}

function hasId(answer: unknown): answer is Principal {
  const id = (answer as Principal | null)?.id
  return typeof id === 'string' && id !== ''
}

function isAuthInfo(answer: unknown): answer is AuthInfo {
  const { id, token, clientId } = (answer ?? {}) as Partial<AuthInfo & Principal>
  return id === undefined && typeof token === 'string' && token !== '' && typeof clientId === 'string'
}

function fromAuthInfo(info: AuthInfo, resource: string | undefined): Principal {
  if (info.resource !== undefined && resource !== undefined && !isAudience(String(info.resource), resource)) {
    throw new GatewayError('unauthorized', 'The access token is for another resource', {
      challenge: { error: 'invalid_token' },
    })
  }
  const { iss, sub } = info.extra ?? {}
  const isSubject = typeof iss === 'string' && typeof sub === 'string' && iss !== '' && sub !== ''
  return { ...info, id: isSubject ? subjectId(iss, sub) : `token ${hashOf(info.token)}` }
}

/** The id of a subject. It is unambiguous, since an issuer is a URL and has no spaces. */
export function subjectId(issuer: string, subject: string): string {
  return `${issuer} ${subject}`
}

/** The digest of a token, for ids and cache keys, where the secret itself must not be kept. */
export function hashOf(token: string): string {
  return hash('sha256', token, 'base64url')
}
