/**
 * A transport for the server and a pipe for the gateway. Messages are serialized to JSON, so the sides share no
 * objects.
 */
import type { Pipe, PipeContext } from '../../types.ts'
import { isObject, parseJson } from '../../util/json.ts'

/** How many messages of a server are buffered while the gateway has paused it, and how many characters of them. */
const MAX_UNTAKEN = 1_000
const MAX_UNTAKEN_CHARS = 4 * 1024 * 1024

interface Untaken {
  readonly text: string
  readonly resolve: () => void
}

/** The sender of a message, which handlers of an SDK server receive as `authInfo`. */
export interface InProcessAuthInfo {
  /** Empty, because the gateway never passes on the client's token. */
  readonly token: string
  /** The principal's id. */
  readonly clientId: string
  readonly scopes: string[]
  /** In seconds since the epoch. */
  readonly expiresAt?: number
  /** Holds the principal itself as `principal`. */
  readonly extra: Record<string, unknown>
}

/** The part of the SDK's transport interface that servers use; the server sets the listeners. */
export interface ServerTransport {
  // The SDKs have different types for messages and listeners; the messages are JSON with either.
  // oxlint-disable-next-line typescript/no-explicit-any
  onmessage?: ((message: any, extra?: any) => void) | undefined
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  sessionId?: string
  start(): Promise<void>
  // oxlint-disable-next-line typescript/no-explicit-any
  send(message: any): Promise<void>
  close(): Promise<void>
}

type Extra = { readonly authInfo: InProcessAuthInfo } | undefined

export class MemoryTransport implements Pipe, ServerTransport {
  onmessage?: ((message: unknown, extra?: unknown) => void) | undefined
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  onMessage?: ((message: string) => void) | undefined
  onDrain?: (() => void) | undefined
  onClose?: ((cause?: Error) => void) | undefined
  /** Messages that arrived before the server called `start()`. */
  #early: (readonly [text: string, from: PipeContext | undefined])[] | undefined = []
  #waiting: Untaken[] = []
  #chars = 0
  #isPaused = false
  #isClosed = false

  // The server's side.

  start(): Promise<void> {
    const early = this.#early ?? []
    this.#early = undefined
    for (const [text, from] of early) this.#deliver(text, from)
    if (early.length > 0) this.onDrain?.()
    return Promise.resolve()
  }

  /** Resolves when the gateway has received the message, so a server that awaits it is slowed down by a slow client. */
  send(message: string, from?: PipeContext): boolean
  send(message: object): Promise<void>
  send(message: string | object, from?: PipeContext): boolean | Promise<void> {
    if (typeof message === 'string') return this.#toServer(message, from)
    if (this.#isClosed) return Promise.reject(new Error('The transport is closed'))
    const text = jsonTextOf(message)
    if (!this.#isPaused && this.#waiting.length === 0) {
      this.onMessage?.(text)
      return Promise.resolve()
    }
    if (this.#waiting.length >= MAX_UNTAKEN || this.#chars + text.length > MAX_UNTAKEN_CHARS) {
      return Promise.reject(new Error('The client does not keep up'))
    }
    this.#chars += text.length
    return new Promise((resolve) => this.#waiting.push({ text, resolve }))
  }

  // The gateway's side.

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    while (!this.#isPaused) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#chars -= next.text.length
      this.onMessage?.(next.text)
      next.resolve()
    }
  }

  // Called by the server when it ends, and by the gateway to end it.

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#isClosed = true
    for (const { resolve } of this.#waiting.splice(0)) resolve()
    this.#early = undefined
    this.onClose?.()
    this.onclose?.()
    return Promise.resolve()
  }

  #toServer(text: string, from: PipeContext | undefined): boolean {
    if (this.#isClosed) return true
    if (!this.#early) {
      this.#deliver(text, from)
      return true
    }
    this.#early.push([text, from])
    return false
  }

  /** Reports what the server's listener throws to the server's own `onerror`. */
  #deliver(text: string, from: PipeContext | undefined): void {
    try {
      this.onmessage?.(parseJson(text), extraOf(from))
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)))
    }
  }
}

function extraOf(from: PipeContext | undefined): Extra {
  const principal = from?.principal
  if (!principal) return undefined
  const { id, scopes = [], expiresAt } = principal
  const authInfo = { token: '', clientId: id, scopes: [...scopes], extra: { principal } }
  return { authInfo: expiresAt === undefined ? authInfo : { ...authInfo, expiresAt } }
}

/** Sends an error in place of a result that JSON cannot represent, which would leave its request without a response. */
function jsonTextOf(message: object): string {
  try {
    return JSON.stringify(message)
  } catch (error) {
    const { id } = message as { id?: unknown }
    if (!isObject(message) || id === undefined || 'method' in message) throw error
    return JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32603, message: 'The result cannot be said in JSON' } })
  }
}
