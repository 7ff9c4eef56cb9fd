/** The `WWW-Authenticate` header of a refusal. (RFC 6750 section 3, RFC 9728 section 5.1; AU3, AU7) */
import type { GatewayError } from '../../errors.ts'

/** The parts of a challenge that depend on the server. */
export interface ChallengeInfo {
  /** Where the server's metadata is (RFC 9728); `undefined` where it has none. */
  readonly metadataUrl: string | undefined
  /** The scopes that every request needs. */
  readonly scopes: readonly string[]
}

/** The headers that ask a client for a token; none for an error without a challenge. */
export function challengeHeaders(error: GatewayError, info: ChallengeInfo): Readonly<Record<string, string>> {
  if (error.challenge === undefined) return {}
  const { error: code, scopes = info.scopes } = error.challenge
  const parameters = {
    error: code,
    error_description: code && error.message,
    scope: code === 'invalid_request' ? '' : scopes.join(' '),
    resource_metadata: info.metadataUrl,
  }
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '')
  const list = given.map(([name, value]) => `${name}="${quotable(value!)}"`).join(', ')
  return { 'www-authenticate': list === '' ? 'Bearer' : `Bearer ${list}`, 'cache-control': 'no-store' }
}

/** RFC 6750 allows printable ASCII without quotes and backslashes here. */
function quotable(value: string): string {
  return value.replaceAll('"', "'").replaceAll(/[^\x20-\x7e]|\\/g, '?')
}
