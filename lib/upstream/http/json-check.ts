/** Checks while it streams that a JSON document is complete and answers its request. */
import { GatewayError } from '../../errors.ts'
import type { RequestId } from '../../types.ts'
import { isObject } from '../../util/json.ts'
import { closingQuote, isEscapedAt } from '../../util/json-bytes.ts'
import { DOUBLE_QUOTE } from '../../util/ascii.ts'

/** The bit in which `{` differs from `[`, and `}` from `]`. */
const LOWER = 0x20
const OPEN = 0x7b
const CLOSE = 0x7d

/** The longest document of known length that is scanned, in bytes: of a longer one only the last byte is checked. */
const SCAN_BYTES = 256 * 1024

/** How much of a document's outermost level is kept, in bytes. If that is longer, the id is not checked. */
const OUTLINE_BYTES = 16 * 1024

/**
 * A document can be truncated without an HTTP error: by a broken connection if it has no length, or by a
 * `content-length` that is too small. Only its brackets show that. The id reveals a surplus response that a reused
 * connection delivers for an earlier request.
 */
export class JsonCheck {
  readonly #requestId: RequestId | undefined
  readonly #hasEnd: boolean
  /** The first chunk, until a second arrives: most documents have only one, which can be checked at once. */
  #first: Buffer | undefined
  #bytes = 0
  #lastByte = 0
  #depth = 0
  #isInString = false
  /** Whether the last byte was a backslash that escapes the next one. */
  #isEscaped = false
  /** The outermost level as Latin-1, with [] in place of each value that has brackets. */
  #outline: string | undefined = ''

  /** Without `requestId` the content is not checked. `hasEnd` is set if HTTP shows the end, by length or by chunks. */
  constructor(requestId: RequestId | undefined, hasEnd: boolean) {
    this.#requestId = requestId
    this.#hasEnd = hasEnd
  }

  see(chunk: Buffer): void {
    if (this.#bytes === 0) this.#first = chunk
    else this.#read(chunk)
    this.#bytes += chunk.length
  }

  /** The fault of a document that has ended, if any. */
  fault(): GatewayError | undefined {
    const id = this.#requestId
    if (this.#first) {
      if (id !== undefined && endsAsAnswer(this.#first, id)) return undefined
      this.#scanFirst()
    }
    if (!this.#isWhole) return new GatewayError('upstream_broken', 'The answer of the server broke off')
    if (id === undefined || this.#outline === undefined || answersRequest(this.#outline, id)) return undefined
    return new GatewayError('upstream_invalid', 'The server answered something else than the request')
  }

  get #isWhole(): boolean {
    const isRead = !this.#hasEnd || this.#bytes <= SCAN_BYTES
    return isRead
      ? this.#depth === 0 && !this.#isInString
      : (this.#lastByte | LOWER) === CLOSE || isSpace(this.#lastByte)
  }

  #read(chunk: Buffer): void {
    this.#scanFirst()
    this.#lastByte = chunk.at(-1) ?? this.#lastByte
    if (!this.#hasEnd || this.#bytes + chunk.length <= SCAN_BYTES) this.#scan(chunk)
    else this.#outline = undefined
  }

  #scanFirst(): void {
    const first = this.#first
    this.#first = undefined
    if (first) this.#scan(first)
  }

  #scan(chunk: Buffer): void {
    const { length } = chunk
    let depth = this.#depth
    let at = this.#isInString ? this.#endString(chunk, this.#isEscaped ? 1 : 0) : 0
    let from = 0
    while (at < length) {
      const byte = chunk[at]!
      if (byte === DOUBLE_QUOTE) {
        at = this.#endString(chunk, at + 1)
        continue
      }
      const bracket = byte | LOWER
      if (bracket === OPEN) {
        depth += 1
        if (depth === 2) this.#note(chunk, from, at, '[]')
      } else if (bracket === CLOSE) {
        depth -= 1
        if (depth === 1) from = at + 1
      }
      at += 1
    }
    this.#depth = depth
    if (depth < 2) this.#note(chunk, from, length, '')
  }

  /** The index after the string that continues at `from`, or the chunk's length if the string goes on. */
  #endString(chunk: Buffer, from: number): number {
    const end = closingQuote(chunk, from)
    this.#isInString = end === -1
    if (end !== -1) return end + 1
    this.#isEscaped = isEscapedAt(chunk, chunk.length, from)
    return chunk.length
  }

  #note(chunk: Buffer, from: number, to: number, instead: string): void {
    if (this.#outline === undefined) return
    if (this.#outline.length + to - from > OUTLINE_BYTES) this.#outline = undefined
    else this.#outline += chunk.toString('latin1', from, to) + instead
  }
}

/** Whether the last bytes are those that common serializers write for this id, so that the rest need not be scanned. */
function endsAsAnswer(document: Buffer, id: RequestId): boolean {
  const end = `,"jsonrpc":"2.0","id":${JSON.stringify(id)}}`
  return document[0] === OPEN && document.toString('latin1', document.length - end.length) === end
}

function answersRequest(outline: string, id: RequestId): boolean {
  if (outline === `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":[]}`) return true
  const document = parsed(outline)
  const hasOutcome = isObject(document) && ('result' in document || 'error' in document)
  return hasOutcome && document['id'] === id && !('method' in document)
}

function parsed(outline: string): unknown {
  try {
    return JSON.parse(/[\x80-\xff]/.test(outline) ? Buffer.from(outline, 'latin1').toString() : outline)
  } catch {
    return undefined
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
