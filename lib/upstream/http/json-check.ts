/** Checks while it streams that a JSON document is complete and answers its request. */
import { GatewayError } from '../../errors.ts'
import type { RequestId } from '../../types.ts'
import { isObject, parseJson } from '../../util/json.ts'
import { CLOSE, JsonOutline, LOWER, OPEN } from '../../util/json-outline.ts'

/** The longest document of known length that is scanned, in bytes: of a longer one only the last byte is checked. */
const SCAN_BYTES = 256 * 1024

/** The longest chunk that is kept, in bytes. */
const KEPT_BYTES = 16 * 1024

/**
 * A document can be truncated without an HTTP error: by a broken connection if it has no length, or by a
 * `content-length` that is too small. Only its brackets show that. The id reveals a surplus response that a reused
 * connection delivers for an earlier request.
 */
export class JsonCheck {
  readonly #requestId: RequestId | undefined
  readonly #hasEnd: boolean
  /** A short first chunk, until a second arrives: most documents have only one, which can be checked at once. */
  #first: Buffer | undefined
  #bytes = 0
  #lastByte = 0
  readonly #outline = new JsonOutline()

  /** Without `requestId` the content is not checked. `hasEnd` is set if HTTP shows the end, by length or by chunks. */
  constructor(requestId: RequestId | undefined, hasEnd: boolean) {
    this.#requestId = requestId
    this.#hasEnd = hasEnd
  }

  /** Does not keep a long chunk, whose memory is freed when it has been written. */
  see(chunk: Buffer): void {
    if (this.#bytes === 0 && chunk.length < KEPT_BYTES) this.#first = chunk
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
    const outline = this.#outline.text
    // The id of a document whose outermost level is too long is not checked.
    if (id === undefined || outline === undefined || answersRequest(outline, id)) return undefined
    return new GatewayError('upstream_invalid', 'The server answered something else than the request')
  }

  get #isWhole(): boolean {
    const isRead = !this.#hasEnd || this.#bytes <= SCAN_BYTES
    return isRead ? this.#outline.isClosed : (this.#lastByte | LOWER) === CLOSE || isSpace(this.#lastByte)
  }

  #read(chunk: Buffer): void {
    this.#scanFirst()
    this.#lastByte = chunk.at(-1) ?? this.#lastByte
    if (!this.#hasEnd || this.#bytes + chunk.length <= SCAN_BYTES) this.#outline.see(chunk)
    else this.#outline.discard()
  }

  #scanFirst(): void {
    const first = this.#first
    this.#first = undefined
    if (first) this.#outline.see(first)
  }
}

/** Whether the last bytes are those that common serializers write for this id, so that the rest need not be scanned. */
function endsAsAnswer(document: Buffer, id: RequestId): boolean {
  // Most documents end with their result.
  if (document[document.length - 2] === CLOSE) return false
  const end = `,"jsonrpc":"2.0","id":${JSON.stringify(id)}}`
  return document[0] === OPEN && document.toString('latin1', document.length - end.length) === end
}

function answersRequest(outline: string, id: RequestId): boolean {
  if (outline === `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":[]}`) return true
  const document = parseJson(outline)
  const hasOutcome = isObject(document) && ('result' in document || 'error' in document)
  return hasOutcome && document['id'] === id && !('method' in document)
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
