/** GatewayError, and the one table from its codes to HTTP status and JSON-RPC code. */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { RequestId } from './types.ts'

/**
 * What each code means on the wire. The gateway's own faults carry their HTTP status as the JSON-RPC code: the spec
 * asks new codes to stay outside -32768 to -32000.
 */
const TABLE = {
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
  internal: { status: 500, rpc: 500 },
  upstream_unreachable: { status: 502, rpc: 502 },
  upstream_broken: { status: 502, rpc: 502 },
  upstream_invalid: { status: 502, rpc: 502 },
  upstream_refused: { status: 502, rpc: 502 },
  upstream_unauthorized: { status: 502, rpc: 502 },
  closing: { status: 503, rpc: 503 },
  unavailable: { status: 503, rpc: 503 },
  upstream_timeout: { status: 504, rpc: 504 },
} as const

/** The gateway's errors by name. Test `error.code`. */
export type GatewayErrorCode = keyof typeof TABLE

/** Headers an error adds to its answer, by code. */
const HEADERS: { readonly [code in GatewayErrorCode]?: Readonly<Record<string, string>> } = {
  unauthorized: { 'www-authenticate': 'Bearer', 'cache-control': 'no-store' },
  insufficient_scope: { 'www-authenticate': 'Bearer error="insufficient_scope"', 'cache-control': 'no-store' },
  method_not_allowed: { allow: 'POST, GET, DELETE' },
  closing: { 'retry-after': '1' },
  unavailable: { 'retry-after': '1' },
}

/** What the `WWW-Authenticate` of an answer says beside the message. (RFC 6750, section 3) */
export interface Challenge {
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope' | undefined
  /** All the scopes that it takes. Defaults to those that every request needs. */
  readonly scopes?: readonly string[] | undefined
}

export interface GatewayErrorOptions {
  /** What lies behind it: for `onError`, never for the client. */
  readonly cause?: unknown
  /** Another HTTP status than the code's own, where an upstream's is passed on: 400 to 599. */
  readonly status?: number
  /** Headers of the answer, beside the code's own. Those that frame its body are the gateway's to set. */
  readonly headers?: Readonly<Record<string, string>>
  /** The JSON-RPC error's `data`: whatever JSON can say, as it is now. */
  readonly data?: unknown
  /**
   * What to ask the client for. `unauthorized` and `insufficient_scope` have one of themselves, and the gateway adds
   * where its metadata is; a `www-authenticate` in `headers` goes out in its place, as it is.
   */
  readonly challenge?: Challenge
}

const CHALLENGES: { readonly [code in GatewayErrorCode]?: Challenge } = {
  unauthorized: {},
  insufficient_scope: { error: 'insufficient_scope' },
}

/**
 * An answer that is an error. A hook may throw one to choose the answer: its message is shown to the client, its
 * `cause` never is. Anything else a hook throws becomes `internal`.
 *
 * @throws TypeError for a status, header, challenge or `data` that cannot be sent.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: GatewayErrorCode
  /** The HTTP status it is answered with. */
  readonly status: number
  /** The headers its answer carries beside the content type. */
  readonly headers: Readonly<Record<string, string>>
  /** What its answer asks the client for, if anything. */
  readonly challenge: Challenge | undefined
  readonly #rpc: number
  /** As JSON, since it may change, or say something else, by the time it is sent. */
  readonly #data: string | undefined

  constructor(code: GatewayErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    if (!Object.hasOwn(TABLE, code)) throw new TypeError(`GatewayError: ${JSON.stringify(code)} is not a code`)
    const headers = options.headers === undefined ? undefined : headersOf(options.headers)
    this.code = code
    this.status = statusOf(options.status) ?? TABLE[code].status
    this.#rpc = options.status ?? TABLE[code].rpc
    this.#data = options.data === undefined ? undefined : dataOf(options.data)
    this.headers = { ...HEADERS[code], ...headers }
    const isSaid = headers !== undefined && 'www-authenticate' in headers
    this.challenge = isSaid ? undefined : withDefaults(CHALLENGES[code], challengeOf(options.challenge))
  }

  /** The JSON-RPC error response; without `id` when the request's could not be read. */
  toJsonRpc(id?: RequestId | null): string {
    const error = JSON.stringify({ code: this.#rpc, message: this.message })
    const whole = this.#data === undefined ? error : `${error.slice(0, -1)},"data":${this.#data}}`
    return id === undefined
      ? `{"jsonrpc":"2.0","error":${whole}}`
      : `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${whole}}`
  }
}

/** What an upstream owes and will not answer: it ended its stream, or the connection broke. (ER14) */
export function brokenOff(cause: Error | undefined): GatewayError {
  return cause
    ? new GatewayError('upstream_broken', 'The connection to the upstream broke', { cause })
    : new GatewayError('upstream_broken', 'The upstream ended its stream without an answer')
}

/** Why a session that goes on elsewhere is not found. */
class ElsewhereError extends Error {}

/**
 * A session whose pipe is at another node, or was before a restart: 404, as any that is unknown, but neither opened anew
 * nor ended, since it may be alive there.
 */
export function sessionElsewhere(): GatewayError {
  const cause = new ElsewhereError('It has its pipe at another node, or had before a restart: it needs sticky sessions')
  return new GatewayError('session_not_found', 'Session not found', { cause })
}

export function isElsewhere(error: unknown): boolean {
  return error instanceof GatewayError && error.cause instanceof ElsewhereError
}

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

/** Two lengths, or a length and an encoding, let a client and a proxy see two answers where there is one. (SC10) */
const FRAMING: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'trailer',
  'te',
  'upgrade',
  'keep-alive',
])

/** By lower-case name, so that the code's own, and those of the answer, are told from others. */
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
