/** Errors of JSON-RPC, whose HTTP response is a 200. */
import { member } from './util/json.ts'

/** The code of an error that named none. (JSON-RPC 2.0, 5.1) */
const INTERNAL_ERROR = -32603

/**
 * A JSON-RPC error: what a server answered, or what an interceptor throws to refuse a message with a code of its choice.
 * Its HTTP status is 200.
 *
 * @example
 * ```js
 * throw new RpcError(-32602, `Unknown tool: ${params.name}`)
 * ```
 *
 * @throws {TypeError} for a code that is no integer.
 * @see https://www.jsonrpc.org/specification#error_object
 */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: number
  /** The `data` of the error: a JSON value. */
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    if (!Number.isInteger(code)) throw new TypeError(`RpcError: "code" must be an integer, not ${String(code)}`)
    this.code = code
    this.data = data
  }
}

/** The error of a server's response, which may be of any shape. */
export function rpcErrorOf(error: unknown): RpcError {
  const message = member(error, 'message')
  const code = member(error, 'code')
  return new RpcError(
    typeof code === 'number' && Number.isInteger(code) ? code : INTERNAL_ERROR,
    typeof message === 'string' ? message : 'an error without a message',
    member(error, 'data'),
  )
}
