// One request at the scripted upstream, and every way a test may want to answer it.
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'

export interface RpcMessage {
  jsonrpc?: string
  id?: string | number | null
  method?: string
  params?: Record<string, unknown>
  result?: unknown
  error?: { code: number; message: string; data?: unknown }
}

export interface EventStream {
  /** Writes bytes as they are. Resolves when the socket took them: a peer that does not read keeps it waiting. */
  write(bytes: string | Buffer): Promise<void>
  /** Writes a JSON-RPC message as one event. */
  send(message: RpcMessage, options?: { id?: string }): Promise<void>
  /** Writes the response to the request this stream belongs to and ends. */
  finish(result: unknown): void
  end(): void
}

export interface Exchange {
  /** The JSON-RPC method of a POST, `response`, `batch` or `malformed`, or else the HTTP method. */
  readonly kind: string
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** Names and values as they were on the wire. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** The body, parsed; `undefined` when there is none, when it is not JSON, or when it is a batch. */
  readonly message: RpcMessage | undefined
  readonly at: number
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** How the exchange ended: `complete`, or `cut` when the socket closed before the answer was out. */
  readonly over: Promise<'complete' | 'cut'>
  /** When it was over, in the clock of `at`. */
  readonly overAt: number | undefined
  status(code: number, body?: string, headers?: OutgoingHttpHeaders): void
  json(value: unknown, code?: number, headers?: OutgoingHttpHeaders): void
  result(value: unknown, headers?: OutgoingHttpHeaders): void
  error(code: number, message: string, status?: number): void
  /** Opens an event stream with its head flushed; the same stream when it is open already. */
  stream(headers?: OutgoingHttpHeaders): EventStream
  /** Destroys the socket in the middle of whatever goes on. */
  cut(): void
}

export function createExchange(req: IncomingMessage, res: ServerResponse, body: Buffer): Exchange {
  const parsed = parse(body)
  const message = Array.isArray(parsed) ? undefined : (parsed as RpcMessage | undefined)
  const id = message?.id ?? null
  let overAt: number | undefined
  let stream: EventStream | undefined
  const over = new Promise<'complete' | 'cut'>((resolve) => {
    res.once('close', () => {
      overAt = performance.now()
      resolve(res.writableFinished ? 'complete' : 'cut')
    })
  })

  const exchange: Exchange = {
    kind: kindOf(req.method, body, parsed),
    method: req.method ?? '',
    url: req.url ?? '',
    headers: req.headers,
    rawHeaders: req.rawHeaders,
    body,
    message,
    at: performance.now(),
    req,
    res,
    over,
    get overAt() {
      return overAt
    },
    status: (code, text = '', headers = {}) => void res.writeHead(code, headers).end(text),
    json: (value, code = 200, headers = {}) =>
      exchange.status(code, JSON.stringify(value), { 'content-type': 'application/json', ...headers }),
    result: (result, headers = {}) => exchange.json({ jsonrpc: '2.0', id, result }, 200, headers),
    error: (code, text, status = 200) => exchange.json({ jsonrpc: '2.0', id, error: { code, message: text } }, status),
    stream: (headers = {}) => (stream ??= openStream(res, id, headers)),
    cut: () => void res.socket?.destroy(),
  }
  return exchange
}

function openStream(res: ServerResponse, id: string | number | null, headers: OutgoingHttpHeaders): EventStream {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...headers })
  res.flushHeaders()
  const write = (bytes: string | Buffer): Promise<void> =>
    new Promise((resolve) => {
      // The callback has an error once the peer is gone; `over` tells the test so, and nobody is left waiting here.
      res.write(bytes, () => resolve())
    })
  const frame = (message: RpcMessage, eventId?: string): string =>
    `${eventId === undefined ? '' : `id: ${eventId}\n`}event: message\ndata: ${JSON.stringify(message)}\n\n`
  return {
    write,
    send: (message, options = {}) => write(frame({ jsonrpc: '2.0', ...message }, options.id)),
    finish: (result) => void res.end(frame({ jsonrpc: '2.0', id, result })),
    end: () => void res.end(),
  }
}

function parse(body: Buffer): unknown {
  if (body.length === 0) return undefined
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

function kindOf(method: string | undefined, body: Buffer, parsed: unknown): string {
  if (method !== 'POST') return method ?? ''
  if (Array.isArray(parsed)) return 'batch'
  if (body.length === 0 || typeof parsed !== 'object' || parsed === null) return 'malformed'
  return 'method' in parsed ? String(parsed.method) : 'response'
}
