/** GatewayError, and the table of its codes with their HTTP status and JSON-RPC code. */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { RequestId } from './types.ts'

/**
 * The HTTP status and the JSON-RPC code of each error code. Codes without a standard JSON-RPC code have their HTTP
 * status instead, since the range from -32768 to -32000 is reserved.
 */
const TABLE = {
  // A client finds the links of an error only in the response to a request that has not failed. (2025-11-25 elicitation)
  connection_required: { status: 200, rpc: -32042 },
  parse_error: { status: 400, rpc: -32700 },
  invalid_request: { status: 400, rpc: -32600 },
  header_mismatch: { status: 400, rpc: -32020 },
  invalid_envelope: { status: 400, rpc: -32602 },
  unsupported_version: { status: 400, rpc: -32022 },
  bad_request: { status: 400, rpc: 400 },
  events_gone: { status: 400, rpc: 400 },
  session_required: { status: 400, rpc: 400 },
  unauthorized: { status: 401, rpc: 401 },
  forbidden: { status: 403, rpc: 403 },
  insufficient_scope: { status: 403, rpc: 403 },
  host_not_allowed: { status: 403, rpc: 403 },
  origin_not_allowed: { status: 403, rpc: 403 },
  not_found: { status: 404, rpc: 404 },
  method_not_found: { status: 404, rpc: -32601 },
  session_not_found: { status: 404, rpc: 404 },
  method_not_allowed: { status: 405, rpc: 405 },
  not_acceptable: { status: 406, rpc: 406 },
  client_stalled: { status: 408, rpc: 408 },
  body_too_large: { status: 413, rpc: 413 },
  unsupported_media_type: { status: 415, rpc: 415 },
  // A client of the modern era gets 503: see `forEra()`.
  rate_limited: { status: 429, rpc: 429 },
  // Not 429, which a client of both eras would take for the answer of a legacy server.
  too_many_requests: { status: 503, rpc: 503 },
  internal: { status: 500, rpc: 500 },
  upstream_unreachable: { status: 502, rpc: 502 },
  upstream_broken: { status: 502, rpc: 502 },
  upstream_invalid: { status: 502, rpc: 502 },
  upstream_refused: { status: 502, rpc: 502 },
  upstream_unauthorized: { status: 502, rpc: 502 },
  closing: { status: 503, rpc: 503 },
  unavailable: { status: 503, rpc: 503 },
  upstream_timeout: { status: 504, rpc: 504 },
  loop_detected: { status: 508, rpc: 508 },
} as const

/**
 * The codes of `GatewayError`. Compare `error.code` with one: the messages may change.
 *
 * @see https://www.jsonrpc.org/specification#error_object
 */
export type GatewayErrorCode = keyof typeof TABLE

/** The headers that an error adds to its response, by code. */
const HEADERS: { readonly [code in GatewayErrorCode]?: Readonly<Record<string, string>> } = {
  unauthorized: { 'www-authenticate': 'Bearer', 'cache-control': 'no-store' },
  insufficient_scope: { 'www-authenticate': 'Bearer error="insufficient_scope"', 'cache-control': 'no-store' },
  method_not_allowed: { allow: 'POST, GET, DELETE' },
  rate_limited: { 'retry-after': '1' },
  too_many_requests: { 'retry-after': '1' },
  closing: { 'retry-after': '1' },
  unavailable: { 'retry-after': '1' },
}

/**
 * The parameters of the `WWW-Authenticate: Bearer` header of an error.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-3
 */
export interface Challenge {
  /** Why the request was refused. Defaults to none, which asks for a token. */
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope' | undefined
  /** All scopes that the request needs. Defaults to those that every request needs. */
  readonly scopes?: readonly string[] | undefined
}

/** The options of a `GatewayError`. */
export interface GatewayErrorOptions {
  /** The reason, for `onError`. It is never sent to the client. */
  readonly cause?: unknown
  /** An HTTP status from 400 to 599, which becomes the JSON-RPC code, too. Defaults to those of the code. */
  readonly status?: number
  /**
   * Headers of the response. They override those of the code; headers that frame the body, such as `content-length`,
   * are not allowed.
   */
  readonly headers?: Readonly<Record<string, string>>
  /** The `data` of the JSON-RPC error: a JSON value, copied when the error is created. Defaults to none. */
  readonly data?: unknown
  /**
   * The challenge of the response, to which the gateway adds the URL of its metadata. Defaults to one for the codes
   * `unauthorized` and `insufficient_scope`, and to none for others. A `www-authenticate` in `headers` replaces it.
   */
  readonly challenge?: Challenge
}

const CHALLENGES: { readonly [code in GatewayErrorCode]?: Challenge } = {
  unauthorized: {},
  insufficient_scope: { error: 'insufficient_scope' },
}

/**
 * An error response. A hook may throw one to choose the response: the client gets its message, never its `cause`.
 * Anything else that a hook throws becomes `internal`.
 *
 * @example
 * ```js
 * const servers = async (name, { principal }) => {
 *   if (principal.isSuspended) throw new GatewayError('forbidden', 'Your account is suspended')
 *   return findServer(name)
 * }
 * ```
 *
 * @throws {TypeError} for an unknown code, and for a status, header, challenge or `data` that cannot be sent.
 * @see https://www.jsonrpc.org/specification#error_object
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  /** What went wrong. It is stable across releases, other than the message. */
  readonly code: GatewayErrorCode
  /** The HTTP status of the response. */
  readonly status: number
  /** The headers of the response, by lower-case name, without the content type and the challenge. */
  readonly headers: Readonly<Record<string, string>>
  /** The challenge of the response, if any. */
  readonly challenge: Challenge | undefined
  readonly #rpc: number
  /** Serialized at once: the object may change before the error is sent. */
  readonly #data: string | undefined

  constructor(code: GatewayErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    if (!Object.hasOwn(TABLE, code))
      throw new TypeError(`GatewayError: ${JSON.stringify(code)} is not a code; docs/errors.md has them`)
    const headers = options.headers === undefined ? undefined : headersOf(options.headers)
    this.code = code
    this.status = statusOf(options.status) ?? TABLE[code].status
    this.#rpc = options.status ?? TABLE[code].rpc
    this.#data = options.data === undefined ? undefined : dataOf(options.data)
    this.headers = { ...HEADERS[code], ...headers }
    const isSaid = headers !== undefined && 'www-authenticate' in headers
    this.challenge = isSaid ? undefined : withDefaults(CHALLENGES[code], challengeOf(options.challenge))
  }

  /** The JSON-RPC error response as JSON; without a member `id` when the id of the request could not be read. */
  toJsonRpc(id?: RequestId | null): string {
    const error = JSON.stringify({ code: this.#rpc, message: this.message })
    const whole = this.#data === undefined ? error : `${error.slice(0, -1)},"data":${this.#data}}`
    return id === undefined
      ? `{"jsonrpc":"2.0","error":${whole}}`
      : `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${whole}}`
  }
}

/** The cause of a 404 for a session whose pipe may be alive at another node. */
class ElsewhereError extends Error {}

/**
 * A session whose pipe is at another node, or was before a restart: 404, as any that is unknown, but neither opened
 * anew nor ended, since it may be alive there.
 */
export function sessionElsewhere(): GatewayError {
  const cause = new ElsewhereError('It has its pipe at another node, or had before a restart: it needs sticky sessions')
  return new GatewayError('session_not_found', 'Session not found', { cause })
}

export function isElsewhere(error: unknown): boolean {
  return error instanceof GatewayError && error.cause instanceof ElsewhereError
}

/** The error for the rest of a request's stream, where the server has lost the session: a new one does not have it. */
export function requestLost(cause: unknown): GatewayError {
  return new GatewayError('events_gone', 'The server has lost the session of the request', { cause })
}

/** Whether a thrown value is a GatewayError with this code. */
export function isCode(error: unknown, code: GatewayErrorCode): boolean {
  return error instanceof GatewayError && error.code === code
}

function withDefaults(own: Challenge | undefined, given: Challenge | undefined): Challenge | undefined {
  return own && given ? { ...own, ...given } : (given ?? own)
}

function statusOf(status: number | undefined): number | undefined {
  if (status === undefined || (Number.isInteger(status) && status >= 400 && status <= 599)) return status
  throw new TypeError(`GatewayError: "status" must be an HTTP status from 400 to 599, not ${String(status)}`)
}

/** Headers that frame a body. Conflicting ones allow response splitting between a proxy and a client. (SC10) */
const FRAMING: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'trailer',
  'te',
  'upgrade',
  'keep-alive',
])

/** The checked headers, by lower-case name, so that they override those of the code. */
function headersOf(given: GatewayErrorOptions['headers']): Record<string, string> {
  if (typeof given !== 'object' || given === null || Symbol.iterator in given) {
    throw new TypeError('GatewayError: "headers" must be an object of names and values: Object.fromEntries() makes one')
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase()
    if (FRAMING.has(lower)) throw new TypeError(`GatewayError: "headers" may not set ${lower}, the gateway does`)
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch {
      throw new TypeError(`GatewayError: "headers" has ${JSON.stringify(name)}, which cannot be sent`)
    }
    headers[lower] = value
  }
  return headers
}

function dataOf(data: unknown): string {
  let text: string | undefined
  let cause: unknown
  try {
    text = JSON.stringify(data)
  } catch (error) {
    cause = error
  }
  if (text !== undefined) return text
  throw new TypeError('GatewayError: "data" must be what JSON can say: no BigInt, no function, no circle', { cause })
}

function challengeOf(challenge: Challenge | undefined): Challenge | undefined {
  if (challenge === undefined) return undefined
  const { error, scopes } = challenge
  if (error !== undefined && typeof error !== 'string') {
    throw new TypeError('GatewayError: "challenge.error" must be a string such as "invalid_token"')
  }
  if (scopes !== undefined && !(Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string'))) {
    throw new TypeError('GatewayError: "challenge.scopes" must be an array of strings')
  }
  return challenge
}
