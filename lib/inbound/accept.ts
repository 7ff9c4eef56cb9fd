/** Checks of `Accept` and `MCP-Protocol-Version`, made before the body is read. (HD1, HD4) */
import Negotiator from 'negotiator'
import { GatewayError } from '../errors.ts'
import type { Accepts } from '../exchange/exchange.ts'
import { EVENT_STREAM_TYPE, HEADER, JSON_TYPE, LEGACY_VERSIONS } from '../protocol.ts'
import type { GatewayRequest } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'

const HTML_TYPE = 'text/html'
const ANSWER_TYPES = [JSON_TYPE, EVENT_STREAM_TYPE]

/** Media types with the one parameter that may follow them: both are always UTF-8. */
const WITH_CHARSET = ANSWER_TYPES.map((type) => `${type}; charset=utf-8`)

/** Clients send the same few values again and again: the cache of parsed ones holds this many, each of this length. */
const MAX_PARSED = 100
const MAX_PARSED_CHARS = 200

const parsedValues = new Map<string, Accepts>()

/** A request without `Accept` accepts nothing: MCP requires the header of every client. */
const NO_TYPES: Accepts = { json: false, events: false }

/** The media types that the client of a POST accepts. Throws `not_acceptable` when JSON is none of them. */
export function acceptsOfPost(accept: string | undefined): Accepts {
  const accepts = acceptsOf(accept)
  if (accepts.json) return accepts
  throw notAcceptable(ANSWER_TYPES)
}

/** The media types that the client of a GET accepts. Throws `not_acceptable` when event streams are none of them. */
export function acceptsOfGet(accept: string | undefined): Accepts {
  const accepts = acceptsOf(accept)
  if (accepts.events) return accepts
  throw notAcceptable([EVENT_STREAM_TYPE])
}

/**
 * Whether a GET comes from a browser, which prefers a page to an event stream. A client of MCP lists event streams, and a
 * header of MCP is none of a browser's.
 */
export function wantsPage({ method, headers }: GatewayRequest): boolean {
  if (method !== 'GET' || headers.accept?.includes('html') !== true) return false
  if (headers.accept.toLowerCase().includes(EVENT_STREAM_TYPE)) return false
  if (headers[HEADER.sessionId] !== undefined || headers[HEADER.protocolVersion] !== undefined) return false
  return new Negotiator({ headers }).mediaType([EVENT_STREAM_TYPE, HTML_TYPE]) === HTML_TYPE
}

/** Throws `not_acceptable` unless event streams are accepted: for a request that JSON alone cannot answer. */
export function requireEvents({ events }: Accepts): void {
  if (!events) throw notAcceptable(ANSWER_TYPES)
}

function acceptsOf(accept: string | undefined): Accepts {
  if (accept === undefined) return NO_TYPES
  const known = parsedValues.get(accept)
  if (known) return known
  const taken = new Negotiator({ headers: { accept } }).mediaTypes([...ANSWER_TYPES, ...WITH_CHARSET])
  const takes = (type: string): boolean => taken.some((each) => each.startsWith(type))
  const accepts = { json: takes(JSON_TYPE), events: takes(EVENT_STREAM_TYPE) }
  if (accept.length <= MAX_PARSED_CHARS) boundedSet(parsedValues, MAX_PARSED, accept, accepts)
  return accepts
}

function notAcceptable(types: readonly string[]): GatewayError {
  return new GatewayError('not_acceptable', `Accept must list ${types.join(' and ')}`)
}

/** Throws `bad_request` for a version that is neither the negotiated one nor any legacy one. */
export function checkVersion(version: string | undefined, negotiated: string): void {
  if (version === undefined || version === negotiated || LEGACY_VERSIONS.includes(version)) return
  throw new GatewayError('bad_request', `Unsupported MCP-Protocol-Version; this session speaks ${negotiated}`)
}
