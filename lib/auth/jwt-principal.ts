/** The claims of a verified JWT, and what the option `principal` adds to them -> a principal. */
import type { JWTPayload } from 'jose'
import { subjectId } from '../inbound/access/principal.ts'
import type { Principal } from '../types.ts'
import { isObject } from '../util/json.ts'

/** The claims of a verified token. */
export type JwtClaims = Readonly<JWTPayload>

/** Who showed a JWT. */
export interface JwtPrincipal extends Principal {
  /** Issuer and subject. */
  readonly id: string
  /** Those in `scope`, else in `scp`. */
  readonly scopes: readonly string[]
  /** The token's `exp` and the tolerance: from then on it is refused. In seconds since the epoch. */
  readonly expiresAt: number
  readonly claims: JwtClaims
}

/**
 * Its `id` is empty where neither the token nor the option says who it is. Throws a TypeError for what the option may
 * not answer: the gateway would otherwise compare scopes within a text, or take `null` for consent.
 */
export function principalOf(claims: JwtClaims, expiresAt: number, own: unknown): JwtPrincipal {
  check(isObject(own), 'an object, or undefined to refuse the token')
  const { iss = '', sub = '', scope, scp } = claims
  const id = sub === '' ? '' : subjectId(iss, sub)
  const principal = { id, scopes: scopesIn(scope ?? scp), expiresAt, claims, ...own }
  check(typeof principal.id === 'string', 'an "id" that is a string, or leave it out')
  check(
    isArrayOrNothing(principal.scopes),
    '"scopes" as an array of strings, or leave them out: split a text at spaces',
  )
  // It may end sooner than the token, and never later.
  const given: unknown = principal.expiresAt ?? expiresAt
  check(typeof given === 'number' && !Number.isNaN(given), '"expiresAt" in seconds since the epoch, or leave it out')
  return { ...principal, expiresAt: Math.min(given, expiresAt) }
}

function check(isRight: boolean, what: string): asserts isRight {
  if (!isRight) throw new TypeError(`jwtBearer: "principal" must answer ${what}`)
}

function isArrayOrNothing(value: unknown): boolean {
  return value === undefined || value === null || Array.isArray(value)
}

function scopesIn(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((scope) => scope !== '')
  return Array.isArray(claim) ? claim.filter((scope) => typeof scope === 'string') : []
}
