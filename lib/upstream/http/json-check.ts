/** Checks while it streams that a JSON document is complete and answers its request. */
import { GatewayError } from '../../errors.ts'
import { afterValue } from '../../util/json-scan.ts'
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
  /** Made for a document that is scanned. */
  #scanned: JsonOutline | undefined

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
      if (id !== undefined && isUsualAnswer(this.#first, id)) return undefined
      this.#scanFirst()
    }
    if (!this.#isWhole()) return new GatewayError('upstream_broken', 'The answer of the server broke off')
    const outline = this.#outline().text
    // The id of a document whose outermost level is too long is not checked.
    if (id === undefined || outline === undefined || answersRequest(outline, id)) return undefined
    return new GatewayError('upstream_invalid', 'The server answered something else than the request')
  }

  #outline(): JsonOutline {
    return (this.#scanned ??= new JsonOutline())
  }

  #isWhole(): boolean {
    const isRead = !this.#hasEnd || this.#bytes <= SCAN_BYTES
    return isRead ? this.#outline().isClosed : (this.#lastByte | LOWER) === CLOSE || isSpace(this.#lastByte)
  }

  #read(chunk: Buffer): void {
    this.#scanFirst()
    this.#lastByte = chunk.at(-1) ?? this.#lastByte
    if (!this.#hasEnd || this.#bytes + chunk.length <= SCAN_BYTES) this.#outline().see(chunk)
    else this.#outline().discard()
  }

  #scanFirst(): void {
    const first = this.#first
    this.#first = undefined
    if (first) this.#outline().see(first)
  }
}

/** The longest document that is read as text, in bytes: of a longer one that would be more to allocate than is saved. */
const TEXT_BYTES = 2 * 1024

/** Any character that is another one in UTF-8 than in Latin-1. */
const BEYOND_ASCII = /[^\0-\x7f]/

/** Whether a document answers this request as common serializers write it: then it need not be scanned byte by byte. */
function isUsualAnswer(document: Buffer, id: RequestId): boolean {
  const text = JSON.stringify(id)
  if (typeof id === 'string' && BEYOND_ASCII.test(text)) return false
  const last = document.length - 1
  if (document[0] !== OPEN || document[last] !== CLOSE) return false
  return document[last - 1] === CLOSE ? endsWithResult(document, text) : endsWithId(document, text)
}

function endsWithId(document: Buffer, id: string): boolean {
  const end = `,"jsonrpc":"2.0","id":${id}}`
  return document.toString('latin1', document.length - end.length) === end
}

/** The whole document is read, as brackets in its result show only there whether it is complete. */
function endsWithResult(document: Buffer, id: string): boolean {
  if (document.length > TEXT_BYTES) return false
  const begin = `{"jsonrpc":"2.0","id":${id},"result":{`
  const text = document.toString('latin1')
  return text.startsWith(begin) && afterValue(text, begin.length - 1) === text.length - 1
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
