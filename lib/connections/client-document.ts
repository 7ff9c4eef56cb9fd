/** The metadata document by which authorization servers know the gateway. (draft-ietf-oauth-client-id-metadata-document) */
import type { ServerResponse } from 'node:http'
import type { ConnectionsConfig } from './options.ts'

export function clientDocument(config: ConnectionsConfig, response: ServerResponse): void {
  const body = JSON.stringify({
    client_id: config.clientDocumentUrl,
    client_name: config.name,
    client_uri: config.origin,
    redirect_uris: [config.redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  })
  response.writeHead(200, {
    'access-control-allow-origin': '*',
    'cache-control': 'public, max-age=3600',
    'content-length': Buffer.byteLength(body),
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
  })
  response.end(body)
}
