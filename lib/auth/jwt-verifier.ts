/** Verifies access tokens: signature, type, issuer and validity period. (RFC 9068, section 4) */
import { errors, type JWTPayload, jwtVerify, type JWTVerifyOptions } from 'jose'
import { isInSeconds } from '../session/expiry.ts'
import { GatewayError } from '../errors.ts'
import { type IssuerKeys, KeysUnavailable } from './issuer-keys.ts'

export interface JwtRules {
  readonly issuer: string
  readonly algorithms: readonly string[]
  readonly clockToleranceS: number
}

/** The `typ` of access tokens. Many issuers still write `JWT` or none; tokens for other uses have types of their own. */
const TYPES: ReadonlySet<string> = new Set(['at+jwt', 'jwt'])

/** Messages by jose's error code, or by the invalid claim. They never repeat the contents of a token. */
const REASONS: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'The access token has expired',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'The signature of the access token is not valid',
  ERR_JWKS_NO_MATCHING_KEY: 'The access token is signed with a key that its issuer does not have',
  ERR_JOSE_ALG_NOT_ALLOWED: 'The access token is signed with an algorithm that is not taken here',
  iss: 'The access token is of another issuer',
  nbf: 'The access token is not valid yet',
  exp: 'The access token must have an expiry',
}

export interface VerifiedClaims {
  readonly claims: JWTPayload
  /** The generation of the keys that verified them. */
  readonly generation: number
}

export class JwtVerifier {
  readonly #keys: IssuerKeys
  readonly #options: JWTVerifyOptions

  constructor(keys: IssuerKeys, { issuer, algorithms, clockToleranceS }: JwtRules) {
    this.#keys = keys
    this.#options = {
      issuer,
      algorithms: [...algorithms],
      clockTolerance: clockToleranceS,
      requiredClaims: ['iss', 'exp'],
    }
  }

  /** Rejects with `unauthorized` for an invalid token, and with `unavailable` when the keys cannot be fetched. */
  async verify(token: string): Promise<VerifiedClaims> {
    for (;;) {
      const { generation } = this.#keys
      const claims = await this.#verifyOnce(token)
      // When the keys changed during the verification, the token must be verified with the new ones.
      if (generation === this.#keys.generation) return { claims, generation }
    }
  }

  async #verifyOnce(token: string): Promise<JWTPayload> {
    const { payload, protectedHeader } = await this.#check(token).catch((error: unknown) => {
      throw refusalOf(error)
    })
    if (!isAccessToken(protectedHeader.typ)) throw invalidToken('This is no access token')
    checkClaims(payload)
    // Such a token must not be accepted without its proof. (RFC 9449 section 7.1, RFC 8705 section 3)
    if (payload['cnf'] !== undefined) throw invalidToken('The access token is bound to a key, and is no bearer token')
    return payload
  }

  async #check(token: string): ReturnType<typeof jwtVerify> {
    try {
      return await jwtVerify(token, this.#keys.get, this.#options)
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      return this.#checkEach(token, error)
    }
  }

  /** A token without a key id may be signed by any matching key: each is tried. */
  async #checkEach(token: string, candidates: errors.JWKSMultipleMatchingKeys): ReturnType<typeof jwtVerify> {
    for await (const key of candidates) {
      try {
        return await jwtVerify(token, key, this.#options)
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/** jose does not check the type of `typ`. */
function isAccessToken(typ: unknown = 'jwt'): boolean {
  return typeof typ === 'string' && TYPES.has(typ.toLowerCase().replace(/^application\//, ''))
}

/**
 * Throws `unauthorized` for claims whose types RFC 7519, 4.1 does not allow: converted to text, different objects would
 * be the same id, "[object Object]".
 */
function checkClaims({ sub, aud, exp }: Readonly<Record<string, unknown>>): void {
  if (sub !== undefined && typeof sub !== 'string') throw invalidToken('The subject of the access token is malformed')
  if (aud !== undefined && ![aud].flat().every((each) => typeof each === 'string')) {
    throw invalidToken('The audience of the access token is malformed')
  }
  if (!isInSeconds(Number(exp ?? 0))) throw invalidToken('The expiry of the access token must be in seconds')
}

export function invalidToken(reason: string): GatewayError {
  return new GatewayError('unauthorized', reason, { challenge: { error: 'invalid_token' } })
}

function refusalOf(error: unknown): unknown {
  if (error instanceof KeysUnavailable) {
    return new GatewayError('unavailable', 'Access tokens cannot be checked now', { cause: error })
  }
  if (!(error instanceof errors.JOSEError)) return error
  const claim = error instanceof errors.JWTClaimValidationFailed ? error.claim : undefined
  return invalidToken(REASONS[claim ?? error.code] ?? 'The access token is malformed')
}
