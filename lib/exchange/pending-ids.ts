/** Tracks which requests of a POST have had no response on its event stream yet. (SE1, ER14) */
import type { RequestId } from '../types.ts'
import { ChunkList } from '../util/chunk-list.ts'
import { isObject } from '../util/json.ts'
import { createMessageReader, endOfFirstEvent, eventsOf } from './sse.ts'

/** The beginnings of a response and of any other message, in the member order that common serializers write. */
const ID = String.raw`"(?:[^"\\]|\\.)*"|-?\d+`
const FIELDS = String.raw`^[\r\n]*(?:(?!data:)[^\r\n]+[\r\n]+)*data: ?\{\s*(?:"jsonrpc":\s*"2\.0",\s*|"id":\s*(?:${ID}),\s*)*`
const RESPONSE = new RegExp(`${FIELDS}"(?:result|error)":`)
const NO_RESPONSE = new RegExp(`${FIELDS}"method":`)
const ID_MEMBER = new RegExp(String.raw`"id":\s*(${ID})`)
/** The end of a response whose id follows its result. */
const ID_AT_END = new RegExp(String.raw`"id":\s*(${ID})\s*(?:,\s*"jsonrpc":\s*"2\.0"\s*)?\}\s*$`)

/** How many bytes of an event's beginning are matched to classify it, and of its end to find an id there. */
const HEAD_BYTES = 512
const TAIL_BYTES = 512

/**
 * How many bytes of an event are buffered when its beginning does not classify it. A longer one counts as no response.
 */
const READ_BYTES = 4 * 1024 * 1024

/** The classification of an event by its first bytes. */
type Verdict = 'other' | 'unclear' | { readonly responseTo: RequestId | undefined }

/** An event that arrives in pieces: buffered until it is classified, tracked until it ends. */
interface Partial {
  readonly read: ChunkList
  verdict: Verdict
  /** The last bytes of the pieces so far. */
  tail: Buffer
}

/** Parses only the events that their first bytes do not classify, since parsing every event would cost too much. */
export class PendingIds {
  readonly #ids: Set<RequestId>
  #partial: Partial | undefined

  constructor(ids: readonly RequestId[]) {
    this.#ids = new Set(ids)
  }

  get ids(): RequestId[] {
    return [...this.#ids]
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0
  }

  /** Removes an id; `false` when it was not pending. */
  delete(id: RequestId): boolean {
    return this.#ids.delete(id)
  }

  /** Scans bytes on their way to the client, as a `Framer` emits them. */
  see(piece: Buffer, atBoundary: boolean): void {
    if (this.#ids.size === 0) return
    if (this.#partial) this.#seeMore(this.#partial, piece, atBoundary)
    else if (atBoundary) this.#seeWhole(piece)
    else {
      this.#partial = { read: new ChunkList(), verdict: 'unclear', tail: Buffer.alloc(0) }
      this.#seeMore(this.#partial, piece, false)
    }
  }

  /** Bytes without `"result"` or `"error"` hold no response, so they are skipped. */
  #seeWhole(stretch: Buffer): void {
    if (!stretch.includes('"result"') && !stretch.includes('"error"')) return
    for (const event of eventsOf(stretch)) {
      const verdict = verdictOf(event.subarray(0, HEAD_BYTES))
      if (verdict === 'other') continue
      const id = verdict === 'unclear' ? undefined : (verdict.responseTo ?? idAtEnd(event.subarray(-TAIL_BYTES)))
      if (id === undefined) this.#parse(event)
      else this.#ids.delete(id)
      if (this.#ids.size === 0) return
    }
  }

  #seeMore(partial: Partial, piece: Buffer, atBoundary: boolean): void {
    const end = atBoundary ? endOfFirstEvent(partial.tail, piece) : piece.length
    const part = piece.subarray(0, end)
    if (partial.verdict === 'unclear') this.#readOn(partial, part)
    partial.tail = Buffer.concat([partial.tail, part.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES)
    if (!atBoundary) return
    this.#partial = undefined
    this.#settle(partial)
    if (end < piece.length) this.see(piece.subarray(end), true)
  }

  #readOn(partial: Partial, part: Buffer): void {
    const { read } = partial
    const before = read.byteLength
    read.push(part)
    if (before < HEAD_BYTES) {
      const bytes = read.concat()
      partial.verdict = verdictOf(bytes.subarray(0, HEAD_BYTES))
      read.push(bytes)
    }
    if (partial.verdict === 'unclear' && read.byteLength > READ_BYTES) partial.verdict = 'other'
    if (partial.verdict !== 'unclear') read.clear()
  }

  /** Evaluates an event that arrived in pieces, at its end. */
  #settle({ verdict, read, tail }: Partial): void {
    if (verdict === 'other') return
    if (verdict === 'unclear') return this.#parse(read.concat())
    const id = verdict.responseTo ?? idAtEnd(tail)
    // A response without a readable id is taken as the answer if only one request is pending.
    if (id !== undefined) this.#ids.delete(id)
    else if (this.#ids.size === 1) this.#ids.clear()
  }

  #parse(event: Buffer): void {
    createMessageReader((message) => {
      for (const one of Array.isArray(message) ? (message as unknown[]) : [message]) this.#deleteAnswered(one)
    }).feed(`${event.toString()}\n`)
  }

  #deleteAnswered(message: unknown): void {
    if (isObject(message) && !('method' in message)) this.#ids.delete(message['id'] as RequestId)
  }
}

function verdictOf(head: Buffer): Verdict {
  const text = head.toString('latin1')
  const response = RESPONSE.exec(text)
  if (response) return { responseTo: idOf(ID_MEMBER.exec(response[0])) }
  return NO_RESPONSE.test(text) ? 'other' : 'unclear'
}

/** The id of a response that ends with it. A nested `id` cannot be taken for it, since more than one brace follows that. */
function idAtEnd(tail: Buffer): RequestId | undefined {
  return idOf(ID_AT_END.exec(tail.toString('latin1')))
}

/** Decodes an id that was matched in bytes decoded as Latin-1. */
function idOf(found: RegExpExecArray | null): RequestId | undefined {
  const text = found?.[1]
  if (text === undefined) return undefined
  try {
    return JSON.parse(/[\x80-\xff]/.test(text) ? Buffer.from(text, 'latin1').toString() : text) as RequestId
  } catch {
    return undefined
  }
}
