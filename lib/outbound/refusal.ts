/** Answers a request with an error. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import { JSON_TYPE } from '../protocol.ts'
import type { ErrorContext, GatewayRequest, RequestId } from '../types.ts'
import type { Headers } from './response-headers.ts'

/** The rest of a refused body is read away if it is no longer than this, in bytes; else the connection closes. */
const SHORT_BYTES = 64 * 1024

/** A request that announces no body has none. */
function isShort({ complete, headers }: GatewayRequest): boolean {
  const { 'content-length': length = 0, 'transfer-encoding': coding } = headers
  return complete || (coding === undefined && Number(length) <= SHORT_BYTES)
}

const NO_HEADERS = (): Headers => ({})

/**
 * `headers` makes those that go before the error's own. What was begun cannot be turned into an error any more and is
 * cut; a client that is gone is told nothing. Never throws, since nothing is left above it that could answer: an error
 * that cannot be sent is answered with a bare 500, and why it cannot is returned for the operator.
 */
export function refuse(
  send: SendWhole,
  request: GatewayRequest,
  response: ServerResponse,
  error: GatewayError,
  id?: RequestId,
  headers: () => Headers = NO_HEADERS,
  context?: Partial<ErrorContext>,
): unknown {
  try {
    answerWith(send, request, response, error, id, headers(), context)
    return undefined
  } catch (fault) {
    // A host may have changed how heads are written: where that fails too, the connection is all that can end.
    try {
      const bare = new GatewayError('internal', 'Internal error')
      answerWith(send, request, response, bare, undefined, {}, context)
    } catch {
      response.destroy()
    }
    return fault
  }
}

function answerWith(
  send: SendWhole,
  request: GatewayRequest,
  response: ServerResponse,
  error: GatewayError,
  id: RequestId | undefined,
  headers: Headers,
  context: Partial<ErrorContext> | undefined,
): void {
  if (response.destroyed) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  // As SDK servers say it: clients take a 404 that names their request for an error of that request alone. (SS3)
  const body = Buffer.from(error.toJsonRpc(error.code === 'session_not_found' ? null : id))
  const all = {
    ...error.headers,
    ...headers,
    'content-type': JSON_TYPE,
    'content-length': body.length,
    ...(!isShort(request) && { connection: 'close' }),
  }
  send(response, error.status, all, body, context)
}
