/** Answers a request with an error. */
import type { ServerResponse } from 'node:http'
import type { GatewayError } from '../errors.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import { JSON_TYPE } from '../protocol.ts'
import type { ErrorContext, GatewayRequest, RequestId } from '../types.ts'

/** The rest of a refused body is read away if it is no longer than this, in bytes; else the connection closes. */
const SHORT_BYTES = 64 * 1024

/** A request that announces no body has none. */
function isShort({ complete, headers }: GatewayRequest): boolean {
  const { 'content-length': length = 0, 'transfer-encoding': coding } = headers
  return complete || (coding === undefined && Number(length) <= SHORT_BYTES)
}

/** `headers` go before the error's own. What was begun cannot be turned into an error any more and is cut; a client that is gone is told nothing. */
export function refuse(
  send: SendWhole,
  request: GatewayRequest,
  response: ServerResponse,
  error: GatewayError,
  id?: RequestId,
  headers: Readonly<Record<string, string>> = {},
  context?: Partial<ErrorContext>,
): void {
  if (response.destroyed) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  const body = Buffer.from(error.toJsonRpc(id))
  const all = {
    ...error.headers,
    ...headers,
    'content-type': JSON_TYPE,
    'content-length': body.length,
    ...(!isShort(request) && { connection: 'close' }),
  }
  send(response, error.status, all, body, context)
}
