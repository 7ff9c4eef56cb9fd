// Messages of revision 2026-07-28, each with the headers that repeat what it says.
import { request } from 'node:http'
import { openStream, post, type Answer, type Headers, type OpenStream } from './rpc.ts'

export const MODERN = '2026-07-28'

const ACCEPT = 'application/json, text/event-stream'

export const META = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
} as const

/** What `params._meta` must have. */
export const envelope: Readonly<Record<string, unknown>> = {
  [META.protocolVersion]: MODERN,
  [META.clientCapabilities]: {},
}

export interface ModernMessage {
  jsonrpc: '2.0'
  id?: string | number
  method: string
  params: Record<string, unknown>
}

export function modernRequest(method: string, params: object = {}, id: string | number = 1): ModernMessage {
  return { jsonrpc: '2.0', id, method, params: { _meta: envelope, ...params } }
}

export function modernNotification(method: string, params: object = {}): ModernMessage {
  return { jsonrpc: '2.0', method, params: { _meta: envelope, ...params } }
}

/** The standard headers of a message, as a careful client sends them. */
export function standardHeaders({ method, params }: ModernMessage): Record<string, string> {
  const name = params[method === 'resources/read' ? 'uri' : method.startsWith('tasks/') ? 'taskId' : 'name']
  return {
    'mcp-protocol-version': MODERN,
    'mcp-method': method,
    ...(typeof name === 'string' && { 'mcp-name': name }),
  }
}

/** POSTs a message with its standard headers and reads the whole answer. */
export function postModern(url: string, message: ModernMessage, headers: Headers = {}): Promise<Answer> {
  return post(url, message, { ...standardHeaders(message), ...headers })
}

/** POSTs a message with its standard headers and hands the answer out as it comes. */
export function openModern(url: string, message: ModernMessage, headers: Headers = {}): Promise<OpenStream> {
  return openStream(url, { message, headers: { ...standardHeaders(message), ...headers } })
}

export interface Leaving {
  /** Closes the connection, whatever has come by then. */
  leave(): void
  /** Resolves when the connection is closed at this end. */
  readonly left: Promise<void>
}

/** POSTs a message and never reads an answer: a client that is about to leave. */
export function sendModern(url: string, message: ModernMessage): Leaving {
  const headers = { ...standardHeaders(message), 'content-type': 'application/json', accept: ACCEPT }
  const sent = request(url, { method: 'POST', headers, agent: false })
  // It is torn down in the middle of whatever goes on, which is what the test is about.
  sent.on('error', () => {})
  sent.end(JSON.stringify(message))
  const left = new Promise<void>((resolve) => {
    sent.once('close', () => resolve())
  })
  return { leave: () => void sent.destroy(), left }
}
