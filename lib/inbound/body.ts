/** The body of a POST: read once within a bound, or taken from where a parser of the host left it. */
import { isUtf8 } from 'node:buffer'
import { GatewayError } from '../errors.ts'
import { JSON_TYPE, mediaType } from '../protocol.ts'
import type { Awaitable, GatewayRequest } from '../types.ts'
import { ChunkList } from '../util/chunk-list.ts'
import { hasDuplicateKeys } from './duplicate-keys.ts'

/** A body as it arrived, and as it reads. */
export interface Content {
  /** What goes upstream: the client's own bytes, unless a parser of the host has consumed them. */
  readonly bytes: Buffer
  readonly text: string
  readonly json: unknown
}

/** Told of bytes of a body that have arrived; throws when they are too many. */
export interface BodyMeter {
  add(bytes: number): void
}

/**
 * Throws `unsupported_media_type`, `body_too_large`, what the meter throws, `parse_error`, or `bad_request` when the client went away; and a
 * plain Error when the host has consumed the body and left nothing.
 */
export function readContent(request: GatewayRequest, maxBytes: number, meter?: BodyMeter): Awaitable<Content> {
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
  return readBytes(request, maxBytes, meter).then(parse)
}

/** Whether somebody before us has read the stream. (`req.body` alone says little: Express 4 sets it to `{}` unread.) */
function isConsumed(request: GatewayRequest): boolean {
  return request.readableEnded || ('_body' in request && request._body === true)
}

function fromHost(body: unknown, maxBytes: number): Content {
  if (typeof body === 'string') return parse(bounded(Buffer.from(body), maxBytes))
  if (Buffer.isBuffer(body)) return parse(bounded(body, maxBytes))
  if (typeof body === 'object' && body !== null) {
    const text = JSON.stringify(body)
    return { bytes: bounded(Buffer.from(text), maxBytes), text, json: body }
  }
  throw new Error(
    'The request body was read before the gateway and not left in request.body. Mount the gateway before whatever reads it',
  )
}

function bounded(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length > maxBytes) throw tooLarge(maxBytes)
  return bytes
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('body_too_large', `The body may not be longer than ${maxBytes} bytes`)
}

function readBytes(request: GatewayRequest, maxBytes: number, meter: BodyMeter | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length']) > maxBytes) {
      reject(tooLarge(maxBytes))
      return
    }
    if (request.destroyed) {
      reject(brokeOff())
      return
    }
    const chunks = new ChunkList()
    let length = 0
    const refuse = (error: Error): void => {
      chunks.clear()
      length = Infinity
      reject(error)
    }
    request.on('data', (chunk: Buffer) => {
      if (length === Infinity) return
      length += chunk.length
      try {
        if (length > maxBytes) throw tooLarge(maxBytes)
        meter?.add(chunk.length)
        chunks.push(chunk)
      } catch (error) {
        request.pause()
        refuse(error as Error)
      }
    })
    request.on('end', () => {
      resolve(chunks.concat())
    })
    request.on('close', () => {
      if (!request.readableEnded && length < Infinity) refuse(brokeOff())
    })
  })
}

function brokeOff(): GatewayError {
  return new GatewayError('bad_request', 'The body broke off')
}

/** Both ends must read a message alike: a key that stands twice is refused, since parsers differ on which one counts. */
function parse(bytes: Buffer): Content {
  if (!isUtf8(bytes)) throw new GatewayError('parse_error', 'The body is not valid UTF-8')
  const text = bytes.toString()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new GatewayError('parse_error', 'The body is not valid JSON')
  }
  if (hasDuplicateKeys(text)) throw new GatewayError('invalid_request', 'A key of the message stands there twice')
  return { bytes, text, json }
}
