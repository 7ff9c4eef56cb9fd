/** Reads a reply as far as its first response. */
import { StringDecoder } from 'node:string_decoder'
import { GatewayError } from '../errors.ts'
import type { RequestId } from '../types.ts'
import { ChunkList } from '../util/chunk-list.ts'
import type { Body, Sink } from './body.ts'
import type { Out } from './answer.ts'
import { type Message, messageOf, type ResponseMessage } from './message.ts'
import type { EventsReply, Reply } from './reply.ts'
import { createMessageReader, eventsOf } from './sse.ts'

/** A response longer than this is not read, in bytes. */
const MAX_BYTES = 4 * 1024 * 1024

/** Which response is looked for, and how far. */
export interface Wanted {
  /** The request's: a response to another one is none. Without it the first response will do. */
  readonly id?: RequestId | undefined
  readonly maxBytes?: number | undefined
  /** How long it is waited for; 0 is for ever. */
  readonly timeoutMs?: number | undefined
  /** Called when that is over, before the promise resolves with nothing. */
  readonly onLate?: (() => void) | undefined
}

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
  throw new GatewayError('upstream_timeout', 'The upstream did not answer in time')
}

/**
 * The response in a reply, which is used up by it. What an event stream says before that goes to `out` as the
 * bytes it came in; without `out` it is dropped. `undefined` when there is none, or it is longer than `maxBytes`.
 */
export function readResponse(
  reply: Reply,
  out?: Out,
  wanted: Pick<Wanted, 'id' | 'maxBytes'> = {},
): Promise<ResponseMessage | undefined> {
  if (reply.kind === 'events') return new Promise((resolve) => new EventsReader(reply, out, wanted, resolve).start())
  return peekResponse(reply, wanted).finally(() => reply.kind === 'json' && reply.body.drain())
}

/** Collects what it is given until it has seen enough. */
abstract class PeekSink implements Sink {
  protected readonly chunks = new ChunkList()
  protected readonly maxBytes: number
  protected readonly wanted: Wanted
  readonly #body: Body
  readonly #resolve: (response: ResponseMessage | undefined) => void
  #timer: NodeJS.Timeout | undefined
  #isSettled = false

  constructor(body: Body, resolve: (response: ResponseMessage | undefined) => void, wanted: Wanted) {
    this.#body = body
    this.#resolve = resolve
    this.wanted = wanted
    this.maxBytes = wanted.maxBytes ?? MAX_BYTES
  }

  /** What is all there needs no timer. */
  start(): void {
    const { timeoutMs = 0, onLate } = this.wanted
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

  abstract end(): void

  protected settle(response: ResponseMessage | undefined): void {
    if (this.#isSettled) return
    this.#isSettled = true
    clearTimeout(this.#timer)
    this.#body.unread(this.chunks.take())
    this.#resolve(response)
  }
}

class JsonPeek extends PeekSink {
  end(): void {
    const bytes = this.chunks.concat()
    this.chunks.push(bytes)
    this.settle(responseIn(bytes.toString(), this.wanted))
  }
}

class EventsPeek extends PeekSink {
  readonly #decoder = new StringDecoder()
  #response: ResponseMessage | undefined
  readonly #reader = createMessageReader(
    (json, text) => (this.#response ??= responseOf(json, text, this.wanted)),
    this.maxBytes,
  )

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
  readonly #wanted: Wanted
  readonly #resolve: (response: ResponseMessage | undefined) => void
  readonly #held = new ChunkList()
  #isSettled = false

  constructor(
    reply: EventsReply,
    out: Out | undefined,
    wanted: Wanted,
    resolve: (response: ResponseMessage | undefined) => void,
  ) {
    this.#reply = reply
    this.#out = out
    this.#wanted = wanted
    this.#resolve = resolve
  }

  start(): void {
    this.#reply.body.pipe(this)
  }

  data(chunk: Buffer, atBoundary: boolean): boolean {
    this.#held.push(chunk)
    if (this.#held.byteLength > (this.#wanted.maxBytes ?? MAX_BYTES)) {
      this.#settle(undefined)
      return false
    }
    if (!atBoundary) return true
    let flows = true
    for (const event of eventsOf(this.#held.concat())) {
      const response = responseInEvent(event, this.#wanted)
      if (response) {
        this.#settle(response)
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

function responseInEvent(event: Buffer, wanted: Wanted): ResponseMessage | undefined {
  let response: ResponseMessage | undefined
  if (event.includes('"result"') || event.includes('"error"')) {
    createMessageReader((json, text) => (response ??= responseOf(json, text, wanted))).feed(`${event.toString()}\n`)
  }
  return response
}

function responseIn(text: string, wanted: Wanted): ResponseMessage | undefined {
  try {
    return responseOf(JSON.parse(text), text, wanted)
  } catch {
    return undefined
  }
}

/** An error to nobody is to whoever asked: the server could not read the id. (JSON-RPC 2.0, 5) */
function responseOf(json: unknown, text: string, { id }: Wanted): ResponseMessage | undefined {
  const message: Message | undefined = messageOf(json, text, 'legacy')
  if (message?.kind !== 'response') return undefined
  const isIts = id === undefined || message.id === id || (message.id === null && message.error !== undefined)
  return isIts ? message : undefined
}
