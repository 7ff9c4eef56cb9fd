/** Which requests of a POST still wait for their response on its event stream. (SE1, ER14) */
import type { RequestId } from '../types.ts'
import { ChunkList } from '../util/chunk-list.ts'
import { isObject } from '../util/json.ts'
import { createMessageReader, endOfFirstEvent, eventsOf } from './sse.ts'

/** How a response begins, and how anything else does, in the words of the common serializers. */
const ID = String.raw`"(?:[^"\\]|\\.)*"|-?\d+`
const FIELDS = String.raw`^[\r\n]*(?:(?!data:)[^\r\n]+[\r\n]+)*data: ?\{\s*(?:"jsonrpc":\s*"2\.0",\s*|"id":\s*(?:${ID}),\s*)*`
const RESPONSE = new RegExp(`${FIELDS}"(?:result|error)":`)
const NO_RESPONSE = new RegExp(`${FIELDS}"method":`)
const ID_MEMBER = new RegExp(String.raw`"id":\s*(${ID})`)
/** How a response ends whose id stands behind its result. */
const ID_AT_END = new RegExp(String.raw`"id":\s*(${ID})\s*(?:,\s*"jsonrpc":\s*"2\.0"\s*)?\}\s*$`)

/** Enough of an event to tell what it is, and of its end to find an id there. */
const HEAD_BYTES = 512
const TAIL_BYTES = 512

/** Up to how many bytes an event is collected whose first bytes do not tell what it is. A longer one is no response. */
const READ_BYTES = 4 * 1024 * 1024

/** What the first bytes of an event tell. */
type Verdict = 'other' | 'unclear' | { readonly responseTo: RequestId | undefined }

/** An event that arrives in pieces: read until its first bytes tell what it is, remembered until it ends. */
interface Partial {
  readonly read: ChunkList
  verdict: Verdict
  /** The last bytes of the pieces so far. */
  tail: Buffer
}

/** The first bytes of an event nearly always settle what it is; what they don't settle is parsed. */
export class PendingIds {
  readonly #ids: Set<RequestId>
  #partial: Partial | undefined

  constructor(ids: readonly RequestId[]) {
    this.#ids = new Set(ids)
  }

  /** The ids without a response so far. */
  get ids(): RequestId[] {
    return [...this.#ids]
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0
  }

  /** A response that is waited for no more. `false` where it was not. */
  delete(id: RequestId): boolean {
    return this.#ids.delete(id)
  }

  /** Takes notice of what goes to the client, as a `Framer` emits it. */
  see(piece: Buffer, atBoundary: boolean): void {
    if (this.#ids.size === 0) return
    if (this.#partial) this.#seeMore(this.#partial, piece, atBoundary)
    else if (atBoundary) this.#seeWhole(piece)
    else {
      this.#partial = { read: new ChunkList(), verdict: 'unclear', tail: Buffer.alloc(0) }
      this.#seeMore(this.#partial, piece, false)
    }
  }

  /** Whole events: an answer has a result or an error, and nothing else is looked at. */
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

  /** An event in pieces has ended. */
  #settle({ verdict, read, tail }: Partial): void {
    if (verdict === 'other') return
    if (verdict === 'unclear') return this.#parse(read.concat())
    const id = verdict.responseTo ?? idAtEnd(tail)
    // A response whose id cannot be told is taken for the answer where there is one request alone.
    if (id !== undefined) this.#ids.delete(id)
    else if (this.#ids.size === 1) this.#ids.clear()
  }

  #parse(event: Buffer): void {
    createMessageReader((message) => {
      for (const one of Array.isArray(message) ? (message as unknown[]) : [message]) this.#strike(one)
    }).feed(`${event.toString()}\n`)
  }

  #strike(message: unknown): void {
    if (isObject(message) && !('method' in message)) this.#ids.delete(message['id'] as RequestId)
  }
}

function verdictOf(head: Buffer): Verdict {
  const text = head.toString('latin1')
  const response = RESPONSE.exec(text)
  if (response) return { responseTo: idOf(ID_MEMBER.exec(response[0])) }
  return NO_RESPONSE.test(text) ? 'other' : 'unclear'
}

/** The id of a response whose last member it is. Such an end is no other's: what is nested closes more than one brace. */
function idAtEnd(tail: Buffer): RequestId | undefined {
  return idOf(ID_AT_END.exec(tail.toString('latin1')))
}

/** The id that a pattern found in bytes read as Latin-1. */
function idOf(found: RegExpExecArray | null): RequestId | undefined {
  const text = found?.[1]
  if (text === undefined) return undefined
  try {
    return JSON.parse(/[\x80-\xff]/.test(text) ? Buffer.from(text, 'latin1').toString() : text) as RequestId
  } catch {
    return undefined
  }
}
