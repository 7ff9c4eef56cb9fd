/** Reads a reply up to its first response. */
import { StringDecoder } from 'node:string_decoder'
import { GatewayError } from '../errors.ts'
import type { RequestId } from '../types.ts'
import { ChunkList } from '../util/chunk-list.ts'
import { mayBeMessage, parseJson } from '../util/json.ts'
import type { Body, End, Sink } from './body.ts'
import type { Out } from './answer.ts'
import { type Message, messageOf, type ResponseMessage } from './message.ts'
import type { EventsReply, JsonReply, Reply } from './reply.ts'
import { createMessageReader, eventsOf, type MessageReader } from './sse.ts'

/** A response longer than this is not read, in bytes. */
const MAX_BYTES = 4 * 1024 * 1024

/** Selects the response, and limits the search for it. */
interface Wanted {
  /** The id of the request. Responses to other requests are skipped; without it the first response counts. (ER14) */
  readonly id?: RequestId | undefined
  readonly maxBytes?: number | undefined
  /** The time limit for the response, counted from the reply's headers. 0, the default, means none. */
  readonly timeoutMs?: number | undefined
  /** Called when the time limit has passed, before the promise resolves with `undefined`. */
  readonly onLate?: (() => void) | undefined
  /** Parses a message, where a caller may know its text already. Answers `undefined` for what is not JSON. */
  readonly parse?: ((text: string) => unknown) | undefined
}

/** Whether a response answers the request; an error may have no id. (JSON-RPC 2.0, 5) */
type IsWanted = (response: ResponseMessage) => boolean

/**
 * Finds the response in a reply without consuming it: the bytes are put back, so that the reply can be relayed as
 * usual. Resolves with `undefined` when there is no response, it is too long, or it comes too late. Never rejects.
 */
export function peekResponse(reply: Reply, wanted: Wanted = {}): Promise<ResponseMessage | undefined> {
  if (reply.kind === 'empty') return Promise.resolve(undefined)
  return new Promise((resolve) => startPeek(reply, resolve, wanted))
}

function startPeek(reply: JsonReply | EventsReply, resolve: PeekSink['resolve'], wanted: Wanted): void {
  const Peek = reply.kind === 'events' ? EventsPeek : JsonPeek
  new Peek(reply.body, resolve, wanted).start()
}

/**
 * `peekResponse` with a time limit. A late event stream can still be relayed, with heartbeats that show the client it
 * is alive; a late JSON document cannot, so that case rejects with `upstream_timeout`.
 */
export function peekInTime(
  reply: Reply,
  id: RequestId | undefined,
  timeoutMs: number,
): Promise<ResponseMessage | undefined> {
  if (reply.kind !== 'json') return peekResponse(reply, { id, timeoutMs })
  return new Promise((resolve, reject) => {
    let isLate = false
    const settle = (response: ResponseMessage | undefined): void => {
      if (!isLate) return resolve(response)
      reply.body.cancel()
      reject(new GatewayError('upstream_timeout', 'The server did not answer in time'))
    }
    startPeek(reply, settle, { id, timeoutMs, onLate: () => (isLate = true) })
  })
}

/**
 * Reads the response in a reply and consumes the reply. Earlier events of a stream are forwarded to `out` byte for
 * byte; without `out` they are dropped. Resolves with `undefined` when there is no response, or it is too long.
 */
export function readResponse(reply: Reply, out?: Out, wanted: Wanted = {}): Promise<ResponseMessage | undefined> {
  if (reply.kind === 'events') return new Promise((resolve) => new EventsReader(reply, out, resolve, wanted).start())
  return peekResponse(reply, wanted).finally(() => reply.kind === 'json' && reply.body.drain())
}

function isWantedOf({ id }: Wanted): IsWanted {
  return (response) => id === undefined || response.id === id || (response.id === null && response.error !== undefined)
}

/** Buffers a body until the response is found, or a limit is reached. */
abstract class PeekSink implements Sink {
  protected readonly chunks = new ChunkList()
  protected readonly maxBytes: number
  protected readonly isWanted: IsWanted
  protected readonly parse: (text: string) => unknown
  readonly #body: Body
  readonly resolve: (response: ResponseMessage | undefined) => void
  readonly #wanted: Wanted
  #timer: NodeJS.Timeout | undefined
  #isSettled = false

  constructor(body: Body, resolve: (response: ResponseMessage | undefined) => void, wanted: Wanted) {
    this.#body = body
    this.resolve = resolve
    this.#wanted = wanted
    this.maxBytes = wanted.maxBytes ?? MAX_BYTES
    this.isWanted = isWantedOf(wanted)
    this.parse = wanted.parse ?? parseJson
  }

  /** The timer starts after `pipe()`, because a body in memory settles during that call and needs none. */
  start(): void {
    const { timeoutMs = 0, onLate } = this.#wanted
    this.#body.pipe(this)
    if (this.#isSettled || timeoutMs === 0) return
    this.#timer = setTimeout(() => {
      onLate?.()
      this.settle(undefined)
    }, timeoutMs).unref()
  }

  data(chunk: Buffer): boolean {
    this.chunks.push(chunk)
    if (this.chunks.byteLength > this.maxBytes) this.settle(undefined)
    return !this.#isSettled
  }

  abstract end(end: End): void

  protected settle(response: ResponseMessage | undefined): void {
    if (this.#isSettled) return
    this.#isSettled = true
    clearTimeout(this.#timer)
    this.#body.unread(this.chunks.take())
    this.resolve(response)
  }
}

/** A document that broke off holds no response, even if the bytes that arrived are valid JSON. */
class JsonPeek extends PeekSink {
  end({ how }: End): void {
    const bytes = this.chunks.concat()
    this.chunks.push(bytes)
    const text = bytes.toString()
    const response = how === 'complete' && mayBeMessage(text) ? responseOf(this.parse(text), text) : undefined
    this.settle(response && this.isWanted(response) ? response : undefined)
  }
}

class EventsPeek extends PeekSink {
  readonly #decoder = new StringDecoder()
  #response: ResponseMessage | undefined
  readonly #reader = createMessageReader(
    (json, text) => {
      const response = this.#response ? undefined : responseOf(json, text)
      if (response && this.isWanted(response)) this.#response = response
    },
    this.maxBytes,
    this.parse,
  )

  override data(chunk: Buffer): boolean {
    const flows = super.data(chunk)
    if (!flows) return false
    this.#reader.feed(this.#decoder.write(chunk))
    if (this.#response) this.settle(this.#response)
    return this.#response === undefined
  }

  end(): void {
    // After a carriage return the reader waits for a possible line feed.
    this.#reader.feed('\n')
    this.settle(this.#response)
  }
}

/** Forwards events up to the response, and cancels the stream there. */
class EventsReader implements Sink {
  readonly #reply: EventsReply
  readonly #out: Out | undefined
  readonly #maxBytes: number
  readonly #resolve: (response: ResponseMessage | undefined) => void
  readonly #isWanted: IsWanted
  readonly #held = new ChunkList()
  #found: ResponseMessage | undefined
  readonly #reader: MessageReader
  #isSettled = false

  constructor(
    reply: EventsReply,
    out: Out | undefined,
    resolve: (response: ResponseMessage | undefined) => void,
    wanted: Wanted,
  ) {
    this.#reply = reply
    this.#out = out
    this.#resolve = resolve
    this.#maxBytes = wanted.maxBytes ?? MAX_BYTES
    this.#isWanted = isWantedOf(wanted)
    const onMessage = (json: unknown, text: string): void => {
      const response = this.#found ? undefined : responseOf(json, text)
      if (response && this.#isWanted(response)) this.#found = response
    }
    this.#reader = createMessageReader(onMessage, Infinity, wanted.parse)
  }

  start(): void {
    this.#reply.body.pipe(this)
  }

  data(chunk: Buffer, atBoundary: boolean): boolean {
    this.#held.push(chunk)
    if (this.#held.byteLength > this.#maxBytes) {
      this.#settle(undefined)
      return false
    }
    if (!atBoundary) return true
    let flows = true
    for (const event of eventsOf(this.#held.concat())) {
      if (event.includes('"result"') || event.includes('"error"')) this.#reader.feed(`${event.toString()}\n`)
      if (this.#found) {
        this.#settle(this.#found)
        return false
      }
      flows = this.#out?.bytes(event, true) ?? true
    }
    if (!flows && this.#out?.ready) void this.#out.ready.then(() => this.#reply.body.resume())
    return flows
  }

  end(): void {
    this.#settle(undefined)
  }

  #settle(response: ResponseMessage | undefined): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#reply.body.cancel()
    this.#resolve(response)
  }
}

function responseOf(json: unknown, text: string): ResponseMessage | undefined {
  const message: Message | undefined = messageOf(json, text, 'legacy')
  return message?.kind === 'response' ? message : undefined
}
