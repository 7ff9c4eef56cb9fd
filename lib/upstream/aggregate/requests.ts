/** Answers a client's request: by the member that it names, by all members, or by the aggregate itself. */
import { GatewayError, isCode } from '../../errors.ts'
import { jsonReply } from '../../exchange/answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Reply } from '../../exchange/reply.ts'
import { type RequestMessage, responseText, withString } from '../../exchange/message.ts'
import { withTrueName } from '../../exchange/repeating-headers.ts'
import { peekResponse, readResponse } from '../../exchange/read-response.ts'
import { LISTEN_METHOD } from '../../protocol.ts'
import type { AggregateServer, Awaitable, ClientState, UpstreamState } from '../../types.ts'
import { isPromise } from '../../util/awaitable.ts'
import { isObject, type JsonObject, member as memberOf } from '../../util/json.ts'
import type { MemberChanges } from './aggregate-parts.ts'
import type { Aggregates } from './aggregates.ts'
import { discoverAll, initializeAll } from './handshake.ts'
import { LIST_KINDS, PROMPTS, TOOLS } from './list-kinds.ts'
import { answerList, nobodyAnswers } from './lists.ts'
import { subscribe } from './listen.ts'
import { type Member, membersFor, separatorOf } from './members.ts'
import type { Owned } from './owners.ts'
import { emptyResult, methodNotFound, rpcErrorReply, RPC_CODE } from './rpc-reply.ts'
import { replyToClient } from './to-client.ts'
import { advertisedUri } from './uris.ts'

const NAME_PATH = ['params', 'name']
const URI_PATH = ['params', 'uri']

/** How a request finds its member, and what it says to that member instead. */
interface RequestRoute {
  find(exchange: Exchange, params: JsonObject, aggregates: Aggregates): Awaitable<Owned | undefined>
  /** Where in the message the name stands. */
  at(params: JsonObject): readonly string[]
  unknown(message: RequestMessage): Reply
}

const byName = (list: typeof TOOLS, what: string): RequestRoute => ({
  find: (exchange, { name }, { owners }) =>
    typeof name === 'string' ? owners.ofName(exchange, list, name) : undefined,
  at: () => NAME_PATH,
  unknown: (message) =>
    rpcErrorReply(message, RPC_CODE.invalidParams, `${what} not found: ${String(message.params?.['name'])}`),
})

const BY_URI: RequestRoute = {
  find: (exchange, { uri }, { owners }) => (typeof uri === 'string' ? owners.ofUri(exchange, uri) : undefined),
  at: () => URI_PATH,
  unknown: (message) => {
    const code = message.era === 'modern' ? RPC_CODE.invalidParams : RPC_CODE.resourceNotFound
    return rpcErrorReply(message, code, 'Resource not found', { uri: message.params?.['uri'] })
  },
}

const BY_REFERENCE: RequestRoute = {
  find(exchange, { ref }, { owners }) {
    const { type, name, uri } = isObject(ref) ? ref : {}
    if (type === 'ref/prompt' && typeof name === 'string') return owners.ofName(exchange, PROMPTS, name)
    return type === 'ref/resource' && typeof uri === 'string' ? owners.ofUri(exchange, uri, true) : undefined
  },
  at: ({ ref }) => ['params', 'ref', memberOf(ref, 'type') === 'ref/prompt' ? 'name' : 'uri'],
  unknown: (message) => rpcErrorReply(message, RPC_CODE.invalidParams, 'Nothing to complete has this name'),
}

const ROUTES: ReadonlyMap<string, RequestRoute> = new Map([
  ['tools/call', byName(TOOLS, 'Tool')],
  ['prompts/get', byName(PROMPTS, 'Prompt')],
  ['resources/read', BY_URI],
  ['resources/subscribe', BY_URI],
  ['resources/unsubscribe', BY_URI],
  ['completion/complete', BY_REFERENCE],
])

/** Methods of revisions with sessions alone, which change what a session is subscribed to. (ER2) */
const SUBSCRIBING: ReadonlySet<string> = new Set(['resources/subscribe', 'resources/unsubscribe'])

/** Codes of errors that are a member's alone, beside all that name the server. */
const OTHERS_OF_MEMBER: ReadonlySet<string> = new Set(['unavailable', 'loop_detected'])

/** Throws at once for what is no request of the session. */
export function answerRequest(
  exchange: Exchange,
  message: RequestMessage,
  upstreamId: string,
  aggregates: Aggregates,
): Awaitable<Reply> {
  const { method, era } = message
  const isModern = era === 'modern'
  const list = LIST_KINDS.get(method)
  if (list) {
    return whileCancellable(exchange, message, aggregates, (lists) =>
      answerList(lists, list, async (member, cursor, readers) => {
        const part = await aggregates.read(lists, member, list, cursor, readers)
        if (part.fault !== undefined) aggregates.fanIns.get(exchange.origin.session?.id ?? '')?.missed(member)
        return part
      }),
    )
  }
  const route = isModern && SUBSCRIBING.has(method) ? undefined : ROUTES.get(method)
  if (route) return sendOn(exchange, message, route, aggregates)
  if (isModern) {
    if (method === 'server/discover') return discoverAll(exchange, aggregates)
    return method === LISTEN_METHOD ? subscribe(exchange, aggregates) : methodNotFound(message)
  }
  if (exchange.opens) return initializeAll(exchange, upstreamId, aggregates)
  if (method === 'ping') return emptyResult(message, exchange)
  if (method === 'logging/setLevel')
    return whileCancellable(exchange, message, aggregates, (levels) => setLevelOfAll(levels, message, aggregates))
  if (method === 'initialize') throw new GatewayError('invalid_request', 'The session is initialized already')
  return methodNotFound(message)
}

/** Sends a request to the member that it names. What it says again in its headers follows its parameters. */
async function sendOn(
  exchange: Exchange,
  message: RequestMessage,
  route: RequestRoute,
  aggregates: Aggregates,
): Promise<Reply> {
  const params = message.params ?? {}
  const found = route.find(exchange, params, aggregates)
  const owned = isPromise(found) ? await found : found
  if (!owned) return route.unknown(message)
  const { member, name } = owned
  const hasUris = separatorOf(exchange.config as AggregateServer) !== false
  const { calls } = aggregates
  const noted = calls.note(exchange, message.id, { member: member.name })
  const changes = changesOf(exchange, withString(message, route.at(params), name))
  try {
    const reply = await aggregates.sessions.send(exchange, member, changes)
    // The answer is there: nobody cancels it any more. Behind a stream it may be yet to come.
    if (reply.kind === 'events') calls.keep(noted)
    else calls.forget(noted)
    if (SUBSCRIBING.has(message.method)) await keepSubscription(exchange, message, owned, reply, aggregates)
    return replyToClient(reply, { member, hasUris })
  } catch (error) {
    calls.keep(noted)
    if (exchange.life.stopped || !isOfMember(error)) throw error
    return memberError(error, exchange, member, aggregates)
  }
}

/** The message that a member gets, and the headers that repeat the name in it, where the client sent such. (HD9) */
function changesOf({ headers }: Exchange, message: RequestMessage): MemberChanges {
  const own = withTrueName(headers, message)
  return { message, headers: own === headers ? undefined : own }
}

/** Whether the way to a member failed, which is no fault of the aggregate: what concerns the client is left as it is. */
function isOfMember(error: unknown): error is GatewayError {
  return error instanceof GatewayError && (error.code.startsWith('upstream_') || OTHERS_OF_MEMBER.has(error.code))
}

/** A JSON-RPC error, since a status such as 502 would tell a client that the whole server is down. */
function memberError(error: GatewayError, exchange: Exchange, member: Member, { parts }: Aggregates): Reply {
  const { code, message, status } = error
  const { origin } = exchange
  const { principal, request } = origin
  origin.bind(parts.report)(error, { server: member.server, principal, request })
  const named = new GatewayError(code, `${member.name}: ${message}`, { status })
  return jsonReply(named.toJsonRpc((exchange.message as RequestMessage).id))
}

/** Asks with a lifetime of its own, since members are asked with other ids than the client's. */
async function whileCancellable(
  exchange: Exchange,
  { id }: RequestMessage,
  aggregates: Aggregates,
  ask: (exchange: Exchange) => Promise<Reply>,
): Promise<Reply> {
  if (!exchange.origin.session) return ask(exchange)
  const life = exchange.life.child()
  const noted = aggregates.calls.note(exchange, id, {
    cancel: () => life.stop(new GatewayError('bad_request', 'The client cancelled the request')),
  })
  try {
    return await ask(exchange.fork({}, life))
  } finally {
    aggregates.calls.forget(noted)
    life.end()
  }
}

/** Sets the level of all members. Those that have no log refuse it; if all do, so does the aggregate. */
async function setLevelOfAll(exchange: Exchange, message: RequestMessage, aggregates: Aggregates): Promise<Reply> {
  const members = await membersFor(exchange)
  const outcomes = await Promise.all(
    members.map(async (member) => {
      try {
        const id = aggregates.nextId()
        const life = exchange.life.child()
        const asked = exchange.rewrite({ id })
        const timer = setTimeout(() => life.stop(lateMember()), aggregates.absences.patienceMs(member)).unref()
        const reply = await aggregates.sessions.send(asked, member, {}, life).finally(() => clearTimeout(timer))
        const response = await readResponse(reply, undefined, { id, timeoutMs: aggregates.absences.patienceMs(member) })
        return response ?? { error: lateMember() }
      } catch (error) {
        return { error }
      }
    }),
  )
  if (exchange.life.stopped) throw exchange.life.stopped
  const gone = outcomes.find(({ error }) => isCode(error, 'session_not_found'))
  if (gone) throw gone.error
  if (outcomes.some(({ error }) => error === undefined)) {
    await keepClient(exchange, aggregates, (client) => ({ ...client, logLevel: message.params ?? {} }))
    return emptyResult(message, exchange)
  }
  const said = outcomes.find(({ error }) => isObject(error) && !(error instanceof Error))
  if (said) return jsonReply(responseText(message.id, { error: said.error }))
  throw nobodyAnswers(outcomes.map(({ error }) => error))
}

function lateMember(): GatewayError {
  return new GatewayError('upstream_timeout', 'The server did not answer in time')
}

/** Remembers a subscription that the member has accepted, to be made again if the member loses the session. */
async function keepSubscription(
  exchange: Exchange,
  { id, method, params }: RequestMessage,
  { member, name }: Owned,
  reply: Reply,
  aggregates: Aggregates,
): Promise<void> {
  const response = await peekResponse(reply, { id })
  if (!response || response.error !== undefined) return
  const uri = advertisedUri(member.name, name)
  await keepClient(exchange, aggregates, ({ subscriptions = {}, ...client }) => {
    const { [uri]: _, ...others } = subscriptions
    const isOn = method === 'resources/subscribe'
    return { ...client, subscriptions: isOn ? { ...others, [uri]: { ...params, uri: name } } : others }
  })
}

async function keepClient(
  { origin: { session } }: Exchange,
  { parts }: Aggregates,
  change: (client: ClientState) => ClientState,
): Promise<void> {
  if (!parts.sessionsAreShared()) return
  await session?.keep((root: UpstreamState) => {
    const client = root.client && change(root.client)
    return client && !parts.isTooMuch(client) ? { ...root, client } : root
  })
}
