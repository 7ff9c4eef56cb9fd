/** The lists of all members as one list. */
import { GatewayError, isCode } from '../../errors.ts'
import { jsonReply } from '../../exchange/answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { RequestMessage } from '../../exchange/message.ts'
import type { Reply } from '../../exchange/reply.ts'
import { RpcError } from '../../rpc-error.ts'
import { META, URL_ELICITATION_REQUIRED } from '../../protocol.ts'
import type { AggregateServer } from '../../types.ts'
import { type JsonObject, member as memberOf, parseJson } from '../../util/json.ts'
import { cursorOf, restsOf, type Rest } from './cursors.ts'
import { aggregateIdentity } from './identity.ts'
import type { ListKind } from './list-kinds.ts'
import { type Member, membersFor, separatorOf } from './members.ts'
import type { Part } from './pages.ts'
import { rpcErrorReply, RPC_CODE } from './rpc-reply.ts'

/** The key of a result's `_meta` that names the members that are missing in it, with the reasons. */
export const MISSING = 'express-mcp-gateway/missing'

/** The longest reason, in characters, and the longest one with a link in it. */
const MAX_REASON = 200
const MAX_LINKED_REASON = 2_000

/** Whether a member is missing for want of its user's account. It is the same error for the gateway and for its client. */
export function isConnectionRequired(fault: unknown): fault is Error {
  return isCode(fault, 'connection_required') || (fault instanceof RpcError && fault.code === URL_ELICITATION_REQUIRED)
}

/** As one of so many members that are read at once. */
type ReadPart = (member: Member, cursor: string | undefined, readers: number) => Promise<Part>

/** Answers a list; `read` reads a member's part of it. Rejects when no member answers. */
export async function answerList(exchange: Exchange, list: ListKind, read: ReadPart): Promise<Reply> {
  const message = exchange.message as RequestMessage
  const members = await membersFor(exchange, list.kind)
  const cursor = message.params?.['cursor']
  const asked = cursor === undefined ? members.map((member) => ({ member, from: undefined })) : resume(cursor, members)
  if (!asked) return rpcErrorReply(message, RPC_CODE.invalidParams, 'Invalid cursor')
  const parts = await Promise.all(asked.map(({ member, from }) => read(member, from, asked.length)))
  const faults = parts.filter(({ fault }) => fault !== undefined)
  if (
    faults.length > 0 &&
    faults.length === parts.length &&
    parts.every(({ pages }) => pages.every(({ items }) => items.length === 0))
  ) {
    throw nobodyAnswers(faults.map(({ fault }) => fault))
  }
  return jsonReply(resultText(message, exchange, list, parts))
}

/** The error when no member answers: the only member's own, if there is one, or that its user must connect accounts. */
export function nobodyAnswers(faults: readonly unknown[]): GatewayError {
  if (faults.every(isConnectionRequired)) return allConnectionsRequired(faults)
  const [first] = faults
  if (faults.length === 1 && first instanceof GatewayError) return first
  return new GatewayError('upstream_unreachable', 'None of the servers of this name answers', { cause: first })
}

/** One error with the links of all. */
function allConnectionsRequired(faults: readonly Error[]): GatewayError {
  const elicitations = faults.flatMap((fault) => {
    const json = fault instanceof GatewayError ? memberOf(parseJson(fault.toJsonRpc()), 'error') : fault
    const asked = memberOf(memberOf(json, 'data'), 'elicitations')
    return Array.isArray(asked) ? (asked as unknown[]) : []
  })
  const message = faults.map(({ message: words }) => words).join(' ')
  return new GatewayError('connection_required', message, { data: { elicitations } })
}

/** What is told of a member that is missing. */
export function missingOf(faults: readonly { readonly member: Member; readonly fault: unknown }[]): JsonObject {
  if (faults.length === 0) return {}
  return { [MISSING]: Object.fromEntries(faults.map(({ member, fault }) => [member.name, reasonOf(fault)])) }
}

function reasonOf(fault: unknown): string {
  // Its user needs the link, and no link works in part.
  if (isConnectionRequired(fault)) return fault.message.slice(0, MAX_LINKED_REASON)
  const said = fault instanceof RpcError ? `The server says: ${fault.message}` : undefined
  const known = fault instanceof GatewayError ? fault.message : 'The server could not be asked'
  return (said ?? known).slice(0, MAX_REASON)
}

/** The members whose lists go on, each with its own cursor; `undefined` for a cursor that nobody has given. */
function resume(cursor: unknown, members: readonly Member[]): { member: Member; from: string }[] | undefined {
  const found = restsOf(cursor)?.map(({ member: name, cursor: from }) => ({
    member: members.find((member) => member.name === name),
    from,
  }))
  return found?.every(({ member }) => member !== undefined) ? (found as { member: Member; from: string }[]) : undefined
}

function resultText(message: RequestMessage, exchange: Exchange, list: ListKind, parts: readonly Part[]): string {
  const separator = separatorOf(exchange.config as AggregateServer)
  const texts = separator === false ? unambiguous(parts) : parts.flatMap(({ pages }) => pages.map(({ text }) => text))
  const items = texts.filter((text) => text !== '').join(',')
  const rests: Rest[] = parts.flatMap(({ member, cursor }) =>
    cursor === undefined ? [] : { member: member.name, cursor },
  )
  const nextCursor = cursorOf(rests)
  const faults = parts.filter(({ fault }) => fault !== undefined)
  const isModern = message.era === 'modern'
  const meta = { ...missingOf(faults), ...(isModern && { [META.serverInfo]: aggregateIdentity(exchange) }) }
  const rest = {
    ...(nextCursor !== undefined && { nextCursor }),
    ...(isModern && { resultType: 'complete', ...cachingOf(exchange, parts, faults.length > 0) }),
    ...(Object.keys(meta).length > 0 && { _meta: meta }),
  }
  const more = JSON.stringify(rest).slice(1, -1)
  const result = `{${JSON.stringify(list.key)}:[${items}]${more === '' ? '' : `,${more}`}}`
  return `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`
}

/** A name that two members have is nobody's. */
function unambiguous(parts: readonly Part[]): string[] {
  const owners = new Map<string, Member | undefined>()
  const all = parts.flatMap(({ member, pages }) =>
    pages.flatMap(({ items }) => items.map((item) => ({ ...item, member }))),
  )
  for (const { member, name } of all) {
    owners.set(name, owners.has(name) && owners.get(name) !== member ? undefined : member)
  }
  return all.filter(({ member, name }) => owners.get(name) === member).map(({ text }) => text)
}

/** The shortest time and the narrowest scope of all; a list that lacks a member is not to be kept. */
function cachingOf({ config }: Exchange, parts: readonly Part[], isIncomplete: boolean): JsonObject {
  const { members, show } = config as AggregateServer
  const pages = parts.flatMap((part) => part.pages)
  const isSameForAll = typeof members !== 'function' && show === undefined && pages.every(({ isPublic }) => isPublic)
  const ttlMs = isIncomplete ? 0 : Math.min(...pages.map((page) => page.ttlMs))
  return { ttlMs: Number.isFinite(ttlMs) ? ttlMs : 0, cacheScope: isSameForAll ? 'public' : 'private' }
}
