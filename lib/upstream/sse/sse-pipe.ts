/** HTTP+SSE as a pipe: messages arrive on one event stream, and are sent by POST. (2024-11-05 transports) */
import { setMaxListeners } from 'node:events'
import type { Readable } from 'node:stream'
import { GatewayError, isCode } from '../../errors.ts'
import type { Pipe, PipeContext, RequestId } from '../../types.ts'
import { member, parseJson } from '../../util/json.ts'
import { within } from '../../util/timeout.ts'
import { checkResponse } from '../http/check-response.ts'
import { EventReader } from './event-reader.ts'
import type { SseRequests } from './sse-requests.ts'

/** How many POSTs may be in flight, and how many characters in them, before the pipe is full. */
const MAX_POSTS = 100
const MAX_POSTED_CHARS = 4 * 1024 * 1024

/** How many messages are buffered before the endpoint event, and how many characters of them. */
const MAX_BEFORE_ENDPOINT = 1_000
const MAX_CHARS_BEFORE_ENDPOINT = 1024 * 1024

/**
 * How long a message waits, in milliseconds, for an earlier notification to be accepted, which may be "initialized".
 */
const ORDER_MS = 5_000

/** Statuses that mean that the server no longer knows the stream's session. */
const SESSION_GONE: ReadonlySet<number> = new Set([404, 410])

export class SsePipe implements Pipe {
  onMessage?: ((message: string) => void) | undefined
  onDrain?: (() => void) | undefined
  onClose?: ((cause?: Error) => void) | undefined
  readonly #requests: SseRequests
  /** The context that the pipe was opened with; used for messages that the gateway sends itself. */
  readonly #context: PipeContext
  readonly #abort = new AbortController()
  readonly #reader = new EventReader()
  #stream: Readable | undefined
  #endpoint: string | undefined
  #ready: string[] = []
  /** How many characters have arrived before the endpoint event. */
  #earlyChars = 0
  #isPaused = false
  #isOver = false
  #posts = 0
  #chars = 0
  #isFull = false
  /** The latest notification in flight. */
  #notified: Promise<void> = Promise.resolve()

  /** Resolves when the server has sent its endpoint event. Rejects with a GatewayError. */
  static async open(requests: SseRequests, context: PipeContext): Promise<SsePipe> {
    const pipe = new SsePipe(requests, context)
    const late = new GatewayError('upstream_timeout', 'The server named no endpoint in time')
    const timer = setTimeout(() => pipe.#abort.abort(late), requests.connectMs).unref()
    try {
      await pipe.#connect()
      return pipe
    } catch (error) {
      void pipe.close()
      if (error instanceof GatewayError) throw error
      throw new GatewayError('upstream_unreachable', 'The server cannot be reached', { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor(requests: SseRequests, context: PipeContext) {
    this.#requests = requests
    this.#context = context
    // The stream and every POST add a listener to the signal.
    setMaxListeners(MAX_POSTS + 1, this.#abort.signal)
  }

  send(message: string, from: PipeContext = this.#context): boolean {
    if (this.#isOver) return true
    const parsed = parseJson(message)
    this.#posts += 1
    this.#chars += message.length
    const posting = this.#post(message, from, this.#notified).then(
      (status) => this.#posted(message, parsed, status),
      (error: unknown) => this.#failed(message, parsed, error as Error),
    )
    if (member(parsed, 'id') === undefined) this.#notified = posting
    this.#isFull = this.#posts >= MAX_POSTS || this.#chars >= MAX_POSTED_CHARS
    return !this.#isFull
  }

  pause(): void {
    this.#isPaused = true
    this.#stream?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#say()
    if (!this.#isPaused) this.#stream?.resume()
  }

  close(): Promise<void> {
    this.#isOver = true
    this.#ready = []
    this.#abort.abort()
    return Promise.resolve()
  }

  async #connect(): Promise<void> {
    const { signal } = this.#abort
    const { statusCode: status, headers, body } = await this.#requests.listen(this.#context, signal)
    body.on('error', (error) => this.#end(error))
    const fault = checkResponse({ expects: 'stream', era: 'legacy', inSession: false }, { status, headers })
    if (fault) throw fault
    this.#stream = body
    this.#endpoint = await new Promise<string>((resolve, reject) => {
      body.on('data', (chunk: Buffer) => {
        try {
          this.#onData(chunk, resolve)
        } catch (error) {
          const thrown = error as Error
          reject(thrown)
          this.#end(thrown)
        }
      })
      body.once('close', () => {
        const ended = new Error('The server ended its event stream')
        reject(signal.reason instanceof GatewayError ? signal.reason : ended)
        this.#end(ended)
      })
    })
  }

  /** Buffers messages that arrive before the endpoint event, because nothing receives them until the pipe is open. */
  #onData(chunk: Buffer, onEndpoint: (endpoint: string) => void): void {
    for (const { event = 'message', data } of this.#reader.feed(chunk)) {
      if (event === 'endpoint' && this.#endpoint === undefined) onEndpoint(this.#requests.endpointOf(data))
      else if (event === 'message' && data !== '') this.#keep(data)
    }
    this.#say()
  }

  #keep(message: string): void {
    this.#ready.push(message)
    if (this.#endpoint !== undefined) return
    this.#earlyChars += message.length
    if (this.#ready.length <= MAX_BEFORE_ENDPOINT && this.#earlyChars <= MAX_CHARS_BEFORE_ENDPOINT) return
    throw new GatewayError('upstream_invalid', 'The server sent too many messages before its endpoint')
  }

  #say(): void {
    while (!this.#isPaused && !this.#isOver && this.onMessage) {
      const message = this.#ready.shift()
      if (message === undefined) return
      this.onMessage(message)
    }
  }

  /** Sends requests concurrently, but each message only after the notification before it was accepted. */
  async #post(message: string, from: PipeContext, notified: Promise<void>): Promise<number> {
    await within(performance.now() + ORDER_MS, notified)
    const { statusCode, body } = await this.#requests.post(this.#endpoint!, message, from, this.#abort.signal)
    // The response arrives on the event stream, so the body of this one is discarded.
    await body.dump()
    return statusCode
  }

  #posted(message: string, parsed: unknown, status: number): void {
    if (this.#isOver) return
    if (SESSION_GONE.has(status)) return this.#end(new Error(`The server has lost its session (${status})`))
    if (status >= 300) {
      this.#refused(parsed, (id) => {
        const error = { code: -32603, message: `The server refused the message (${status})` }
        return JSON.stringify({ jsonrpc: '2.0', id, error })
      })
    }
    this.#over(message)
  }

  /** The server has not got the message. For want of an account that is its answer; anything else ends the pipe. */
  #failed(message: string, parsed: unknown, error: Error): void {
    if (!isCode(error, 'connection_required')) return this.#end(error)
    if (this.#isOver) return
    this.#refused(parsed, (id) => (error as GatewayError).toJsonRpc(id))
    this.#over(message)
  }

  #over(message: string): void {
    this.#posts -= 1
    this.#chars -= message.length
    if (!this.#isFull || this.#posts >= MAX_POSTS || this.#chars >= MAX_POSTED_CHARS) return
    this.#isFull = false
    this.onDrain?.()
  }

  /** Answers a request whose POST was refused, because the server sends no response to it on the stream. */
  #refused(parsed: unknown, answer: (id: RequestId) => string): void {
    const id = member(parsed, 'id') as RequestId | undefined
    if (id !== undefined && member(parsed, 'method') !== undefined) this.onMessage?.(answer(id))
  }

  #end(cause: Error): void {
    if (this.#isOver) return
    void this.close()
    this.onClose?.(cause)
  }
}
