/** Calls a handler of `node:http` in memory: what it sees and what it answers passes through no socket. */
import { IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface MemoryRequest {
  readonly method: 'GET' | 'POST'
  /** The path with its query, as it is mounted. */
  readonly path: string
  /** What Express calls `originalUrl`: the path from the root of the origin. */
  readonly originalPath: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly isSecure: boolean
}

export interface MemoryAnswer {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly body: string
}

type NodeListener = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Resolves with the whole response. */
export async function askInMemory(listener: NodeListener, asked: MemoryRequest): Promise<MemoryAnswer> {
  const { method, path, originalPath, headers, body, isSecure } = asked
  const socket = { readable: false, writable: true, destroyed: true, remoteAddress: '127.0.0.1', encrypted: isSecure }
  const request = new IncomingMessage(socket as unknown as Socket)
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  Object.assign(request, { method, url: path, originalUrl: originalPath, headers: { ...headers, ...length } })
  if (body !== undefined) request.push(body)
  request.push(null)
  request.complete = true
  return new Promise((resolve, reject) => {
    listener(request, new CapturedResponse(request, resolve)).catch(reject)
  })
}

/** A response that is given to a function in place of a socket. */
class CapturedResponse extends ServerResponse {
  readonly #onEnd: (answer: MemoryAnswer) => void

  constructor(request: IncomingMessage, onEnd: (answer: MemoryAnswer) => void) {
    super(request)
    this.#onEnd = onEnd
  }

  override end(chunk?: unknown): this {
    const body = Buffer.isBuffer(chunk) || typeof chunk === 'string' ? String(chunk) : ''
    this.#onEnd({ status: this.statusCode, headers: this.getHeaders(), body })
    this.emit('finish')
    return this
  }
}
