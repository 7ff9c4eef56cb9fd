/** The metadata of the authorization server, and the paths where clients look for it. (RFC 8414, OpenID Connect Discovery) */
import type { LoginConfig } from './options.ts'
import { PATHS } from './paths.ts'

/**
 * The members that OpenID Connect Discovery requires are there too: clients that find the document at its place refuse
 * it without them. There are no ID tokens.
 */
export function metadataOf({ issuer, origin, path, scopes, baseScope, registration }: LoginConfig): object {
  const base = origin + path
  return {
    issuer,
    authorization_endpoint: base + PATHS.authorize,
    token_endpoint: base + PATHS.token,
    revocation_endpoint: base + PATHS.revoke,
    ...(registration && { registration_endpoint: base + PATHS.register }),
    jwks_uri: base + PATHS.jwks,
    // Many clients ask for whatever stands here: the rest is asked for by a challenge, when it is needed.
    scopes_supported: Object.keys(scopes).filter((scope) => scope === baseScope),
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['ES256', 'RS256', 'PS256', 'EdDSA'],
    revocation_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
    revocation_endpoint_auth_signing_alg_values_supported: ['ES256', 'RS256', 'PS256', 'EdDSA'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    client_id_metadata_document_supported: true,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  }
}

/** Clients differ in where they look for the metadata of an issuer with a path; some leave the path out. */
export function metadataPaths(path: string): ReadonlySet<string> {
  const names = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']
  return new Set(names.flatMap((name) => [name + path, path + name, name]))
}
