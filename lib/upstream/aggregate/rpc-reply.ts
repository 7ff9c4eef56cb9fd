/** Replies of the aggregate itself. */
import { jsonReply } from '../../exchange/answer.ts'
import { type RequestMessage, responseText } from '../../exchange/message.ts'
import type { Reply } from '../../exchange/reply.ts'
import { META } from '../../protocol.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { aggregateIdentity } from './identity.ts'

/** The codes of JSON-RPC errors that the aggregate answers itself. */
export const RPC_CODE = { methodNotFound: -32601, invalidParams: -32602, resourceNotFound: -32002 } as const

/** In the modern era a method that is not known has a status of its own. (RPC9) */
export function rpcErrorReply({ id, era }: RequestMessage, code: number, message: string, data?: unknown): Reply {
  const error = { code, message, ...(data !== undefined && { data }) }
  return jsonReply(responseText(id, { error }), {}, era === 'modern' && code === RPC_CODE.methodNotFound ? 404 : 200)
}

export function methodNotFound(message: RequestMessage): Reply {
  return rpcErrorReply(message, RPC_CODE.methodNotFound, 'Method not found')
}

/** A result that says nothing but that it has been done. */
export function emptyResult(message: RequestMessage, exchange: Exchange): Reply {
  const isModern = message.era === 'modern'
  const result = isModern ? { resultType: 'complete', _meta: { [META.serverInfo]: aggregateIdentity(exchange) } } : {}
  return jsonReply(responseText(message.id, { result }))
}
