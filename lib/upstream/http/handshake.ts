/** Reads the reply to a handshake up to its response, from which the state of the session is made. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Message, RequestMessage, ResponseMessage } from '../../exchange/message.ts'
import { peekResponse } from '../../exchange/read-response.ts'
import type { Reply } from '../../exchange/reply.ts'
import { HEADER, VISIBLE_ASCII } from '../../protocol.ts'
import type { UpstreamState } from '../../types.ts'
import { isObject, member } from '../../util/json.ts'
import { recoversSessions } from '../server-kind.ts'

/** The longest protocol version: it is stored with the session and sent with each of its requests. */
const MAX_VERSION_CHARS = 64

/** The server capabilities of which all server messages are known. */
const LISTED: ReadonlySet<string> = new Set(['tools', 'prompts', 'resources', 'completions'])

export interface Handshake {
  readonly response: ResponseMessage | undefined
  /** The error to answer with in place of the reply, if the handshake failed. */
  readonly fault: GatewayError | undefined
}

/** Waits for the response up to `responseMs`, and gives up when the client disconnects. (ER9, UC5) */
export async function readHandshake(exchange: Exchange, reply: Reply, responseMs: number): Promise<Handshake> {
  const { life, origin } = exchange
  let isLate = false
  // The handshake of a recovery has several waiting requests, so a single disconnect does not end it.
  const off = life.isDetached
    ? undefined
    : origin.onGone(() => life.stop(new GatewayError('bad_request', 'The client went away')))
  const { id } = exchange.message as RequestMessage
  const response = await peekResponse(reply, { id, timeoutMs: responseMs, onLate: () => (isLate = true) })
  off?.()
  if (life.stopped) return { response: undefined, fault: life.stopped }
  if (isLate) {
    const fault = new GatewayError('upstream_timeout', 'The server did not answer the handshake in time')
    return { response: undefined, fault }
  }
  return { response, fault: reply.status < 300 ? refusalIn(response) : undefined }
}

/** The upstream state to store; `undefined` when the server did not accept the handshake. */
export function stateOf(
  { config, message }: Exchange,
  reply: Reply,
  response: ResponseMessage | undefined,
  upstream: string,
): UpstreamState | undefined {
  const protocolVersion = member(response?.result, 'protocolVersion')
  if (typeof protocolVersion !== 'string') return undefined
  const id = sessionIdOf(reply)
  return {
    upstream,
    protocolVersion,
    ...(id !== undefined && { id }),
    ...(isSilent(message, response) && { silent: true }),
    ...(recoversSessions(config) && { client: { handshake: (message as RequestMessage).params ?? {} } }),
  }
}

/**
 * Whether the server may send nothing by itself but pings: its client supports no requests of a server, and the server
 * announces no logging, no subscriptions, no changes of lists, and no extension, of which nothing is known.
 */
function isSilent(asked: Message | undefined, response: ResponseMessage | undefined): boolean {
  const ofClient = asked?.kind === 'request' ? asked.params?.['capabilities'] : undefined
  const ofServer = member(response?.result, 'capabilities')
  if (!isObject(ofClient) || Object.keys(ofClient).length > 0 || !isObject(ofServer)) return false
  return Object.entries(ofServer).every(
    ([name, value]) => LISTED.has(name) && isObject(value) && !value['listChanged'] && !value['subscribe'],
  )
}

/** The session id in the response headers. */
export function sessionIdOf({ headers }: Reply): string | undefined {
  const id = headers[HEADER.sessionId]
  return typeof id === 'string' ? id : undefined
}

function refusalIn(response: ResponseMessage | undefined): GatewayError | undefined {
  const version = member(response?.result, 'protocolVersion')
  // A result without a protocol version opens no session; it is relayed for the client to judge.
  if (version === undefined) return undefined
  const isName = typeof version === 'string' && version.length <= MAX_VERSION_CHARS && VISIBLE_ASCII.test(version)
  return isName ? undefined : new GatewayError('upstream_invalid', 'The server agreed to a revision without a name')
}
