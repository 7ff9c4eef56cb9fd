/** Serves the metadata of a server, without authentication and to pages of any origin. (RFC 9728 section 3; AU4) */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../../errors.ts'
import type { SendWhole } from '../../exchange/gateway-internals.ts'
import { JSON_TYPE } from '../../protocol.ts'
import type { GatewayRequest } from '../../types.ts'
import type { ProtectedServers } from './protected-resource.ts'

const METHODS = 'GET, HEAD, OPTIONS'

/** The metadata does not depend on the principal, so pages of any origin may read it. */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': METHODS,
  'access-control-allow-headers': '*',
}

const MAX_AGE_S = 300

export async function answerMetadata(
  send: SendWhole,
  servers: ProtectedServers,
  server: string,
  request: GatewayRequest,
  response: ServerResponse,
): Promise<void> {
  const { method = '' } = request
  if (method === 'OPTIONS') {
    return send(response, 204, { ...CORS, 'access-control-max-age': '86400' })
  }
  if (method !== 'GET' && method !== 'HEAD') {
    throw new GatewayError('method_not_allowed', 'Method not allowed', { headers: { ...CORS, allow: METHODS } })
  }
  const metadata = await servers.metadataOf(server, request)
  if (!metadata) throw new GatewayError('not_found', 'Unknown server', { headers: CORS })
  const body = Buffer.from(JSON.stringify(metadata))
  const headers = { 'content-type': JSON_TYPE, 'content-length': body.length, 'cache-control': `max-age=${MAX_AGE_S}` }
  send(response, 200, { ...CORS, ...headers }, body)
}
