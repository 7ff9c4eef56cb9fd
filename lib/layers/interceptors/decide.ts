/** Lets interceptors decide about something that a server says: where it stands is no matter to them. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Handle } from '../../exchange/reply.ts'
import type { Json } from '../../types.ts'
import { isObject, kindOf } from '../../util/json.ts'
import { runChain } from './chain.ts'
import { inInterceptorTime } from './in-time.ts'
import type { InterceptorSet } from './interceptor-set.ts'
import type { ChainSubject } from './layer-message.ts'

export interface ServerMessageParts {
  readonly set: InterceptorSet
  readonly exchange: Exchange
  readonly next: Handle
  readonly findTool: ChainSubject['findTool']
  readonly timeoutMs: number
  /** Called when the server announces that its list of tools has changed. */
  readonly onToolsChanged: () => void
  readonly report: (error: unknown) => void
}

/** What interceptors decided of a server's message: send it with these parameters, or answer it with this result. */
export type Decision = { readonly params: Json } | { readonly result: unknown }

/** The innermost layer, nearest to the server, sees the message first. Rejects when an interceptor refuses it. */
export async function decide(
  method: string,
  id: ChainSubject['id'],
  params: Json,
  { set, exchange, findTool, timeoutMs }: ServerMessageParts,
): Promise<Decision> {
  let passed: Json | undefined
  const during = exchange.message?.kind === 'request' && !exchange.listens ? exchange.message.method : undefined
  const subject: ChainSubject = { exchange, from: 'server', method, id, during, findTool }
  const entries = set.chainOf(method).toReversed()
  const send = async (given: Json): Promise<void> => void (passed = given)
  const result = await inInterceptorTime(
    runChain({ entries, subject, send, check: () => {} }, params),
    timeoutMs,
    method,
  )
  if (passed) return { params: passed }
  if (method.startsWith('notifications/')) return { result: undefined }
  if (!isObject(result))
    throw new TypeError(`The interceptor of ${method} neither called next() nor answered: ${kindOf(result)}`)
  return { result }
}

/** The fault of a server that says what parsers may read differently, or what is no message where one should be. */
export function unshowable(): GatewayError {
  return new GatewayError('upstream_invalid', 'The server said something that cannot be shown to an interceptor')
}
