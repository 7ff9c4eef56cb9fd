/** Reads a reply as far as its first response. */
import { StringDecoder } from 'node:string_decoder'
import { GatewayError } from '../errors.ts'
import type { RequestId } from '../types.ts'
import { ChunkList } from '../util/chunk-list.ts'
import { mayBeMessage, parseJson } from '../util/json.ts'
import type { Body, End, Sink } from './body.ts'
import type { Out } from './answer.ts'
import { type Message, messageOf, type ResponseMessage } from './message.ts'
import type { EventsReply, Reply } from './reply.ts'
import { createMessageReader, eventsOf } from './sse.ts'

/** A response longer than this is not read, in bytes. */
const MAX_BYTES = 4 * 1024 * 1024

/** Which response is read. */
interface Wanted {
  /** The id of the request. A response to another one is passed over; without it the first response is read. (ER14) */
  readonly id?: RequestId | undefined
  readonly maxBytes?: number | undefined
  /** How long a reply that has begun is waited for: what comes later is not read. 0, the default, is for ever. */
  readonly timeoutMs?: number | undefined
  /** Called when that is over, before the promise resolves with nothing. */
  readonly onLate?: (() => void) | undefined
}

/** Whether a response is the one that is wanted; an error may have no id. (JSON-RPC 2.0, 5) */
type IsWanted = (response: ResponseMessage) => boolean

/**
 * The response in a reply, `undefined` when there is none, it is too long to be read, or comes too late. The bytes are
 * given back: the reply can be relayed as if untouched. Rejects with nothing.
 */
export function peekResponse(reply: Reply, wanted: Wanted = {}): Promise<ResponseMessage | undefined> {
  if (reply.kind === 'empty') return Promise.resolve(undefined)
  return new Promise((resolve) => {
    const Peek = reply.kind === 'events' ? EventsPeek : JsonPeek
    new Peek(reply.body, resolve, wanted).start()
  })
}

/**
 * The same for a while. A stream that is late can be relayed, and its client sees that it lives; of a document nothing
 * can be said before it ends: rejects with `upstream_timeout`.
 */
export async function peekInTime(
  reply: Reply,
  id: RequestId | undefined,
  timeoutMs: number,
): Promise<ResponseMessage | undefined> {
  let isLate = false
  const response = await peekResponse(reply, { id, timeoutMs, onLate: () => (isLate = true) })
  if (!isLate || reply.kind !== 'json') return response
  reply.body.cancel()
  throw new GatewayError('upstream_timeout', 'The server did not answer in time')
}

/**
 * The first response in a reply, which is used up by it. What an event stream says before that goes to `out` as the
 * bytes it came in; without `out` it is dropped. `undefined` when there is none, or it is too long to be read.
 */
export function readResponse(reply: Reply, out?: Out, wanted: Wanted = {}): Promise<ResponseMessage | undefined> {
  if (reply.kind === 'events') return new Promise((resolve) => new EventsReader(reply, out, resolve, wanted).start())
  return peekResponse(reply, wanted).finally(() => reply.kind === 'json' && reply.body.drain())
}

function isWantedOf({ id }: Wanted): IsWanted {
  return (response) => id === undefined || response.id === id || (response.id === null && response.error !== undefined)
}

/** Collects what it is given until it has seen enough. */
abstract class PeekSink implements Sink {
  protected readonly chunks = new ChunkList()
  protected readonly maxBytes: number
  protected readonly isWanted: IsWanted
  readonly #body: Body
  readonly #resolve: (response: ResponseMessage | undefined) => void
  readonly #wanted: Wanted
  #timer: NodeJS.Timeout | undefined
  #isSettled = false

  constructor(body: Body, resolve: (response: ResponseMessage | undefined) => void, wanted: Wanted) {
    this.#body = body
    this.#resolve = resolve
    this.#wanted = wanted
    this.maxBytes = wanted.maxBytes ?? MAX_BYTES
    this.isWanted = isWantedOf(wanted)
  }

  /** What is all there needs no timer. */
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
    this.#resolve(response)
  }
}

/** A document that broke off has not been answered, even if what came of it can be read. */
class JsonPeek extends PeekSink {
  end({ how }: End): void {
    const bytes = this.chunks.concat()
    this.chunks.push(bytes)
    const text = bytes.toString()
    const response = how === 'complete' && mayBeMessage(text) ? responseOf(parseJson(text), text) : undefined
    this.settle(response && this.isWanted(response) ? response : undefined)
  }
}

class EventsPeek extends PeekSink {
  readonly #decoder = new StringDecoder()
  #response: ResponseMessage | undefined
  readonly #reader = createMessageReader((json, text) => {
    const response = this.#response ? undefined : responseOf(json, text)
    if (response && this.isWanted(response)) this.#response = response
  }, this.maxBytes)

  override data(chunk: Buffer): boolean {
    const flows = super.data(chunk)
    if (!flows) return false
    this.#reader.feed(this.#decoder.write(chunk))
    if (this.#response) this.settle(this.#response)
    return this.#response === undefined
  }

  end(): void {
    // A reader waits behind a carriage return for the line feed that may belong to it.
    this.#reader.feed('\n')
    this.settle(this.#response)
  }
}

/** Hands on stretches until one has a response; what follows the response in its stream is not wanted. */
class EventsReader implements Sink {
  readonly #reply: EventsReply
  readonly #out: Out | undefined
  readonly #maxBytes: number
  readonly #resolve: (response: ResponseMessage | undefined) => void
  readonly #isWanted: IsWanted
  readonly #held = new ChunkList()
  #found: ResponseMessage | undefined
  readonly #reader = createMessageReader((json, text) => {
    const response = this.#found ? undefined : responseOf(json, text)
    if (response && this.#isWanted(response)) this.#found = response
  })
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
