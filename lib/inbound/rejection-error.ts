/** The error for a message that was rejected, as clients of the server's era understand it. */
import { GatewayError } from '../errors.ts'
import type { ServerConfig } from '../types.ts'
import { bridgesModern, protocolOf } from '../upstream/server-kind.ts'
import type { Rejection } from './classify.ts'

/** For a server that is legacy by its config, a plain 400 makes a client of both eras fall back to the handshake. */
export function errorOfRejection({ era, code, reason, data }: Rejection, config: ServerConfig): GatewayError {
  return protocolOf(config) === 'legacy' && era === 'modern' && !bridgesModern(config)
    ? new GatewayError('bad_request', reason)
    : new GatewayError(code, reason, { data })
}
