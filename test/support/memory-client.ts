// What a client gets, without a socket: a response in memory, as the relay writes it.
import { Writable } from 'node:stream'
import { inspect } from 'node:util'
import { GatewayError } from '../../lib/errors.ts'
import { createJournal, type Journal } from './journal.ts'
import { readEvents, type SseEvent } from './sse.ts'

type Heads = Readonly<Record<string, string | number>>

/** Takes what the relay writes: as much of `ServerResponse` as it uses. */
class MemoryResponse extends Writable {
  readonly socket = undefined
  status: number | undefined
  headers: Heads = {}
  text = ''
  readonly events: Journal<SseEvent> = createJournal()
  readonly #reader = readEvents()
  #taken = 0

  writeHead(status: number, headers: Heads = {}): this {
    this.status = status
    this.headers = headers
    return this
  }

  flushHeaders(): void {}

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    const text = chunk.toString()
    this.text += text
    if (this.headers['content-type'] === 'text/event-stream') this.#readEvents(text)
    done()
  }

  #readEvents(text: string): void {
    this.#reader.feed(text)
    for (; this.#taken < this.#reader.events.length; this.#taken += 1) {
      this.events.record(this.#reader.events[this.#taken]!)
    }
  }
}

export class MemoryClient {
  readonly response = new MemoryResponse()
  /** Resolves when the response is out, is refused, or the client has left. */
  readonly over: Promise<void>
  /** What it is refused with. */
  refused: GatewayError | undefined
  /** What broke that is no GatewayError: a fault of the gateway. */
  fault: unknown
  #hasLeft = false

  constructor() {
    this.over = new Promise((resolve) => this.response.once('close', resolve))
  }

  /** The host answers what the gateway rejects with. */
  refuse(error: unknown): void {
    // A client that has left hears of nothing.
    if (this.#hasLeft) return
    if (error instanceof GatewayError) this.refused = error
    else this.fault = error
    this.response.destroy()
  }

  leave(): void {
    this.#hasLeft = true
    this.response.destroy()
  }

  get events(): Journal<SseEvent> {
    return this.response.events
  }

  /** The `Mcp-Session-Id` that it was given. */
  get sessionId(): string | undefined {
    return this.response.headers['mcp-session-id'] as string | undefined
  }

  /** The id of the last event, to come back with. */
  get lastEventId(): string | undefined {
    return this.events.entries.findLast(({ id }) => id !== undefined)?.id
  }

  /** The JSON document that it got. */
  get json(): unknown {
    return JSON.parse(this.response.text)
  }

  /** What it got, in words: `result`, `error 502`, `priming`, `retry`, a method; or `refused 504`. */
  get says(): string[] {
    if (this.fault !== undefined) return [`fault ${inspect(this.fault)}`]
    if (this.refused) return [`refused ${this.refused.status}`]
    const { status, headers, text } = this.response
    if (headers['content-type'] === 'text/event-stream') return this.events.entries.map(wordOf)
    if (text !== '') return [messageWord(JSON.parse(text))]
    return this.#hasLeft ? [] : [`status ${status}`]
  }

  /** Whose event ids it got: ours begin with the name of a stream. */
  get ids(): 'none' | 'ours' | "the server's" {
    const ids = this.events.entries.flatMap(({ id }) => id ?? [])
    if (ids.length === 0) return 'none'
    return ids.every((id) => /^[\w-]+\.[1-9]\d*$/.test(id)) ? 'ours' : "the server's"
  }
}

function wordOf({ data, id, retry, comments }: SseEvent): string {
  if (data !== '') return messageWord(JSON.parse(data))
  if (id !== undefined) return 'priming'
  return retry === undefined ? `comment ${comments.join()}` : 'retry'
}

function messageWord(json: { method?: string; error?: { code: number } }): string {
  if (json.method !== undefined) return json.method === 'notifications/progress' ? 'progress' : json.method
  return json.error ? `error ${json.error.code}` : 'result'
}
