/** Answers a request with an error. */
import type { ServerResponse } from 'node:http'
import type { GatewayError } from '../errors.ts'
import { JSON_TYPE } from '../protocol.ts'
import type { GatewayRequest, RequestId } from '../types.ts'

/** What was begun cannot be turned into an error any more and is cut; a client that is gone is told nothing. */
export function refuse(request: GatewayRequest, response: ServerResponse, error: GatewayError, id?: RequestId): void {
  if (response.destroyed) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  const body = Buffer.from(error.toJsonRpc(id))
  response.writeHead(error.status, {
    ...error.headers,
    'content-type': JSON_TYPE,
    'content-length': body.length,
    // The rest of a body that was refused is not read.
    ...(!request.complete && { connection: 'close' }),
  })
  response.end(body)
}
