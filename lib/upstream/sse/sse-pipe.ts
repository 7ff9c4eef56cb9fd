/** HTTP+SSE as a pipe: what the server says comes on one event stream, what it is told is POSTed. (2024-11-05 transports) */
import { setMaxListeners } from 'node:events'
import type { Readable } from 'node:stream'
import { GatewayError } from '../../errors.ts'
import type { Pipe, PipeContext } from '../../types.ts'
import { member, parseJson } from '../../util/json.ts'
import { within } from '../../util/timeout.ts'
import { checkResponse } from '../http/check-response.ts'
import { EventReader } from './event-reader.ts'
import type { SseRequests } from './sse-requests.ts'

/** How many messages are on their way to the server, and how many characters of them, before it takes no more. */
const MAX_POSTS = 100
const MAX_POSTED_CHARS = 4 * 1024 * 1024

/** How long a message waits for a notification before it to be accepted, which may be "initialized". */
const ORDER_MS = 5_000

/** Statuses by which a server says that it knows nothing of the stream's session any more. */
const SESSION_GONE: ReadonlySet<number> = new Set([404, 410])

export class SsePipe implements Pipe {
  onMessage?: ((message: string) => void) | undefined
  onDrain?: (() => void) | undefined
  onClose?: ((cause?: Error) => void) | undefined
  readonly #requests: SseRequests
  /** For whom it was opened: who speaks when the gateway itself does. */
  readonly #context: PipeContext
  readonly #abort = new AbortController()
  readonly #reader = new EventReader()
  #stream: Readable | undefined
  #endpoint: string | undefined
  #ready: string[] = []
  #isPaused = false
  #isOver = false
  #posts = 0
  #chars = 0
  #isFull = false
  /** The last notification on its way. */
  #notified: Promise<void> = Promise.resolve()

  /** Resolves when the server has said where to POST. Rejects with a GatewayError. */
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
      throw new GatewayError('upstream_unreachable', 'The upstream cannot be reached', { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor(requests: SseRequests, context: PipeContext) {
    this.#requests = requests
    this.#context = context
    // The stream and every POST listen.
    setMaxListeners(MAX_POSTS + 1, this.#abort.signal)
  }

  send(message: string, from: PipeContext = this.#context): boolean {
    if (this.#isOver) return true
    const parsed = parseJson(message)
    this.#posts += 1
    this.#chars += message.length
    const posting = this.#post(message, from, this.#notified).then(
      (status) => this.#posted(message, parsed, status),
      (error: unknown) => this.#end(error as Error),
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

  /** What the server says before it has named its endpoint is said to nobody. */
  #onData(chunk: Buffer, onEndpoint: (endpoint: string) => void): void {
    for (const { event = 'message', data } of this.#reader.feed(chunk)) {
      if (event === 'endpoint' && this.#endpoint === undefined) onEndpoint(this.#requests.endpointOf(data))
      else if (event === 'message' && data !== '') this.#ready.push(data)
    }
    this.#say()
  }

  #say(): void {
    while (!this.#isPaused && !this.#isOver && this.onMessage) {
      const message = this.#ready.shift()
      if (message === undefined) return
      this.onMessage(message)
    }
  }

  /** Requests overtake each other as they may, but nothing overtakes a notification. */
  async #post(message: string, from: PipeContext, notified: Promise<void>): Promise<number> {
    await within(performance.now() + ORDER_MS, notified)
    const { statusCode, body } = await this.#requests.post(this.#endpoint!, message, from, this.#abort.signal)
    // The answer comes on the stream; whatever stands here is nobody's.
    await body.dump()
    return statusCode
  }

  #posted(message: string, parsed: unknown, status: number): void {
    this.#posts -= 1
    this.#chars -= message.length
    if (this.#isOver) return
    if (SESSION_GONE.has(status)) return this.#end(new Error(`The server has lost its session (${status})`))
    if (status >= 300) this.#refused(parsed, status)
    if (!this.#isFull || this.#posts >= MAX_POSTS || this.#chars >= MAX_POSTED_CHARS) return
    this.#isFull = false
    this.onDrain?.()
  }

  /** Nobody else answers a request that has not been taken. */
  #refused(parsed: unknown, status: number): void {
    const id = member(parsed, 'id')
    if (id === undefined || member(parsed, 'method') === undefined) return
    const error = { code: -32603, message: `The server refused the message (${status})` }
    this.onMessage?.(JSON.stringify({ jsonrpc: '2.0', id, error }))
  }

  #end(cause: Error): void {
    if (this.#isOver) return
    void this.close()
    this.onClose?.(cause)
  }
}
