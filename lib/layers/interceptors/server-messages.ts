/** Runs a server's notifications and requests on a stream through their interceptors. */
import { GatewayError } from '../../errors.ts'
import { patchObject } from '../../exchange/json-patch.ts'
import { type Interject, type Mapped, mapMessages } from '../../exchange/map-messages.ts'
import { outlineOf } from '../../exchange/json-text.ts'
import type { Message, NotificationMessage, RequestMessage, ResponseMessage } from '../../exchange/message.ts'
import { type EventsReply, type Reply, streamExchange } from '../../exchange/reply.ts'
import { ResumingBody } from '../../exchange/resuming-body.ts'
import { UpstreamClient } from '../../exchange/upstream-client.ts'
import { RpcError } from '../../rpc-error.ts'
import type { Awaitable, Json, RequestId } from '../../types.ts'
import { isObject } from '../../util/json.ts'
import { decide, type ServerMessageParts, unshowable } from './decide.ts'
import { NO_PARAMS, hasPlainKeys, isUnambiguous } from './frozen.ts'
import type { CallStream } from './intercepted-call-parts.ts'
import type { InterceptorSet } from './interceptor-set.ts'
import { passesQuestions } from './questions.ts'
import { onChanged, toolsChangedMessage } from './tools-changed.ts'
import { screenElicitations, seesErrors } from './url-elicitations.ts'

const TOOLS_CHANGED = 'notifications/tools/list_changed'
const TASK_NEWS = 'notifications/tasks'

/** The error for a server whose request failed in the interceptors. */
const NOT_ANSWERED = { code: -32603, message: 'The client cannot be asked' }

/**
 * The stream with its messages as the interceptors changed them; `call` is the request that it answers, if they see its
 * result. Where they see results, event ids are withheld: resuming from one could fetch a response past them. (SE7)
 * What a client could read in another way, and a response to another request, is dropped, whichever method it is for.
 */
export function interceptServerMessages(reply: EventsReply, parts: ServerMessageParts, call?: CallStream): Reply {
  const { set, exchange, next } = parts
  const isPost = exchange.verb === 'POST' && !exchange.listens
  const withholds = set.seesResults && isPost
  // A handshake has no session yet in which its rest could be asked for.
  const isPolled = withholds && exchange.message?.era === 'legacy' && !exchange.opens
  const body = isPolled ? ResumingBody.of(reply, streamExchange(exchange, reply), next, true) : reply.body
  const changed = toolsChangedMessage(exchange)
  const owed = set.seesResults ? new Set<RequestId | null>(isPost ? exchange.requestIds : []) : undefined
  const wants = {
    methods: () => true,
    responses: true,
    strict: true,
    ...(withholds && { eventIds: () => undefined }),
    ...(changed !== undefined && { interject: (say: Interject) => onChanged(set.interceptors, () => say(changed)) }),
    ...(call && {
      async last(end: Parameters<CallStream['onEnd']>[0]) {
        const text = await call.onEnd(end)
        return text === undefined ? undefined : { text }
      },
    }),
  }
  const onResponse: ScreenResponse = call
    ? (response) => answered(response, call)
    : (response) => {
        const { id, error } = response
        if (owed && !owed.delete(id) && !(isPost && id === null && error)) return 'drop'
        return error && seesErrors(set) ? screenedError(response, parts) : undefined
      }
  const mapped = mapMessages({ ...reply, body }, wants, (message) =>
    screened(message, parts, onResponse),
  ) as EventsReply
  const pending = call
    ? () => (call.isAnswered() ? [] : [call.requestId])
    : isPost && owed
      ? () => exchange.origin.awaited([...owed] as RequestId[])
      : reply.pending
  return { ...mapped, pending }
}

type ScreenResponse = (response: ResponseMessage) => Awaitable<Mapped>

function isSeen(method: string, set: InterceptorSet): boolean {
  return (
    set.chainOf(method).length > 0 ||
    method === TOOLS_CHANGED ||
    (method === TASK_NEWS && (set.missesTasks || set.namesQuestions))
  )
}

function screened(message: Message, parts: ServerMessageParts, onResponse: ScreenResponse): Awaitable<Mapped> {
  if (message.kind === 'batch') return screenedBatch(message.items, parts, onResponse)
  if (!hasPlainKeys(outlineOf(message.text, true).keys)) return 'drop'
  if (message.kind === 'response') return onResponse(message)
  return isSeen(message.method, parts.set) ? screenedMessage(message, parts) : undefined
}

/** Any response but the one that is waited for has not been seen by the interceptors of its request. (ER14) */
async function answered(response: ResponseMessage, call: CallStream): Promise<Mapped> {
  if (call.isAnswered() || response.id !== call.requestId) return 'drop'
  const text = await call.onResponse(response)
  return text === undefined ? undefined : { text }
}

/** An error in which a server asks what it may not ask is replaced by another one. */
async function screenedError(response: ResponseMessage, parts: ServerMessageParts): Promise<Mapped> {
  try {
    await screenElicitations(response, parts)
    return undefined
  } catch (error) {
    const known =
      error instanceof GatewayError ? error : new GatewayError('internal', 'Internal error', { cause: error })
    if (known.status >= 500) parts.report(known)
    return { text: known.toJsonRpc(response.id) }
  }
}

async function screenedBatch(
  items: readonly Message[],
  parts: ServerMessageParts,
  onResponse: ScreenResponse,
): Promise<Mapped> {
  const kept: string[] = []
  for (const item of items) {
    const verdict = await screened(item, parts, onResponse)
    if (verdict !== 'drop') kept.push(verdict?.text ?? item.text)
  }
  return kept.length === 0 ? 'drop' : { text: `[${kept.join(',')}]` }
}

/** Drops, or answers with an error, a message that interceptors refuse or cannot be shown: it fails closed. */
async function screenedMessage(
  message: RequestMessage | NotificationMessage,
  parts: ServerMessageParts,
): Promise<Mapped> {
  if (message.method === TOOLS_CHANGED) parts.onToolsChanged()
  const { method } = message
  try {
    const params = message.params ?? NO_PARAMS
    if (!isObject(params) || !isUnambiguous(message.text, { params: message.params })) {
      throw unshowable()
    }
    if (method === TASK_NEWS && !(await isTaskShown(params, parts))) return 'drop'
    const said = await decide(method, message.kind === 'request' ? message.id : undefined, params, parts)
    if ('params' in said)
      return said.params === params
        ? undefined
        : { text: patchObject(message.text, { params: said.params }, message as unknown as Json) }
    if (message.kind === 'request') await respond(message, parts, { result: said.result })
  } catch (error) {
    if (!(error instanceof RpcError)) parts.report(error)
    if (message.kind === 'request') await respond(message, parts, { error: errorAnswerOf(error) })
  }
  return 'drop'
}

/** Whether a notification about a task has nothing in it that its interceptors would have to see under another name. */
async function isTaskShown(task: Json, parts: ServerMessageParts): Promise<boolean> {
  const { set } = parts
  if (set.missesTasks && set.chainOf(TASK_NEWS).length === 0) return false
  return !set.namesQuestions || passesQuestions(task, parts)
}

function errorAnswerOf(error: unknown): typeof NOT_ANSWERED {
  return error instanceof RpcError ? { code: error.code, message: error.message } : NOT_ANSWERED
}

/** Answers a server in the client's place. A failure is only reported: the server's own time limit ends its wait. */
async function respond(
  { id }: RequestMessage,
  { exchange, next, report }: ServerMessageParts,
  answer: Parameters<UpstreamClient['respond']>[1],
): Promise<void> {
  const parent = exchange.fork({}, exchange.life.detach())
  const client = new UpstreamClient({ handle: next, parent, era: 'legacy', state: exchange.state })
  await client.respond(id, answer).catch(report)
}
