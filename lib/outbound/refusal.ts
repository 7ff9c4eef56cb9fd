/** Answers a request with an error. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import { JSON_TYPE } from '../protocol.ts'
import type { ErrorContext, GatewayRequest, RequestId } from '../types.ts'
import type { Headers } from './response-headers.ts'

/** How many bytes of a refused body are read and discarded; the connection is closed if it is longer. */
const SHORT_BYTES = 64 * 1024

/** A request without `content-length` and `transfer-encoding` has no body. */
function isShort({ complete, headers }: GatewayRequest): boolean {
  const { 'content-length': length = 0, 'transfer-encoding': coding } = headers
  return complete || (coding === undefined && Number(length) <= SHORT_BYTES)
}

const NO_HEADERS = (): Headers => ({})

/**
 * `headers` creates headers that the error's own override. A response that has begun cannot become an error, so its
 * connection is closed. Never throws, because no caller could answer: if writing the error fails, it answers with a
 * plain 500 and returns the reason for the operator.
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
    // The app may have replaced `writeHead`; if the plain 500 fails too, the connection is closed.
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
  // Without the request's id, as SDK servers do: with it, clients treat a 404 as an error of that request alone. (SS3)
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
