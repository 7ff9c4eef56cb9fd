// A scriptable MCP server on bare node:http: records every request and lets a test decide every byte of the answer.
//
//   const upstream = await startUpstream()
//   upstream.on('tools/call', (exchange) => exchange.error(-32000, 'no'))
//   const call = await upstream.nextRequest('tools/call')
//   await call.over // 'complete', or 'cut' when the peer closed the socket first
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createExchange, type Exchange, type RpcMessage } from './exchange.ts'
import { createJournal } from './journal.ts'
import { listen } from './listen.ts'

export type { EventStream, Exchange, RpcMessage } from './exchange.ts'

/** Answers one request. It may also leave the request hanging. */
export type Handler = (exchange: Exchange) => void | Promise<void>

export interface Upstream {
  readonly url: string
  readonly origin: string
  /** Every request so far; with a kind only those of that kind. */
  requests(kind?: string): Exchange[]
  /** The oldest request of that kind not handed out yet; waits for it. */
  nextRequest(kind?: string): Promise<Exchange>
  /** Takes over a kind of request: a JSON-RPC method, `response`, `batch`, `malformed`, or an HTTP method but POST. */
  on(kind: string, handler: Handler): void
  /** Takes over the next request of that kind only. */
  once(kind: string, handler: Handler): void
  /** Ids of the sessions that are alive here. */
  readonly sessions: Set<string>
  /** Ends everything; throws what a handler of the test has thrown. */
  close(): Promise<void>
}

export interface UpstreamOptions {
  /** `false`: a server that hands out no session ids. Default `true`. */
  sessions?: boolean
  /**
   * `true`: a session is listened to before `notifications/initialized`, which a gateway does by itself. By default such a
   * GET is refused and not recorded, so that what a test sees is its client's. Default `false`.
   */
  early?: boolean
}

export async function startUpstream({
  sessions: stateful = true,
  early = false,
}: UpstreamOptions = {}): Promise<Upstream> {
  const journal = createJournal<Exchange>()
  const sessions = new Set<string>()
  const handlers = new Map<string, Handler>()
  const single = new Map<string, Handler[]>()
  const faults: unknown[] = []
  const begun = new Set<unknown>()
  const usual = usualAnswers(stateful ? sessions : undefined)

  async function answer(exchange: Exchange): Promise<void> {
    const handler = single.get(exchange.kind)?.shift() ?? handlers.get(exchange.kind) ?? usual
    try {
      await handler(exchange)
    } catch (error) {
      faults.push(error)
      exchange.cut()
    }
  }

  const listening = await listen((req, res) => {
    void read(req, res).then((exchange) => {
      if (exchange === undefined) return
      const { kind, headers } = exchange
      const id = headers['mcp-session-id']
      if (kind === 'notifications/initialized') begun.add(id)
      if (!early && kind === 'GET' && sessions.has(String(id)) && !begun.has(id)) {
        return exchange.error(-32000, 'Conflict: not initialized', 409)
      }
      journal.record(exchange)
      return answer(exchange)
    })
  })

  return {
    url: `${listening.origin}/mcp`,
    origin: listening.origin,
    sessions,
    requests: (kind) => journal.entries.filter((exchange) => kind === undefined || exchange.kind === kind),
    nextRequest: (kind) => journal.next((exchange) => kind === undefined || exchange.kind === kind),
    on: (kind, handler) => void handlers.set(kind, handler),
    once: (kind, handler) => void single.set(kind, [...(single.get(kind) ?? []), handler]),
    async close() {
      await listening.close()
      if (faults.length > 0) throw faults[0]
    },
  }
}

/** Reads one request to its end; `undefined` when the peer left before that. */
async function read(req: IncomingMessage, res: ServerResponse): Promise<Exchange | undefined> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of req) chunks.push(chunk as Buffer)
  } catch {
    return undefined
  }
  return createExchange(req, res, Buffer.concat(chunks))
}

/** What a plain legacy server says when the test does not take over; without `sessions` it hands out no ids. */
function usualAnswers(sessions: Set<string> | undefined): Handler {
  return (exchange) => {
    const { kind, message, headers } = exchange
    if (kind === 'malformed') return exchange.error(-32700, 'Parse error', 400)
    if (kind === 'initialize') return exchange.result(initializeResult(message), openSession(sessions))
    if (sessions !== undefined) {
      const id = headers['mcp-session-id']
      if (typeof id !== 'string') return exchange.error(-32000, 'Bad Request: Mcp-Session-Id is required', 400)
      if (!sessions.has(id)) return exchange.error(-32001, 'Session not found', 404)
      if (kind === 'DELETE') sessions.delete(id)
    }
    if (kind === 'DELETE') return exchange.status(sessions === undefined ? 405 : 200)
    if (kind === 'GET') return void exchange.stream()
    if (kind === 'response' || kind.startsWith('notifications/')) return exchange.status(202)
    const result = usualResult(kind, message?.params)
    if (result === undefined) return exchange.error(-32601, 'Method not found')
    return exchange.result(result)
  }
}

function openSession(sessions: Set<string> | undefined): Record<string, string> {
  if (sessions === undefined) return {}
  const id = `upstream-${randomUUID()}`
  sessions.add(id)
  return { 'mcp-session-id': id }
}

function initializeResult(message: RpcMessage | undefined): Record<string, unknown> {
  return {
    protocolVersion: message?.params?.['protocolVersion'],
    capabilities: { tools: { listChanged: true }, logging: {} },
    serverInfo: { name: 'scripted-upstream', version: '1.0.0' },
  }
}

function usualResult(method: string, params: RpcMessage['params']): Record<string, unknown> | undefined {
  switch (method) {
    case 'ping':
    case 'logging/setLevel':
      return {}
    case 'tools/list':
      return { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] }
    case 'tools/call':
      return { content: [{ type: 'text', text: JSON.stringify(params?.['arguments'] ?? {}) }] }
    default:
      return undefined
  }
}
