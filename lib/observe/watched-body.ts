/** Scans the body of a reply while it is forwarded unchanged. */
import { StringDecoder } from 'node:string_decoder'
import type { Body, End, Sink } from '../exchange/body.ts'
import type { EventsReply, JsonReply } from '../exchange/reply.ts'
import { createMessageReader } from '../exchange/sse.ts'
import { ChunkList } from '../util/chunk-list.ts'
import { isObject, parseJson } from '../util/json.ts'
import { EventScanner } from './event-scanner.ts'
import { MessageScanner, type ScannedMessage } from './message-scanner.ts'

/** The largest result that is read, in bytes. */
const MAX_RESULT_BYTES = 4 * 1024 * 1024

/** What is told of a scanned reply. */
export interface Watcher {
  /** Whether results are read. */
  readonly readsResults: boolean
  onMessage(message: ScannedMessage): void
  /** Called once at the end of the body; with `undefined` if it was cancelled or drained. */
  onEnd(end: End | undefined): void
  /** Called with each parsed response, if results are read. */
  onResponse(id: unknown, result: unknown): void
}

/** The same reply, whose body calls the watcher. A body that is watched already is scanned once for both. */
export function watchReply<R extends JsonReply | EventsReply>(reply: R, watcher: Watcher): R {
  const { body } = reply
  if (body instanceof WatchedBody && body.watchToo(watcher)) return reply
  return { ...reply, body: new WatchedBody(body, reply.kind === 'events', watcher) }
}

class WatchedBody implements Body {
  readonly #body: Body
  readonly #watcher: Watcher
  /** Called after the other one, as if it watched a body around this one. */
  #second: Watcher | undefined
  readonly #scanner: MessageScanner | EventScanner
  readonly #reader: { see(chunk: Buffer): void; end(): void } | undefined
  /** How many of the next bytes were scanned before they were unread, and must not be scanned again. */
  #seen = 0
  #hasBegun = false
  #isOver = false

  constructor(body: Body, isStream: boolean, watcher: Watcher) {
    this.#body = body
    this.#watcher = watcher
    const onMessage = (message: ScannedMessage): void => {
      watcher.onMessage(message)
      this.#second?.onMessage(message)
    }
    this.#scanner = isStream ? new EventScanner(onMessage) : new MessageScanner(onMessage)
    if (watcher.readsResults) this.#reader = isStream ? eventReader(watcher) : documentReader(watcher)
  }

  /** Adds a second watcher. `false` if it could have missed something by now, or reads results. */
  watchToo(second: Watcher): boolean {
    if (this.#hasBegun || this.#second || second.readsResults) return false
    this.#second = second
    return true
  }

  pipe(sink: Sink): void {
    this.#body.pipe({
      data: (chunk, atBoundary) => {
        this.#look(chunk)
        return sink.data(chunk, atBoundary)
      },
      end: (end) => {
        this.#over(end)
        sink.end(end)
      },
    })
  }

  whole(): Buffer | undefined {
    const bytes = this.#body.whole()
    if (bytes) {
      this.#look(bytes)
      this.#over({ how: 'complete' })
    }
    return bytes
  }

  unread(chunks: readonly Buffer[]): void {
    for (const { length } of chunks) this.#seen += length
    this.#body.unread(chunks)
  }

  resume(): void {
    this.#body.resume()
  }

  cancel(): void {
    this.#over(undefined)
    this.#body.cancel()
  }

  drain(): void {
    this.#over(undefined)
    this.#body.drain()
  }

  #look(chunk: Buffer): void {
    this.#hasBegun = true
    const known = Math.min(this.#seen, chunk.length)
    this.#seen -= known
    if (known === chunk.length) return
    const fresh = known === 0 ? chunk : chunk.subarray(known)
    this.#reader?.see(fresh)
    this.#scanner.see(fresh)
  }

  #over(end: End | undefined): void {
    if (this.#isOver) return
    this.#hasBegun = true
    this.#isOver = true
    this.#reader?.end()
    this.#watcher.onEnd(end)
    this.#second?.onEnd(end)
  }
}

function documentReader(watcher: Watcher): { see(chunk: Buffer): void; end(): void } {
  const chunks = new ChunkList()
  let bytes = 0
  return {
    see(chunk) {
      bytes += chunk.length
      if (bytes <= MAX_RESULT_BYTES) chunks.push(chunk)
      else chunks.clear()
    },
    end() {
      if (bytes <= MAX_RESULT_BYTES) tellResponses(parseJson(chunks.concat().toString()), watcher)
    },
  }
}

function eventReader(watcher: Watcher): { see(chunk: Buffer): void; end(): void } {
  const decoder = new StringDecoder()
  const reader = createMessageReader((message) => tellResponses(message, watcher), MAX_RESULT_BYTES)
  return { see: (chunk) => reader.feed(decoder.write(chunk)), end: () => {} }
}

function tellResponses(message: unknown, watcher: Watcher): void {
  for (const one of Array.isArray(message) ? (message as unknown[]) : [message]) {
    if (isObject(one) && 'result' in one) watcher.onResponse(one['id'], one['result'])
  }
}
