/** The body of a POST: read up to a limit, or taken from `request.body`, where a body parser of the host left it. */
import { isAscii, isUtf8 } from 'node:buffer'
import { GatewayError } from '../errors.ts'
import { JSON_TYPE, mediaType } from '../protocol.ts'
import type { Awaitable, GatewayRequest } from '../types.ts'
import { ChunkList } from '../util/chunk-list.ts'
import { MAX_DEPTH, parseMessage, type TextFlaw } from './parse-message.ts'

/** A body in bytes, as text and parsed. */
export interface RequestBody {
  /** What goes upstream: the client's own bytes, unless a body parser of the host has consumed them. */
  readonly bytes: Buffer
  readonly text: string
  readonly json: unknown
}

/** Counts the bytes of a body as they arrive; `add` throws when they exceed a limit. */
export interface BodyMeter {
  add(bytes: number): void
}

/**
 * Throws `unsupported_media_type`, `body_too_large`, `invalid_request`, `parse_error`, what the meter throws, or
 * `bad_request` when the client disconnected; and a plain Error when the host has consumed the body and left no
 * `request.body`.
 */
export function readContent(request: GatewayRequest, maxBytes: number, meter?: BodyMeter): Awaitable<RequestBody> {
  if (mediaType(request.headers['content-type']) !== JSON_TYPE) {
    throw new GatewayError('unsupported_media_type', `Content-Type must be ${JSON_TYPE}`)
  }
  if (isConsumed(request)) {
    const content = fromHost(request.body, maxBytes)
    meter?.add(content.bytes.length)
    return content
  }
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') {
    throw new GatewayError('unsupported_media_type', 'Content-Encoding is not supported here')
  }
  return readStream(request, maxBytes, meter)
}

/** Whether a body parser has read the stream. (`req.body` does not tell: Express 4 sets it to `{}` without reading.) */
function isConsumed(request: GatewayRequest): boolean {
  return request.readableEnded || ('_body' in request && request._body === true)
}

function fromHost(body: unknown, maxBytes: number): RequestBody {
  if (typeof body === 'string') return parseBody(bounded(Buffer.from(body), maxBytes))
  if (Buffer.isBuffer(body)) return parseBody(bounded(body, maxBytes))
  if (typeof body === 'object' && body !== null) {
    const text = textOf(body)
    return contentOf(bounded(Buffer.from(text), maxBytes), text)
  }
  throw new Error(
    'The request body was read before the gateway and not left in request.body. Mount the gateway before whatever reads it',
  )
}

/** The body as JSON text. Parsers accept deeper nesting than `JSON.stringify` can write: it throws a RangeError. */
function textOf(body: object): string {
  try {
    return JSON.stringify(body)
  } catch (error) {
    throw error instanceof RangeError ? flawed('too-deep') : error
  }
}

function bounded(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length > maxBytes) throw tooLarge(maxBytes)
  return bytes
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('body_too_large', `The body may not be longer than ${maxBytes} bytes`)
}

function readStream(request: GatewayRequest, maxBytes: number, meter: BodyMeter | undefined): Promise<RequestBody> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length']) > maxBytes) reject(tooLarge(maxBytes))
    else if (request.destroyed) reject(incomplete())
    else new BodyReader(request, maxBytes, meter).start({ resolve, reject })
  })
}

/** What a promise is settled with. */
interface Settling {
  readonly resolve: (content: RequestBody) => void
  readonly reject: (error: Error) => void
}

/** Reads the stream of a body. Its listeners are not removed: that costs more time than a reader without chunks costs memory. */
class BodyReader {
  readonly #request: GatewayRequest
  readonly #maxBytes: number
  readonly #meter: BodyMeter | undefined
  readonly #chunks = new ChunkList()
  #length = 0
  /** `undefined` when it is over: the promise would keep the body in memory for as long as the request is referenced. */
  #settling: Settling | undefined

  constructor(request: GatewayRequest, maxBytes: number, meter: BodyMeter | undefined) {
    this.#request = request
    this.#maxBytes = maxBytes
    this.#meter = meter
  }

  start(settling: Settling): void {
    this.#settling = settling
    this.#request.on('data', (chunk: Buffer) => this.#add(chunk))
    this.#request.on('end', () => this.#finish())
    this.#request.on('close', () => this.#refuse(incomplete))
  }

  #add(chunk: Buffer): void {
    if (!this.#settling) return
    this.#length += chunk.length
    try {
      if (this.#length > this.#maxBytes) throw tooLarge(this.#maxBytes)
      this.#meter?.add(chunk.length)
      this.#chunks.push(chunk)
    } catch (error) {
      this.#request.pause()
      this.#refuse(() => error as Error)
    }
  }

  #finish(): void {
    const settling = this.#settling
    this.#settling = undefined
    if (!settling) return
    try {
      settling.resolve(parseBody(this.#chunks.concat()))
    } catch (error) {
      settling.reject(error as Error)
    }
  }

  #refuse(error: () => Error): void {
    const settling = this.#settling
    this.#settling = undefined
    this.#chunks.clear()
    settling?.reject(error())
  }
}

function incomplete(): GatewayError {
  return new GatewayError('bad_request', 'The body broke off')
}

const FLAWS: Readonly<Record<Exclude<TextFlaw, 'not-json'>, string>> = {
  'too-deep': `A message may not be nested deeper than ${MAX_DEPTH} levels`,
  'duplicate-key': 'A key of the message stands there twice',
  'folding-key':
    'A key of the message differs from a key of the protocol in case, or in what some parsers ignore, alone',
}

function flawed(flaw: TextFlaw): GatewayError {
  if (flaw === 'not-json') return new GatewayError('parse_error', 'The body is not valid JSON')
  return new GatewayError('invalid_request', FLAWS[flaw])
}

/**
 * The gateway and the server must read a message alike, so a text that parsers may read differently is refused.
 */
function parseBody(bytes: Buffer): RequestBody {
  return contentOf(bytes, decodedBody(bytes))
}

/** ASCII, as most messages are, is decoded as Latin-1, which costs about half. */
function decodedBody(bytes: Buffer): string {
  if (isAscii(bytes)) return bytes.toString('latin1')
  if (!isUtf8(bytes)) throw new GatewayError('parse_error', 'The body is not valid UTF-8')
  return bytes.toString()
}

function contentOf(bytes: Buffer, text: string): RequestBody {
  const { json, flaw } = parseMessage(text)
  if (flaw) throw flawed(flaw)
  return { bytes, text, json }
}
