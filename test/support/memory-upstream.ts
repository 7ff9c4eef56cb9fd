// An upstream in memory: a Handle that a test scripts, which remembers what it was told.
import { GatewayError, type GatewayErrorCode } from '../../lib/errors.ts'
import { jsonReply } from '../../lib/exchange/answer.ts'
import type { Exchange } from '../../lib/exchange/exchange.ts'
import { FramedBody } from '../../lib/exchange/framed-body.ts'
import type { Upstream } from '../../lib/exchange/layer.ts'
import { PushBody } from '../../lib/exchange/push-body.ts'
import { peekResponse } from '../../lib/exchange/read-response.ts'
import type { Handle, Reply, ReplyHeaders } from '../../lib/exchange/reply.ts'
import type { UpstreamState } from '../../lib/types.ts'
import { member } from '../../lib/util/json.ts'
import { createJournal, type Journal } from './journal.ts'

/** How a stream ended: the upstream finished or cut it, or the gateway let go of it. */
export type StreamEnd = 'finished' | 'cut' | 'let go'

/** An event stream that the upstream has begun. */
export interface MemoryStream {
  /** Sends a message as one event. `retryMs` is the reconnection time. */
  say(message: object, id?: string, retryMs?: number): void
  /** Sends bytes as they are. */
  raw(text: string): void
  /** Sends the response to the request and ends in good order. */
  answer(result: object, id?: string): void
  /** Ends in good order. */
  end(): void
  /** Breaks the connection. */
  cut(): void
  readonly over: Promise<StreamEnd>
}

/** One exchange as the upstream got it. */
export interface Asked {
  readonly exchange: Exchange
  /** The method of a message, `response` or `batch`, or else the HTTP method. */
  readonly kind: string
  /** The exchange in words, say `tools/call in s1`, `GET after e1 in s1` or `cancelled 7 in s1`. */
  readonly words: string
  /** Answers with a result as one JSON document. */
  json(result: object, headers?: ReplyHeaders): void
  /** Answers with an error as one JSON document. */
  error(code: number, message: string, status?: number): void
  /** Answers with a document as it is. */
  text(text: string, status?: number): void
  /** Rejects with a GatewayError of this code. */
  fail(code: GatewayErrorCode, status?: number): void
  /** Accepts, or refuses with a status and no body. */
  empty(status?: number): void
  /** Begins an event stream; the same stream when it has begun. */
  events(headers?: ReplyHeaders): MemoryStream
  /** Resolves with the reason when the exchange is stopped before its reply is over. */
  readonly stopped: Promise<GatewayError>
}

export type Script = (asked: Asked) => void | Promise<void>

/** Answers what no script answers: handshakes open sessions, calls echo their parameters. */
const DEFAULTS: Readonly<Record<string, Script>> = {
  initialize: (asked) => asked.json({ protocolVersion: '2025-11-25', capabilities: {} }),
  DELETE: (asked) => asked.empty(200),
}

export class MemoryUpstream implements Upstream {
  readonly id = 'memory:weather'
  readonly label = 'memory'
  quits: Upstream['quits'] = 'abort'
  /** The live sessions. `clear()` forgets them, as a restart does. */
  readonly sessions = new Set<string>()
  readonly asked: Journal<Asked> = createJournal()
  readonly #scripts = new Map<string, Script>()
  #opened = 0

  /** From now on answers exchanges of a kind so; without a script by default again. */
  on(kind: string, script?: Script): this {
    if (script) this.#scripts.set(kind, script)
    else this.#scripts.delete(kind)
    return this
  }

  /** Answers the next exchange of a kind so, and those after it as before. */
  once(kind: string, script: Script): this {
    const before = this.#scripts.get(kind)
    return this.on(kind, (asked) => {
      this.on(kind, before)
      return script(asked)
    })
  }

  /** Everything it was told, in order and in words. */
  get told(): string[] {
    return this.asked.entries.map(({ words }) => words)
  }

  /** A session as a client has opened it before the test. */
  open(): string {
    this.#opened += 1
    const id = `s${this.#opened}`
    this.sessions.add(id)
    return id
  }

  readonly send: Handle = async (exchange) => {
    const { life, state } = exchange
    // An exchange that was stopped never reaches a server.
    if (life.stopped) throw life.stopped
    const reply = new Promise<Reply>((resolve, reject) => {
      const asked = new AskedExchange(exchange, resolve, reject)
      this.asked.record(asked)
      const isForgotten = state?.id !== undefined && !this.sessions.has(state.id)
      if (isForgotten) return asked.fail('session_not_found')
      if (asked.kind === 'DELETE' && state?.id !== undefined) this.sessions.delete(state.id)
      const script = this.#scripts.get(asked.kind) ?? DEFAULTS[asked.kind] ?? echo
      Promise.resolve(script(asked)).catch(reject)
    })
    return exchange.opens ? this.#opening(exchange, await reply) : reply
  }

  /** What a session keeps of a handshake that was agreed to, as the HTTP upstream makes it. */
  async #opening({ message, config }: Exchange, reply: Reply): Promise<Reply> {
    const response = await peekResponse(reply)
    const protocolVersion = member(response?.result, 'protocolVersion')
    if (typeof protocolVersion !== 'string' || message?.kind !== 'request') return reply
    const opened: UpstreamState = {
      upstream: this.id,
      protocolVersion,
      id: this.open(),
      ...('recover' in config && config.recover === true && { client: { handshake: message.params ?? {} } }),
    }
    return { ...reply, opened }
  }
}

function echo(asked: Asked): void {
  if (asked.kind === 'GET') asked.events()
  else if (asked.exchange.isAnswered) asked.json({ echoed: member(asked.exchange.message, 'params') ?? {} })
  else asked.empty()
}

class AskedExchange implements Asked {
  readonly exchange: Exchange
  readonly kind: string
  readonly words: string
  readonly stopped: Promise<GatewayError>
  readonly #resolve: (reply: Reply) => void
  readonly #reject: (error: GatewayError) => void
  readonly #off: () => void
  #onStop!: (reason: GatewayError) => void
  #stream: MemoryStream | undefined

  constructor(exchange: Exchange, resolve: (reply: Reply) => void, reject: (error: GatewayError) => void) {
    this.exchange = exchange
    this.kind = kindOf(exchange)
    this.words = wordsOf(exchange, this.kind)
    this.#resolve = resolve
    this.#reject = reject
    this.stopped = new Promise((tell) => (this.#onStop = tell))
    this.#off = exchange.life.onStop((reason) => {
      this.#onStop(reason)
      reject(reason)
    })
  }

  json(result: object, headers: ReplyHeaders = {}): void {
    const [id] = this.exchange.requestIds
    this.#settle(jsonReply(JSON.stringify({ jsonrpc: '2.0', id, result }), headers))
  }

  error(code: number, message: string, status = 200): void {
    const [id = null] = this.exchange.requestIds
    this.text(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } }), status)
  }

  text(text: string, status = 200): void {
    this.#settle(jsonReply(text, {}, status))
  }

  fail(code: GatewayErrorCode, status?: number): void {
    this.#off()
    this.#reject(new GatewayError(code, `The upstream says ${code}`, status === undefined ? {} : { status }))
  }

  empty(status = 202): void {
    this.#settle({ kind: 'empty', status, headers: {} })
  }

  events(headers: ReplyHeaders = {}): MemoryStream {
    this.#stream ??= this.#begin(headers)
    return this.#stream
  }

  #begin(given: ReplyHeaders): MemoryStream {
    const { exchange } = this
    const raw = new PushBody()
    const isLegacy = (exchange.message?.era ?? 'legacy') === 'legacy'
    const canResume = isLegacy && (exchange.verb === 'POST' || exchange.headers['last-event-id'] !== undefined)
    const body = new FramedBody(raw, exchange.requestIds, canResume)
    const stream = streamOf(raw, exchange, this.#off)
    const headers = { 'content-type': 'text/event-stream', ...given }
    const { pending, resumeAfter } = body
    const { listens: endless } = exchange
    this.#resolve({ kind: 'events', status: 200, headers, body, pending, resumeAfter, endless, kept: false })
    return stream
  }

  #settle(reply: Reply): void {
    this.#off()
    this.#resolve(reply)
  }
}

function streamOf(raw: PushBody, exchange: Exchange, off: () => void): MemoryStream {
  let onOver!: (how: StreamEnd) => void
  const over = new Promise<StreamEnd>((resolve) => (onOver = resolve))
  const offStop = exchange.life.onStop((error) => {
    onOver('let go')
    raw.end({ how: 'broken', error })
  })
  raw.writer = { onResume: () => {}, onCancel: () => finish('let go') }
  function finish(how: StreamEnd): void {
    off()
    offStop()
    onOver(how)
  }
  const stream: MemoryStream = {
    over,
    raw: (text) => raw.push(Buffer.from(text)),
    say(message, id, retryMs) {
      const fields = [
        ...(id === undefined ? [] : [`id: ${id}`]),
        ...(retryMs === undefined ? [] : [`retry: ${retryMs}`]),
      ]
      stream.raw([...fields, `data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}`, '', ''].join('\n'))
    },
    answer(result, id) {
      stream.say({ id: exchange.requestIds[0] ?? 7, result }, id)
      stream.end()
    },
    end() {
      finish('finished')
      raw.end()
    },
    cut() {
      finish('cut')
      raw.end({ how: 'broken', error: new Error('The connection broke') })
    },
  }
  return stream
}

function kindOf({ verb, message }: Exchange): string {
  if (!message) return verb
  return message.kind === 'response' || message.kind === 'batch' ? message.kind : message.method
}

function wordsOf({ message, headers, state }: Exchange, kind: string): string {
  const after = kind === 'GET' && headers['last-event-id'] !== undefined ? ` after ${headers['last-event-id']}` : ''
  const isCancelled = kind === 'notifications/cancelled'
  const what = isCancelled ? `cancelled ${String(member(member(message, 'params'), 'requestId'))}` : kind
  return `${what}${after}${state?.id === undefined ? '' : ` in ${state.id}`}`
}
