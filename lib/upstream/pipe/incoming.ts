/** What comes over a pipe: responses to their requests, and everything else to whoever it may be for. */
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

/** How many questions of a server are open at a time. */
const MAX_QUESTIONS = 100

/** What belongs to a running request, if there is one; lists that change belong to none. */
const OF_A_CALL: ReadonlySet<string> = new Set(['notifications/message', 'notifications/cancelled'])

/** What says that something has changed which the server offers. */
const CHANGED = /^notifications\/(?:\w+\/list_changed|resources\/updated)$/

interface IncomingParts {
  /** The requests under way, by their id on the pipe. */
  readonly calls: ReadonlyMap<number, PipeCall>
  readonly flow: Flow
  /** Says something to the server. */
  readonly say: (text: string) => void
  readonly report: (error: GatewayError) => void
  readonly onChange: OnChange
  /** Whether all the requests on the pipe so far are of one principal. */
  readonly hasOneOwner: () => boolean
  /** Told the results of `tools/list`. */
  readonly onTools: (result: unknown) => void
}

export class Incoming {
  readonly inbox: Inbox
  readonly #parts: IncomingParts
  /** The server's requests to the client without a response, with the request on whose stream each was put. */
  readonly #questions = new Map<RequestId | null, PipeCall | undefined>()
  #hasReported = false
  #hasAnswered = false

  constructor(parts: IncomingParts) {
    this.#parts = parts
    this.inbox = new Inbox(parts.flow)
  }

  /** Whether any response has come. */
  get hasAnswered(): boolean {
    return this.#hasAnswered
  }

  /** A client has answered: whether it was asked. */
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
   * A server asks its client: on the stream of the request that is running, if there is one alone, else on the
   * listener's. In the modern era no server asks, and no response is ever sent to it. (2026-07-28 stdio)
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
      // Without a token of the client's it asked for no progress.
      if (call?.ids.progressToken !== undefined) call.say(progressToClient(text, call.ids))
      return
    }
    const listener = calls.get(member(member(params, '_meta'), META.subscriptionId) as number)
    if (listener) return void listener.say(subscribedToClient(text, listener.ids))
    if (flow.isShared) return this.#notifyShared(notification)
    this.#notifySession(notification)
  }

  /** A log message names no request: it may be about another principal's, so it is said only where there is none. */
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

  /** The request that a message without a reference belongs to: the one that runs, or the last one if nobody listens. */
  #onlyCall(): PipeCall | undefined {
    const running = [...this.#parts.calls.values()].filter(({ takesMessages }) => takesMessages)
    return running.length === 1 || !this.inbox.isOpen ? running.at(-1) : undefined
  }

  /** A banner on stdout is common; a server that says nothing else is told of once. */
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
