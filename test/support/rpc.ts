// A raw MCP client on node:http, for what no SDK lets a test do: exact headers, exact bytes, sockets that break.
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { readEvents, type SseEvent } from './sse.ts'
import type { RpcMessage } from './exchange.ts'

export type { SseEvent } from './sse.ts'

export type Headers = Record<string, string | string[] | undefined>

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Every JSON-RPC message of the answer, from JSON or from an event stream. */
  readonly messages: RpcMessage[]
  /** The last of them: the response, when the answer was to a request. */
  readonly message: RpcMessage | undefined
}

export interface OpenStream {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The answer as node gives it, for `pause()`, `socket` and the like. */
  readonly res: IncomingMessage
  /** Everything that came so far, byte for byte. */
  bytes(): Buffer
  /** The next event; rejects when the stream ends before one. */
  next(): Promise<SseEvent>
  /** The next event with a JSON-RPC message in it, parsed. */
  nextMessage(): Promise<RpcMessage>
  /** `complete`, or `cut` when the socket broke. */
  readonly over: Promise<'complete' | 'cut'>
  /** Drops the connection. */
  close(): void
}

const jsonHeaders = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

/** POSTs a message (or, given a string or bytes, exactly those) and reads the whole answer. */
export async function post(url: string, message: object | string | Buffer, headers: Headers = {}): Promise<Answer> {
  return whole(await open(url, 'POST', { ...jsonHeaders, ...headers }, payload(message)))
}

/** Sends any request without a body (GET, DELETE, OPTIONS ...) and reads the whole answer. */
export async function send(method: string, url: string, headers: Headers = {}): Promise<Answer> {
  return whole(await open(url, method, headers))
}

/** Opens a stream: a GET, or with `message` a POST. The head is there when this resolves. */
export async function openStream(
  url: string,
  { headers = {}, message }: { headers?: Headers; message?: object | string | Buffer } = {},
): Promise<OpenStream> {
  const res =
    message === undefined
      ? await open(url, 'GET', { accept: 'text/event-stream', ...headers })
      : await open(url, 'POST', { ...jsonHeaders, ...headers }, payload(message))
  return streamOf(res)
}

export interface Session {
  readonly id: string
  readonly url: string
  readonly version: string
  /** The answer to `initialize`. */
  readonly opening: Answer
  /** What every later request of this session carries. */
  readonly headers: Record<string, string>
  post(message: object | string | Buffer, headers?: Headers): Promise<Answer>
  /** POSTs a request with an id of its own. */
  request(method: string, params?: object): Promise<Answer>
  /** POSTs a request and hands out the answer as a stream. */
  stream(message: object, headers?: Headers): Promise<OpenStream>
  /** Opens the GET stream. */
  listen(headers?: Headers): Promise<OpenStream>
  end(headers?: Headers): Promise<Answer>
}

export interface InitializeOptions {
  version?: string
  headers?: Headers
  capabilities?: object
}

export function initializeMessage(version = '2025-11-25', capabilities: object = {}): RpcMessage {
  const clientInfo = { name: 'raw-client', version: '1.0.0' }
  return {
    jsonrpc: '2.0',
    id: 'init',
    method: 'initialize',
    params: { protocolVersion: version, capabilities, clientInfo },
  }
}

/** Opens a session, `notifications/initialized` included. Throws when the server does not open one. */
export async function initialize(
  url: string,
  { version = '2025-11-25', headers = {}, capabilities = {} }: InitializeOptions = {},
): Promise<Session> {
  const opening = await post(url, initializeMessage(version, capabilities), headers)
  const id = opening.headers['mcp-session-id']
  if (opening.status !== 200 || typeof id !== 'string') {
    throw new Error(`initialize: ${opening.status} ${opening.body}`)
  }
  const session = sessionOf(url, id, version, opening, headers)
  const initialized = await session.post({ jsonrpc: '2.0', method: 'notifications/initialized' })
  if (initialized.status !== 202) throw new Error(`initialized: ${initialized.status} ${initialized.body}`)
  return session
}

function sessionOf(url: string, id: string, version: string, opening: Answer, extra: Headers): Session {
  // 2025-03-26 knows no version header.
  const named: Record<string, string> = version === '2025-03-26' ? {} : { 'mcp-protocol-version': version }
  const own: Record<string, string> = { ...(extra as Record<string, string>), 'mcp-session-id': id, ...named }
  let requests = 0
  return {
    id,
    url,
    version,
    opening,
    headers: own,
    post: (message, headers = {}) => post(url, message, { ...own, ...headers }),
    request: (method, params = {}) => post(url, { jsonrpc: '2.0', id: (requests += 1), method, params }, own),
    stream: (message, headers = {}) => openStream(url, { message, headers: { ...own, ...headers } }),
    listen: (headers = {}) => openStream(url, { headers: { ...own, ...headers } }),
    end: (headers = {}) => send('DELETE', url, { ...own, ...headers }),
  }
}

function payload(message: object | string | Buffer): string | Buffer {
  return typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)
}

function open(url: string, method: string, headers: Headers, body?: string | Buffer): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const present = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined))
    // A socket of its own for each request, so that one that breaks takes nothing else with it.
    const req = request(url, { method, headers: present, agent: false }, resolve)
    req.on('error', reject)
    req.end(body)
  })
}

async function whole(res: IncomingMessage): Promise<Answer> {
  const body = await text(res)
  const messages = messagesOf(res.headers['content-type'] ?? '', body)
  return { status: res.statusCode ?? 0, headers: res.headers, body, messages, message: messages.at(-1) }
}

function messagesOf(type: string, body: string): RpcMessage[] {
  if (type.startsWith('text/event-stream')) {
    const { feed, events } = readEvents()
    feed(body)
    return events.filter(({ data }) => data !== '').map(({ data }) => JSON.parse(data) as RpcMessage)
  }
  if (!type.startsWith('application/json') || body === '') return []
  const parsed = JSON.parse(body) as RpcMessage | RpcMessage[]
  return Array.isArray(parsed) ? parsed : [parsed]
}

function streamOf(res: IncomingMessage): OpenStream {
  const chunks: Buffer[] = []
  const { feed, events } = readEvents()
  let ended = false
  let wake: () => void = () => {}
  const decoder = new TextDecoder()
  res.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    feed(decoder.decode(chunk, { stream: true }))
    wake()
  })
  res.on('error', () => {})
  const over = new Promise<'complete' | 'cut'>((resolve) => {
    res.once('close', () => {
      ended = true
      wake()
      resolve(res.complete ? 'complete' : 'cut')
    })
  })

  async function next(): Promise<SseEvent> {
    while (events.length === 0) {
      if (ended) throw new Error(`the stream ended; it had brought: ${Buffer.concat(chunks).toString('utf8')}`)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return events.shift() as SseEvent
  }

  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    res,
    bytes: () => Buffer.concat(chunks),
    next,
    async nextMessage() {
      let event = await next()
      while (event.data === '') event = await next()
      return JSON.parse(event.data) as RpcMessage
    },
    over,
    close: () => void res.destroy(),
  }
}
