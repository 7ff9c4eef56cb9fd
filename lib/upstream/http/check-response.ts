/** Decides by an upstream's status and content type whether to relay its reply or to answer with an error. Pure. */
import { GatewayError } from '../../errors.ts'
import type { ReplyHeaders } from '../../exchange/reply.ts'
import { EVENT_STREAM_TYPE, JSON_TYPE, mediaType } from '../../protocol.ts'
import type { Era } from '../../types.ts'

/** The kind of response that the request allows. */
export interface Expected {
  /** A JSON-RPC response, a listening stream, or 202 without content. */
  readonly expects: 'answer' | 'stream' | 'acceptance'
  readonly era: Era
  readonly inSession: boolean
}

/** Temporary statuses, which a client of both eras would misread as the answer of a legacy server. (ER9) */
const TEMPORARY: ReadonlySet<number> = new Set([408, 425, 429])

interface Head {
  readonly status: number
  readonly headers: ReplyHeaders
}

/** Returns the error to answer with; `undefined` when the reply can be relayed. */
export function checkResponse(
  { expects, era, inSession }: Expected,
  { status, headers }: Head,
): GatewayError | undefined {
  const type = mediaType(joined(headers['content-type']))
  const encoding = joined(headers['content-encoding']) ?? 'identity'
  if (encoding !== 'identity') return invalid(`content-encoding ${encoding}, though identity was asked for`)
  if (status < 300)
    return fits(expects, status, type) ? undefined : invalid(`${status} ${type || 'without a content type'}`)
  if (status < 400) return invalid(`a redirect (${status}), which is not followed: configure the final URL`)
  if (status === 401 || status === 403 || status === 407) {
    return new GatewayError('upstream_unauthorized', `The server refused the gateway's credentials (${status})`)
  }
  if (status === 404 && inSession) return new GatewayError('session_not_found', 'Session not found')
  if (era === 'modern') return TEMPORARY.has(status) ? refused(status, headers, 503) : unlessJson(type, status, headers)
  return status === 404 ? invalid('404: is the URL right?') : unlessJson(type, status, headers)
}

function unlessJson(type: string, status: number, headers: Head['headers']): GatewayError | undefined {
  return type === JSON_TYPE && status !== 405 ? undefined : refused(status, headers)
}

/** Success statuses that carry no response. A request would never get one, as MCP cannot deliver it later. */
const WITHOUT_ANSWER: ReadonlySet<number> = new Set([202, 204, 205])

/**
 * Whether status and content type match what was expected: for a listening stream only 200 with an event stream. (RT3)
 */
function fits(expects: Expected['expects'], status: number, type: string): boolean {
  if (expects === 'acceptance') return true
  if (expects === 'stream') return status === 200 && type === EVENT_STREAM_TYPE
  return !WITHOUT_ANSWER.has(status) && (type === JSON_TYPE || type === EVENT_STREAM_TYPE)
}

/** Replaces an error page, which an MCP client cannot read, by an error with its status. A 5xx stays a server fault. */
function refused(answered: number, headers: Head['headers'], status: number = answered): GatewayError {
  const retryAfter = joined(headers['retry-after']) ?? (status === 503 ? '1' : undefined)
  return new GatewayError('upstream_refused', `The server answered ${answered}`, {
    status: status < 500 || status === 503 || status === 504 ? status : 502,
    headers: {
      ...(status === 405 && { allow: joined(headers['allow']) ?? 'POST, DELETE' }),
      ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
    },
  })
}

function invalid(what: string): GatewayError {
  return new GatewayError('upstream_invalid', `The server answered ${what}`)
}

/** A header as one value. */
export function joined(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value
}
