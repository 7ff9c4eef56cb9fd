/** Makes a principal of the claims of a verified JWT and of what the option `principal` returns. */
import type { JWTPayload } from 'jose'
import { subjectId } from '../inbound/access/principal.ts'
import type { Principal } from '../types.ts'
import { isObject } from '../util/json.ts'

/** The claims of a verified token. */
export type JwtClaims = Readonly<JWTPayload>

/** The principal of a JWT. */
export interface JwtPrincipal extends Principal {
  /** The issuer and the subject, separated by a space. */
  readonly id: string
  /** The scopes in the claim `scope`, else in `scp`. */
  readonly scopes: readonly string[]
  /** When the token expires: the claim `exp` plus the clock tolerance, in seconds since the epoch. */
  readonly expiresAt: number
  /** All claims of the token. */
  readonly claims: JwtClaims
}

/**
 * The `id` is empty where neither the token nor the option names a subject. Throws a TypeError for an invalid result of
 * the option: the gateway would otherwise match scopes to substrings of a text, or accept a token for which the option
 * returned `null`.
 */
export function principalOf(claims: JwtClaims, expiresAt: number, own: unknown, hook = 'jwtBearer'): JwtPrincipal {
  const check: Check = (isRight, what) => {
    if (!isRight) throw new TypeError(`${hook}: "principal" must answer ${what}`)
  }
  check(isObject(own), 'an object, or undefined to refuse the token')
  const { iss = '', sub = '', scope, scp } = claims
  const id = sub === '' ? '' : subjectId(iss, sub)
  const principal = { id, scopes: scopesIn(scope ?? scp), expiresAt, claims, ...own }
  check(typeof principal.id === 'string', 'an "id" that is a string, or leave it out')
  check(
    isArrayOrNothing(principal.scopes),
    '"scopes" as an array of strings, or leave them out: split a text at spaces',
  )
  // The option may shorten the lifetime of the token, never extend it.
  const given: unknown = principal.expiresAt ?? expiresAt
  check(typeof given === 'number' && !Number.isNaN(given), '"expiresAt" in seconds since the epoch, or leave it out')
  return { ...principal, expiresAt: Math.min(given, expiresAt) }
}

type Check = (isRight: boolean, what: string) => asserts isRight

function isArrayOrNothing(value: unknown): boolean {
  return value === undefined || value === null || Array.isArray(value)
}

function scopesIn(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((scope) => scope !== '')
  return Array.isArray(claim) ? claim.filter((scope) => typeof scope === 'string') : []
}
