/** The keys that sign access tokens: their checks, ids and public parts. (RFC 7517, RFC 7638) */
import { createPrivateKey, hash } from 'node:crypto'
import type { JWK } from 'jose'

/** A private key for ES256, with an id. */
export type SigningKey = {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly d: string
  readonly kid: string
  readonly alg: 'ES256'
  readonly use: 'sig'
}

/** Throws a TypeError for a key that is not one. */
export function signingKeys(keys: readonly JWK[]): readonly SigningKey[] {
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new TypeError('agentLogin: "keys" must be an array of private keys (JWK) for ES256; the first one signs')
  }
  const all = keys.map(signingKey)
  if (new Set(all.map(({ kid }) => kid)).size < all.length) {
    throw new TypeError('agentLogin: "keys" has the same key, or the same "kid", twice')
  }
  return all
}

/** What others need to verify what it signed. */
export type PublicKey = Pick<SigningKey, 'kty' | 'crv' | 'x' | 'y' | 'kid' | 'alg' | 'use'>

export function publicKey({ kty, crv, x, y, kid, alg, use }: SigningKey): PublicKey {
  return { kty, crv, x, y, kid, alg, use }
}

function signingKey(key: JWK): SigningKey {
  const { kty, crv, x, y, d, kid } = key ?? {}
  if (kty !== 'EC' || crv !== 'P-256' || !x || !y || !d || !isValid({ kty, crv, x, y, d })) {
    throw new TypeError(
      'agentLogin: "keys" must be private keys for ES256, as JWK: { kty: "EC", crv: "P-256", x, y, d }',
    )
  }
  const id =
    typeof kid === 'string' && kid !== '' ? kid : hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url')
  return { kty: 'EC', crv: 'P-256', x, y, d, kid: id, alg: 'ES256', use: 'sig' }
}

function isValid(key: JWK): boolean {
  try {
    createPrivateKey({ key: key as never, format: 'jwk' })
    return true
  } catch {
    return false
  }
}
