/** One open pipe: gives every request an id of its own there, and brings what comes back to whom it belongs. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { OnChange } from '../../exchange/layer.ts'
import type { RequestMessage } from '../../exchange/message.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { Pipe, PipeContext, RequestId } from '../../types.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { Incoming } from './incoming.ts'
import type { Flow, MessageStream } from './message-stream.ts'
import { Outbox, type Outgoing } from './outbox.ts'
import { PipeCall } from './pipe-call.ts'
import { cancelToPipe, requestToPipe } from './renaming.ts'
import { ToolParams } from './tool-params.ts'

/** How many requests of clients are under way on one pipe. */
const MAX_CALLS = 1_000

/** How many requests are remembered that were stopped and not answered, so that they can be cancelled by their id. */
const MAX_STOPPED = 1_000

export const ACCEPTED: Reply = { kind: 'empty', status: 202, headers: {} }

export interface ChannelParts {
  readonly pipe: Pipe
  /** Whether several clients have requests on it. */
  readonly isShared: boolean
  readonly responseMs: number
  readonly idleMs: number
  /** Nothing goes on, and nothing has for `idleMs`. */
  readonly onIdle: () => void
  /** It has ended by itself; `hadCalls` says whether anybody was told so. */
  readonly onEnd: (cause: unknown, hadCalls: boolean) => void
  /** Told what a server says that is no message. */
  readonly report: (error: GatewayError) => void
  readonly onChange: OnChange
}

/** A stopped request, by what its cancellation can be told by. */
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

  /** Whether any response has come. */
  get hasAnswered(): boolean {
    return this.#incoming.hasAnswered
  }

  /** A message of a client, or its listener. Throws a GatewayError for what cannot be taken. */
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

  /** Ends the pipe; resolves when nothing of it is left. Calling again gives the same promise. */
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

  /** What a pipe throws is the end of it, and of nothing else. */
  #tell(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#end(error)
    }
  }

  /** A response is for the server only if it asked: of a client's other responses it can make nothing. */
  #mayBeSaid(kind: string, { message }: Exchange): boolean {
    return kind === 'notification' || (message?.kind === 'response' && this.#incoming.answered(message.id))
  }

  #call(exchange: Exchange, message: RequestMessage): Promise<Reply> {
    const { life } = exchange
    if (life.stopped) throw life.stopped
    if (this.#calls.size >= MAX_CALLS) throw tooMuch()
    if (message.era === 'modern' && message.method === 'tools/call') this.#toolParams.check(exchange)
    const pipeId = (this.#pipeIds += 1)
    const outgoing = outgoingOf(exchange, requestToPipe(message.text, pipeId))
    const onGone = (): void => {
      // Its response, should it come, is nobody's; the layer that cancels it does so by what is remembered here.
      if (!this.#calls.delete(pipeId) || this.#outbox.withdraw(outgoing)) return
      boundedSet(this.#stopped, MAX_STOPPED, pipeId, { pipeId, exchange })
    }
    const onOver = (): void => {
      off()
      this.#calls.delete(pipeId)
    }
    const call = new PipeCall(exchange, message, {
      pipeId,
      flow: this,
      responseMs: this.#parts.responseMs,
      onGone,
      onOver,
    })
    const off = life.onStop((reason) => {
      onGone()
      call.fail(reason)
    })
    this.#calls.set(pipeId, call)
    this.#noteOwner(exchange)
    if (!this.#outbox.send(outgoing)) call.fail(tooMuch())
    return call.reply
  }

  /** On a pipe of several principals a message without a reference may be about anybody's request. */
  #noteOwner({ origin }: Exchange): void {
    const { id = '' } = origin.principal ?? {}
    this.#owner ??= id
    if (this.#owner !== id) this.#hasOneOwner = false
  }

  /** A cancellation of the gateway names the very request by its origin; a client's may name any of its session. */
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

  /** The pipe has ended by itself, or has thrown: whoever waits hears of it at once. */
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
