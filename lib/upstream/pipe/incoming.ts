/** Routes what a pipe receives: responses to their requests, other messages to a request's stream or the listener. */
import { GatewayError } from '../../errors.ts'
import { itemTexts } from '../../exchange/json-text.ts'
import type { OnChange } from '../../exchange/layer.ts'
import {
  messageOf,
  type NotificationMessage,
  type RequestMessage,
  type ResponseMessage,
} from '../../exchange/message.ts'
import { META } from '../../protocol.ts'
import type { RequestId } from '../../types.ts'
import { member, parseJson } from '../../util/json.ts'
import { Inbox } from './inbox.ts'
import type { Flow } from './message-stream.ts'
import type { PipeCall } from './pipe-call.ts'
import { progressToClient, questionId, responseToClient, subscribedToClient } from './renaming.ts'

/** How many requests of a server may wait for a response at a time. */
const MAX_QUESTIONS = 100

/** Notifications that belong to a running request, if there is one; list changes belong to none. */
const OF_A_CALL: ReadonlySet<string> = new Set(['notifications/message', 'notifications/cancelled'])

/** Notifications that something has changed which the server offers. */
const CHANGED = /^notifications\/(?:\w+\/list_changed|resources\/updated)$/

interface IncomingParts {
  /** The requests in flight, by their id on the pipe. */
  readonly calls: ReadonlyMap<number, PipeCall>
  readonly flow: Flow
  /** Sends a message to the server. */
  readonly say: (text: string) => void
  readonly report: (error: GatewayError) => void
  readonly onChange: OnChange
  /** Whether all requests on the pipe so far belong to one principal. */
  readonly hasOneOwner: () => boolean
  /** Called with the results of `tools/list`. */
  readonly onTools: (result: unknown) => void
}

export class Incoming {
  readonly inbox: Inbox
  readonly #parts: IncomingParts
  /** The server's unanswered requests, each with the client's request whose stream carried it. */
  readonly #questions = new Map<RequestId | null, PipeCall | undefined>()
  #hasReported = false
  #hasAnswered = false

  constructor(parts: IncomingParts) {
    this.#parts = parts
    this.inbox = new Inbox(parts.flow)
  }

  /** Whether the server has sent any response. */
  get hasAnswered(): boolean {
    return this.#hasAnswered
  }

  /** Records a client's response; returns whether the server had sent a request with this id. */
  answered(id: RequestId | null): boolean {
    return this.#questions.delete(id)
  }

  receive(text: string): void {
    const json = parseJson(text)
    // Servers of 2025-03-26 may send batches.
    if (Array.isArray(json)) for (const [index, item] of itemTexts(text).entries()) this.#one(json[index], item)
    else this.#one(json, text)
  }

  close(): void {
    this.#questions.clear()
    this.inbox.close()
  }

  #one(json: unknown, text: string): void {
    const message = messageOf(json, text, this.#parts.flow.isShared ? 'modern' : 'legacy')
    if (message?.kind === 'response') this.#respond(message)
    else if (message?.kind === 'request') this.#ask(message)
    else if (message?.kind === 'notification') this.#notify(message)
    else this.#reportOnce()
  }

  #respond(response: ResponseMessage): void {
    this.#hasAnswered = true
    const { calls } = this.#parts
    const isUnread = response.id === null && calls.size === 1
    const call = isUnread ? [...calls.values()][0] : calls.get(response.id as number)
    if (!call) return
    if (call.method === 'tools/list') this.#parts.onTools(response.result)
    call.finish(responseToClient(response.text, call.ids), response.error)
  }

  /**
   * Forwards a server's request: on the stream of the client's request if only one is running, else on the listener's.
   * A modern server sends no requests, so one on a shared pipe is dropped. (2026-07-28 stdio)
   */
  #ask(question: RequestMessage): void {
    if (this.#parts.flow.isShared) return
    const call = this.#onlyCall()
    const isHeard = call !== undefined || this.inbox.isOpen
    if (question.method === 'ping' && !isHeard) return this.#answer(question, '"result":{}')
    const hasRoom = this.#questions.size < MAX_QUESTIONS && !this.#questions.has(question.id)
    const isSaid = hasRoom && (call?.say(question.text) ?? this.inbox.say(question.text))
    if (isSaid) this.#questions.set(question.id, call)
    else this.#answer(question, '"error":{"code":-32603,"message":"The client cannot be asked now"}')
  }

  #answer({ text }: RequestMessage, outcome: string): void {
    this.#parts.say(`{"jsonrpc":"2.0","id":${questionId(text)},${outcome}}`)
  }

  #notify(notification: NotificationMessage): void {
    const { params, method, text } = notification
    const { calls, flow, onChange } = this.#parts
    if (CHANGED.test(method)) onChange(method, changedUri(params))
    if (method === 'notifications/progress') {
      const call = calls.get(member(params, 'progressToken') as number)
      // A request that the client sent without a progress token gets no progress.
      if (call?.ids.progressToken !== undefined) call.say(progressToClient(text, call.ids))
      return
    }
    const listener = calls.get(member(member(params, '_meta'), META.subscriptionId) as number)
    if (listener) return void listener.say(subscribedToClient(text, listener.ids))
    if (flow.isShared) return this.#notifyShared(notification)
    this.#notifySession(notification)
  }

  /** Forwards a log message, which names no request, only if it cannot concern another principal's request. */
  #notifyShared({ method, params, text }: NotificationMessage): void {
    if (method === 'notifications/cancelled') {
      const ended = this.#parts.calls.get(member(params, 'requestId') as number)
      if (ended?.listens) ended.complete()
    } else if (method === 'notifications/message' && this.#parts.hasOneOwner()) {
      const running = [...this.#parts.calls.values()].filter(({ listens }) => !listens)
      if (running.length === 1) running[0]!.say(text)
    }
  }

  #notifySession({ method, params, text }: NotificationMessage): void {
    const id = member(params, 'requestId') as RequestId
    const isWithdrawn = method === 'notifications/cancelled' && this.#questions.has(id)
    const asked = isWithdrawn ? this.#questions.get(id) : undefined
    if (isWithdrawn) this.#questions.delete(id)
    const call = asked?.takesMessages ? asked : OF_A_CALL.has(method) ? this.#onlyCall() : undefined
    if (call) call.say(text)
    else this.inbox.say(text)
  }

  /**
   * The request that a message without a reference belongs to: the only one in flight, or without a listener the
   * latest.
   */
  #onlyCall(): PipeCall | undefined {
    const running = [...this.#parts.calls.values()].filter(({ takesMessages }) => takesMessages)
    return running.length === 1 || !this.inbox.isOpen ? running.at(-1) : undefined
  }

  /** Reports a line that is not a message once per pipe, because servers often print a banner on stdout. */
  #reportOnce(): void {
    if (this.#hasReported) return
    this.#hasReported = true
    this.#parts.report(new GatewayError('upstream_invalid', 'The server said something that is no JSON-RPC message'))
  }
}

function changedUri(params: unknown): string | undefined {
  const uri = member(params, 'uri')
  return typeof uri === 'string' ? uri : undefined
}
