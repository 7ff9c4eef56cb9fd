/** Reads the Bearer challenge of a `WWW-Authenticate` header. (RFC 9110 section 11.6.1; RFC 6750 section 3; RFC 9728 section 5.1) */

export interface BearerChallenge {
  readonly error: string | undefined
  readonly scopes: readonly string[]
  readonly resourceMetadata: string | undefined
}

const MAX_CHALLENGE_LENGTH = 8_192

/** A scheme, or a parameter with its value. */
const PART = /([a-z][\w-]*)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/gi

const NO_CHALLENGE: BearerChallenge = { error: undefined, scopes: [], resourceMetadata: undefined }

/** The first Bearer challenge; without any parameter where there is none. */
export function bearerChallengeIn(header: string | undefined): BearerChallenge {
  if (header === undefined || header.length > MAX_CHALLENGE_LENGTH) return NO_CHALLENGE
  const parameters = new Map<string, string>()
  let scheme = ''
  for (const [, name = '', quoted, token] of header.matchAll(PART)) {
    const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? token
    if (value === undefined) {
      if (scheme === 'bearer') break
      scheme = name.toLowerCase()
    } else if (scheme === 'bearer' && !parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value)
  }
  return {
    error: parameters.get('error'),
    scopes: scopeList(parameters.get('scope')),
    resourceMetadata: parameters.get('resource_metadata'),
  }
}

/** The scopes in a list with blanks between them. (RFC 6749 section 3.3) */
export function scopeList(list: string | undefined): readonly string[] {
  return [...new Set((list ?? '').split(' '))].filter((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))
}
