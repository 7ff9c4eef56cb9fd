/**
 * One open pipe: assigns each request an id that is unique on the pipe, and routes incoming messages to their requests.
 */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { OnChange } from '../../exchange/layer.ts'
import type { RequestMessage } from '../../exchange/message.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { Pipe, PipeContext, RequestId } from '../../types.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import type { Deadlines } from '../../util/deadlines.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { Incoming } from './incoming.ts'
import type { Flow, MessageStream } from './message-stream.ts'
import { Outbox, type Outgoing } from './outbox.ts'
import { PipeCall } from './pipe-call.ts'
import { cancelToPipe, requestToPipe } from './renaming.ts'
import { ToolParams } from './tool-params.ts'

/** The limit of client requests that are in flight on one pipe. */
const MAX_CALLS = 1_000

/** How many stopped, unanswered requests are remembered, so that a later cancellation can name them by pipe id. */
const MAX_STOPPED = 1_000

export const ACCEPTED: Reply = { kind: 'empty', status: 202, headers: {} }

export interface ChannelParts {
  readonly pipe: Pipe
  /** Whether requests of several clients share it. */
  readonly isShared: boolean
  readonly responseMs: number
  /** Keeps the time limits of its requests. */
  readonly deadlines: Deadlines
  readonly idleMs: number
  /** Called when the pipe has had no traffic for `idleMs` and has no request or listener. */
  readonly onIdle: () => void
  /** Called when the pipe ended by itself; `hadCalls` tells whether any request was rejected with the cause. */
  readonly onEnd: (cause: unknown, hadCalls: boolean) => void
  /** Called when the server sends something that is not a message. */
  readonly report: (error: GatewayError) => void
  readonly onChange: OnChange
}

/** A stopped request, with what is needed to cancel it on the pipe. */
type Stopped = Pick<PipeCall, 'pipeId' | 'exchange'>

export class Channel implements Flow {
  readonly isShared: boolean
  readonly #parts: ChannelParts
  readonly #pipe: Pipe
  readonly #outbox: Outbox
  readonly #incoming: Incoming
  readonly #calls = new Map<number, PipeCall>()
  readonly #stopped = new Map<number, Stopped>()
  readonly #slow = new Set<MessageStream>()
  readonly #toolParams = new ToolParams()
  readonly #idle: NodeJS.Timeout
  #pipeIds = 0
  #owner: string | undefined
  #hasOneOwner = true
  #isOver = false
  #closed: Promise<void> | undefined

  constructor(parts: ChannelParts) {
    this.#parts = parts
    this.isShared = parts.isShared
    this.#pipe = parts.pipe
    this.#outbox = new Outbox(parts.pipe, (error) => this.#end(error))
    const say = (text: string): void => void this.#outbox.send({ text, from: undefined, bind: asIs })
    const { report, onChange } = parts
    this.#incoming = new Incoming({
      calls: this.#calls,
      flow: this,
      say,
      report,
      onChange,
      hasOneOwner: () => this.#hasOneOwner,
      onTools: (result) => this.#toolParams.learn(result),
    })
    this.#idle = setTimeout(() => this.#onIdle(), parts.idleMs).unref()
    parts.pipe.onMessage = (text) => this.#receive(text)
    parts.pipe.onDrain = () => this.#outbox.drain()
    parts.pipe.onClose = (cause) => this.#end(cause)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether the server has sent any response. */
  get hasAnswered(): boolean {
    return this.#incoming.hasAnswered
  }

  /** Sends a message of a client, or opens its listener. Throws a GatewayError when the pipe cannot accept it. */
  send(exchange: Exchange): Promise<Reply> {
    if (this.#isOver) throw new GatewayError('upstream_broken', 'The server ended')
    this.#idle.refresh()
    const { message, verb } = exchange
    if (verb === 'GET') return Promise.resolve(this.#incoming.inbox.open(exchange))
    if (message?.kind === 'request') return this.#call(exchange, message)
    if (message?.kind === 'notification' && message.method === 'notifications/cancelled') this.#cancel(exchange)
    else if (message && !this.isShared && this.#mayBeSaid(message.kind, exchange)) this.#say(exchange, message.text)
    return Promise.resolve(ACCEPTED)
  }

  /** Closes the pipe; resolves when it has closed. Repeated calls return the same promise. */
  close(graceMs: number): Promise<void> {
    this.#closed ??= (async () => inHookTime(this.#pipe.close(graceMs), '"close" of a pipe'))()
    this.#finish(new GatewayError('session_not_found', 'The session has ended'))
    return this.#closed
  }

  hold(stream: MessageStream): void {
    if (this.#isOver) return
    if (this.#slow.size === 0) this.#tell(() => this.#pipe.pause())
    this.#slow.add(stream)
  }

  release(stream: MessageStream): void {
    if (this.#slow.delete(stream) && this.#slow.size === 0 && !this.#isOver) this.#tell(() => this.#pipe.resume())
  }

  /** Ends the pipe when it throws, so that the error reaches only the requests on this pipe. */
  #tell(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#end(error)
    }
  }

  /**
   * Forwards a client's response only if the server sent a request with its id; a server cannot use any other response.
   */
  #mayBeSaid(kind: string, { message }: Exchange): boolean {
    return kind === 'notification' || (message?.kind === 'response' && this.#incoming.answered(message.id))
  }

  #call(exchange: Exchange, message: RequestMessage): Promise<Reply> {
    const { life } = exchange
    if (life.stopped) throw life.stopped
    if (this.#calls.size >= MAX_CALLS) throw tooMuch()
    if (message.era === 'modern' && message.method === 'tools/call') this.#toolParams.check(exchange)
    const pipeId = (this.#pipeIds += 1)
    const { text, ids } = requestToPipe(message.text, pipeId)
    const outgoing = outgoingOf(exchange, text)
    const onGone = (): void => {
      // A later response is dropped. The layer that cancels the request finds its pipe id in `#stopped`.
      if (!this.#calls.delete(pipeId) || this.#outbox.withdraw(outgoing)) return
      boundedSet(this.#stopped, MAX_STOPPED, pipeId, { pipeId, exchange })
    }
    const onOver = (): void => {
      off()
      this.#calls.delete(pipeId)
    }
    const { responseMs, deadlines } = this.#parts
    const call = new PipeCall(exchange, message, { pipeId, ids, flow: this, responseMs, deadlines, onGone, onOver })
    const off = life.onStop((reason) => {
      onGone()
      call.fail(reason)
    })
    this.#calls.set(pipeId, call)
    this.#noteOwner(exchange)
    if (!this.#outbox.send(outgoing)) call.fail(tooMuch())
    return call.reply
  }

  /**
   * Notes whether several principals use the pipe: a message without a reference may then be about any of their
   * requests.
   */
  #noteOwner({ origin }: Exchange): void {
    const { id = '' } = origin.principal ?? {}
    this.#owner ??= id
    if (this.#owner !== id) this.#hasOneOwner = false
  }

  /**
   * Forwards a cancellation with the pipe's id. The gateway's own finds its request by origin; a client's, by id in its
   * session.
   */
  #cancel(exchange: Exchange): void {
    const { message, origin } = exchange
    if (message?.kind !== 'notification') return
    const named = (message.params?.['requestId'] ?? null) as RequestId | null
    const found = [...this.#stopped.values(), ...this.#calls.values()].filter(
      (each) => each.exchange.message?.kind === 'request' && each.exchange.message.id === named,
    )
    const own = found.find((each) => each.exchange.origin === origin)
    const call = own ?? (this.isShared ? undefined : found.at(-1))
    if (!call) return
    this.#stopped.delete(call.pipeId)
    this.#say(exchange, cancelToPipe(message.text, call.pipeId))
    if (call instanceof PipeCall) call.cancel()
  }

  #say(exchange: Exchange, text: string): void {
    if (!this.#outbox.send(outgoingOf(exchange, text))) throw tooMuch()
  }

  #receive(text: string): void {
    if (this.#isOver) return
    this.#idle.refresh()
    this.#incoming.receive(text)
  }

  #onIdle(): void {
    if (this.#calls.size > 0 || this.#incoming.inbox.isOpen) this.#idle.refresh()
    else this.#parts.onIdle()
  }

  /** Rejects all requests in flight at once, because the pipe has ended by itself or has thrown. */
  #end(cause: unknown): void {
    if (this.#isOver) return
    const hadCalls = this.#calls.size > 0
    this.#finish(new GatewayError('upstream_broken', 'The server ended', { cause }))
    this.#parts.onEnd(cause, hadCalls)
  }

  #finish(reason: GatewayError): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#idle)
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    this.#stopped.clear()
    this.#outbox.clear()
    for (const call of calls) call.fail(reason)
    this.#incoming.close()
  }
}

function asIs(send: () => boolean): () => boolean {
  return send
}

function outgoingOf({ origin, message }: Exchange, text: string): Outgoing {
  const { principal, server } = origin
  const from: PipeContext = { principal, server, era: message?.era ?? 'legacy' }
  return { text, from, bind: (send) => origin.bind(send) }
}

function tooMuch(): GatewayError {
  return new GatewayError('unavailable', 'The server does not keep up with what it is sent')
}
