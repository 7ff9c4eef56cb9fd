// Real clients behind one interface, each able to answer what a server may ask: elicitation, sampling, roots, ping.
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { createJournal, type Journal } from './journal.ts'

export interface Told {
  method: string
  params?: Record<string, unknown> | undefined
}

export interface CallOptions {
  signal?: AbortSignal
  onprogress?: (progress: { progress: number; total?: number | undefined }) => void
}

export interface TestClient {
  /** Notifications that came, but progress. */
  readonly told: Journal<Told>
  /** Methods of the requests that came, and `cancelled` when the server took one back. */
  readonly asked: Journal<string>
  readonly sessionId: string | undefined
  readonly protocolVersion: string | undefined
  /** What the server said of itself at `initialize`. */
  readonly server: { info: unknown; capabilities: unknown; instructions: unknown }
  tools(): Promise<Array<{ name: string }>>
  /** Calls a tool; answers the result as it came. */
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<unknown>
  ping(): Promise<unknown>
  setLogLevel(level: 'debug' | 'warning'): Promise<unknown>
  subscribe(uri: string): Promise<unknown>
  /** Has the server tell when its list of tools changes, which servers with sessions do by themselves. */
  listen(): Promise<unknown>
  /** Ends the session with DELETE. */
  endSession(): Promise<void>
  close(): Promise<void>
}

export interface ConnectOptions {
  /** `false`: elicitations are left unanswered until the server takes them back. Default `true`. */
  answer?: boolean
  headers?: Record<string, string>
  /** `auto` makes the SDK v2 client look for the stateless revision first, `pin` has it use no other one. */
  mode?: 'legacy' | 'auto' | { pin: string }
}

export type Connect = (url: string, options?: ConnectOptions) => Promise<TestClient>

const info = { name: 'test-client', version: '1.0.0' }
const capabilities = { elicitation: {}, sampling: {}, roots: { listChanged: true } }
const name = { action: 'accept' as const, content: { name: 'Ada' } }
const completion = {
  model: 'test-model',
  role: 'assistant' as const,
  content: { type: 'text' as const, text: 'Hello.' },
}
const roots = { roots: [{ uri: 'file:///home/ada', name: 'home' }] }

/** The text of a tool result. */
export function textOf(result: unknown): string {
  const { content } = result as { content: Array<{ type: string; text?: string }> }
  return content.map((block) => block.text ?? '').join('\n')
}

/** Keeps the steps that a server reports: a modern SDK v2 client counts its own rounds of questions, too, without a total. */
export function stepsInto(steps: number[]): NonNullable<CallOptions['onprogress']> {
  return ({ progress, total }) => void (total !== undefined && steps.push(progress))
}

export const connectSdkV1: Connect = async (url, { headers = {}, ...options } = {}) => {
  const transport = new TransportV1(new URL(url), { requestInit: { headers } })
  const client = await connectV1(transport, options)
  return { ...client, ...liveTransport(transport) }
}

/** An SDK v1 client over any transport, say a child process on stdio. */
export async function connectV1(transport: Transport, options: ConnectOptions = {}): Promise<TestClient> {
  const client = new ClientV1(info, { capabilities })
  const { told, asked, elicit } = journals(options)
  client.setRequestHandler(ElicitRequestSchema, (_request, { signal }) => elicit(signal))
  client.setRequestHandler(CreateMessageRequestSchema, ({ method }) => (asked.record(method), completion))
  client.setRequestHandler(ListRootsRequestSchema, ({ method }) => (asked.record(method), roots))
  client.fallbackNotificationHandler = (notification) => Promise.resolve(told.record(notification))
  await client.connect(transport)
  return {
    told,
    asked,
    sessionId: undefined,
    protocolVersion: undefined,
    server: {
      info: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      instructions: client.getInstructions(),
    },
    tools: async () => (await client.listTools()).tools,
    call: (tool, args = {}, request = {}) => client.callTool({ name: tool, arguments: args }, undefined, request),
    ping: () => client.ping(),
    setLogLevel: (level) => client.setLoggingLevel(level),
    subscribe: (uri) => client.subscribeResource({ uri }),
    listen: () => Promise.resolve(),
    endSession: () => Promise.resolve(),
    close: () => client.close(),
  }
}

export const connectSdkV2: Connect = async (url, options = {}) => {
  const transport = new TransportV2(new URL(url), { requestInit: { headers: options.headers ?? {} } })
  const client = new ClientV2(info, { capabilities, versionNegotiation: { mode: options.mode ?? 'legacy' } })
  const { told, asked, elicit } = journals(options)
  client.setRequestHandler('elicitation/create', (_request, { mcpReq }) => elicit(mcpReq.signal))
  client.setRequestHandler('sampling/createMessage', ({ method }) => (asked.record(method), completion))
  client.setRequestHandler('roots/list', ({ method }) => (asked.record(method), roots))
  client.fallbackNotificationHandler = (notification) => Promise.resolve(told.record(notification))
  await client.connect(transport)
  const isModern = client.getProtocolEra() === 'modern'
  return {
    told,
    asked,
    server: {
      info: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      instructions: client.getInstructions(),
    },
    tools: async () => (await client.listTools()).tools,
    call: (tool, args = {}, request = {}) => client.callTool({ name: tool, arguments: args }, request),
    ping: () => client.ping(),
    setLogLevel: (level) => client.setLoggingLevel(level),
    subscribe: (uri) =>
      isModern ? client.listen({ resourceSubscriptions: [uri] }) : client.subscribeResource({ uri }),
    listen: async () => isModern && client.listen({ toolsListChanged: true }),
    close: () => client.close(),
    ...liveTransport(transport),
  }
}

function journals({ answer = true }: ConnectOptions) {
  const told = createJournal<Told>()
  const asked = createJournal<string>()
  const elicit = async (signal: AbortSignal): Promise<typeof name> => {
    asked.record('elicitation/create')
    if (!answer) {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
      asked.record('cancelled')
    }
    return name
  }
  return { told, asked, elicit }
}

/** The part of a client that its HTTP transport knows. Read right after connecting; it does not change then. */
function liveTransport(transport: TransportV1 | TransportV2) {
  return {
    sessionId: transport.sessionId,
    protocolVersion: transport.protocolVersion,
    endSession: () => transport.terminateSession(),
  }
}
