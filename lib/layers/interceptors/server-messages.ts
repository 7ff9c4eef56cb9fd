/** Runs a server's notifications and requests on a stream through their interceptors. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { patchObject } from '../../exchange/json-patch.ts'
import { type Interject, type Mapped, mapMessages } from '../../exchange/map-messages.ts'
import type { Message, NotificationMessage, RequestMessage } from '../../exchange/message.ts'
import type { EventsReply, Handle, Reply } from '../../exchange/reply.ts'
import { ResumingBody } from '../../exchange/resuming-body.ts'
import { UpstreamClient } from '../../exchange/upstream-client.ts'
import { RpcError } from '../../rpc-error.ts'
import type { Json } from '../../types.ts'
import { isObject, kindOf } from '../../util/json.ts'
import { inInterceptorTime } from './in-time.ts'
import { runChain } from './chain.ts'
import { NO_PARAMS, isUnambiguous } from './frozen.ts'
import type { CallStream } from './intercepted-call.ts'
import type { InterceptorSet } from './interceptor-set.ts'
import type { ChainSubject } from './layer-message.ts'
import { onChanged, toolsChangedMessage } from './tools-changed.ts'

export interface ServerMessageParts {
  readonly set: InterceptorSet
  readonly exchange: Exchange
  readonly next: Handle
  readonly findTool: ChainSubject['findTool']
  readonly timeoutMs: number
  /** Called when the server announces that its list of tools has changed. */
  readonly onToolsChanged: () => void
  readonly report: (error: unknown) => void
}

const TOOLS_CHANGED = 'notifications/tools/list_changed'
const TASK_NEWS = 'notifications/tasks'

/** The error for a server whose request failed in the interceptors. */
const NOT_ANSWERED = { code: -32603, message: 'The client cannot be asked' }

/**
 * The stream with its messages as the interceptors changed them; `call` is the request that it answers, if they see its
 * result. Where they see results, event ids are withheld: resuming from one could fetch a response past them. (SE7)
 */
export function interceptServerMessages(reply: EventsReply, parts: ServerMessageParts, call?: CallStream): Reply {
  const { set, exchange, next } = parts
  const isPost = exchange.verb === 'POST' && !exchange.listens
  const withholds = set.seesResults && isPost
  const isPolled = withholds && exchange.message?.era === 'legacy'
  const body = isPolled ? ResumingBody.of(reply, exchange, next, true) : reply.body
  const changed = toolsChangedMessage(exchange)
  const wants = {
    methods: (method: string): boolean => isSeen(method, set),
    responses: call !== undefined || (set.seesResults && exchange.verb === 'GET'),
    ...(withholds && { eventIds: () => undefined }),
    ...(changed !== undefined && { interject: (say: Interject) => onChanged(set.interceptors, () => say(changed)) }),
    ...(call && {
      async last(end: Parameters<CallStream['onEnd']>[0]) {
        const text = await call.onEnd(end)
        return text === undefined ? undefined : { text }
      },
    }),
  }
  const mapped = mapMessages({ ...reply, body }, wants, (message) =>
    asOneLine(screened(message, parts, call)),
  ) as EventsReply
  const pending = call
    ? () => (call.isAnswered() ? [] : [call.requestId])
    : isPolled
      ? (body as ResumingBody).pending
      : reply.pending
  return { ...mapped, pending }
}

/** An SSE data line has no line feed, and in JSON text a line feed is only white space: a space replaces it. */
async function asOneLine(saying: Promise<Mapped>): Promise<Mapped> {
  const said = await saying
  return typeof said === 'object' ? { text: said.text.replaceAll('\n', ' ') } : said
}

function isSeen(method: string, set: InterceptorSet): boolean {
  return set.chainOf(method).length > 0 || method === TOOLS_CHANGED || (method === TASK_NEWS && set.missesTasks)
}

async function screened(message: Message, parts: ServerMessageParts, call: CallStream | undefined): Promise<Mapped> {
  if (message.kind === 'batch') return screenedBatch(message.items, parts, call)
  if (message.kind !== 'response')
    return isSeen(message.method, parts.set) ? screenedMessage(message, parts) : undefined
  // Any other response has not been seen by the interceptors of its request. (ER14)
  if (!call || call.isAnswered() || message.id !== call.requestId) return 'drop'
  const text = await call.onResponse(message)
  return text === undefined ? undefined : { text }
}

async function screenedBatch(
  items: readonly Message[],
  parts: ServerMessageParts,
  call: CallStream | undefined,
): Promise<Mapped> {
  const kept: string[] = []
  for (const item of items) {
    const verdict = await screened(item, parts, call)
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
      throw new GatewayError('upstream_invalid', 'The server said something that cannot be shown to an interceptor')
    }
    if (method === TASK_NEWS && parts.set.chainOf(method).length === 0) return 'drop'
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

/** What interceptors decided of a server's message: send it with these parameters, or answer it with this result. */
export type Decision = { readonly params: Json } | { readonly result: unknown }

/** The innermost layer, nearest to the server, sees the message first. Rejects when an interceptor refuses it. */
export async function decide(
  method: string,
  id: ChainSubject['id'],
  params: Json,
  { set, exchange, findTool, timeoutMs }: ServerMessageParts,
): Promise<Decision> {
  let passed: Json | undefined
  const during = exchange.message?.kind === 'request' && !exchange.listens ? exchange.message.method : undefined
  const subject: ChainSubject = { exchange, from: 'server', method, id, during, findTool }
  const entries = set.chainOf(method).toReversed()
  const send = async (given: Json): Promise<void> => void (passed = given)
  const result = await inInterceptorTime(
    runChain({ entries, subject, send, check: () => {} }, params),
    timeoutMs,
    method,
  )
  if (passed) return { params: passed }
  if (method.startsWith('notifications/')) return { result: undefined }
  if (!isObject(result))
    throw new TypeError(`The interceptor of ${method} neither called next() nor answered: ${kindOf(result)}`)
  return { result }
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
