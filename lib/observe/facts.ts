/** The facts of a message for records and spans: principal, server, method and target, never its content. */
import { hash } from 'node:crypto'
import type { Exchange } from '../exchange/exchange.ts'
import type { Message } from '../exchange/message.ts'
import { META, NAMED_BY } from '../protocol.ts'
import type { AuditRecord, GatewayRequest, RequestId } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { isObject, member } from '../util/json.ts'

/** The limit in characters of facts whose length a client controls; longer ones are cut. */
const MAX_FACT_CHARS = 1_024

/** How many digests of session ids are cached. */
const MAX_DIGESTS = 1_000

/** The parameters that name what a message is about, where the protocol has no header for them. */
const ALSO_NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['resources/subscribe', 'uri'],
  ['resources/unsubscribe', 'uri'],
  ['notifications/resources/updated', 'uri'],
  ['tasks/result', 'taskId'],
])

/** Version, trace id, parent id and flags; version ff is invalid. (W3C Trace Context, 3.2.2) */
export const TRACEPARENT: RegExp = /^(?!ff)([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-.*)?$/

/** The name of the tool or prompt, the URI of the resource, or the id of the task. */
export function messageTarget(method: string, params: unknown): string | undefined {
  const parameter = NAMED_BY.get(method) ?? ALSO_NAMED_BY.get(method)
  if (parameter !== undefined) return cut(member(params, parameter))
  if (method !== 'completion/complete') return undefined
  const ref = member(params, 'ref')
  return cut(member(ref, 'name') ?? member(ref, 'uri'))
}

/** The method of a message, or `response`. */
export function methodOf(message: Message): string {
  return 'method' in message ? message.method.slice(0, MAX_FACT_CHARS) : 'response'
}

/** The id of a message, cut to the limit, because a client may send one as long as a body. */
export function idOfMessage(message: Message): RequestId | undefined {
  if (!('id' in message) || message.id === null) return undefined
  return typeof message.id === 'string' ? message.id.slice(0, MAX_FACT_CHARS) : message.id
}

/** The cut text; `undefined` for any other type. */
function cut(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, MAX_FACT_CHARS) : undefined
}

/** `_meta` of a request or a notification. */
export function metaOfMessage(message: Message | undefined): unknown {
  return message && 'params' in message ? member(message.params, '_meta') : undefined
}

/** The client's name and version, from the handshake or from the `_meta` of a modern message. */
export function clientOf(message: Message | undefined): AuditRecord['client'] {
  if (!message || !('params' in message)) return undefined
  const info = message.era === 'modern' ? member(metaOfMessage(message), META.clientInfo) : clientInfoOf(message)
  const name = cut(member(info, 'name'))
  return name === undefined ? undefined : { name, version: cut(member(info, 'version')) ?? '' }
}

function clientInfoOf(message: Message): unknown {
  return 'method' in message && message.method === 'initialize' ? member(message.params, 'clientInfo') : undefined
}

/** The revision of a message: the session's, that in `_meta`, or else that in the header. */
export function versionOfMessage(
  message: Message | undefined,
  negotiated: string | undefined,
  request: GatewayRequest | undefined,
): string | undefined {
  if (negotiated !== undefined) return negotiated
  const meta = message?.era === 'modern' ? metaOfMessage(message) : undefined
  return cut(member(meta, META.protocolVersion)) ?? cut(request?.headers['mcp-protocol-version'])
}

/** The trace id in `_meta.traceparent`, or in the header of this name. */
export function traceIdOf(message: Message | undefined, request: GatewayRequest | undefined): string | undefined {
  const meta = metaOfMessage(message)
  const traceparent = isObject(meta) ? meta['traceparent'] : undefined
  const text = typeof traceparent === 'string' ? traceparent : request?.headers['traceparent']
  return typeof text === 'string' ? TRACEPARENT.exec(text)?.[2] : undefined
}

/** The client's address: Express's `request.ip`, which follows `trust proxy`, else the address of the socket. */
export function addressOf(request: GatewayRequest): string | undefined {
  try {
    // In Express a getter, which may call the embedder's `trust proxy` function.
    const { ip } = request as { readonly ip?: unknown }
    if (typeof ip === 'string') return ip
  } catch {
    // The same error is thrown where the app itself reads it.
  }
  return request.socket.remoteAddress
}

const digests = new Map<string, string>()

/** A digest that identifies a session in records, but cannot be used as its id. */
export function sessionDigest(id: string | undefined): string | undefined {
  if (id === undefined) return undefined
  const known = digests.get(id)
  if (known !== undefined) return known
  const digest = hash('sha256', id, 'base64url')
  boundedSet(digests, MAX_DIGESTS, id, digest)
  return digest
}

/** The name of the server that an exchange is for; that of an aggregate's member includes the aggregate's. */
export function serverOf({ path }: Exchange): string {
  return path.at(-1)!
}
