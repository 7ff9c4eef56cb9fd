/** The `WWW-Authenticate` header of a refusal. (RFC 6750 section 3, RFC 9728 section 5.1; AU3, AU7) */
import type { GatewayError } from '../../errors.ts'

/** What the gateway knows of the server that was asked for. */
export interface Asked {
  readonly metadataUrl: string | undefined
  /** The scopes that every request needs. */
  readonly scopes: readonly string[]
}

/** The headers that ask a client for a token, none for an error that asks for nothing. */
export function challengeHeaders(error: GatewayError, asked: Asked): Readonly<Record<string, string>> {
  if (error.challenge === undefined) return {}
  const { error: code, scopes = asked.scopes } = error.challenge
  const parameters = {
    error: code,
    error_description: code && error.message,
    scope: code === 'invalid_request' ? '' : scopes.join(' '),
    resource_metadata: asked.metadataUrl,
  }
  const said = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '')
  const list = said.map(([name, value]) => `${name}="${quotable(value!)}"`).join(', ')
  return { 'www-authenticate': list === '' ? 'Bearer' : `Bearer ${list}`, 'cache-control': 'no-store' }
}

/** RFC 6750 has neither quotes nor backslashes nor anything but printable ASCII here. */
function quotable(value: string): string {
  return value.replaceAll('"', "'").replaceAll(/[^\x20-\x7e]|\\/g, '?')
}
