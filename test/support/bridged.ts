// A client with sessions, a bridge and a server without them, all in memory: the layers between are real.
import type { ClientSession } from '../../lib/exchange/exchange.ts'
import type { Message } from '../../lib/exchange/message.ts'
import { messageOf } from '../../lib/exchange/message.ts'
import { fixture, type FixtureOptions, handshake, type LayerName } from './fixture.ts'
import type { MemoryClient } from './memory-client.ts'
import type { Asked, MemoryStream } from './memory-upstream.ts'

export const SERVER_INFO = 'io.modelcontextprotocol/serverInfo'
export const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId'

/** What the server offers, unless a test says otherwise. */
export const OFFERED = {
  tools: { listChanged: true },
  prompts: {},
  resources: { subscribe: true },
  logging: {},
}

/** What the client declares, unless a test says otherwise. */
export const DECLARED = { elicitation: {}, sampling: {}, roots: { listChanged: true } }

export interface BridgedOptions extends Omit<FixtureOptions, 'layers'> {
  readonly layers?: readonly LayerName[]
  readonly offered?: object
}

export interface OpenOptions {
  readonly version?: string
  readonly capabilities?: object
}

/** A gateway in front of a server that speaks 2026-07-28 alone, and lists no tools. */
export function bridged({
  layers = ['open', 'split', 'bridge', 'cancel'],
  offered = OFFERED,
  ...rest
}: BridgedOptions = {}) {
  const gateway = fixture({ layers, ...rest, config: { protocol: 'modern', ...rest.config } })
  gateway.upstream.on('server/discover', (asked) =>
    asked.json({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: offered,
      instructions: 'Be kind.',
      ttlMs: 1000,
      cacheScope: 'public',
      _meta: { [SERVER_INFO]: { name: 'modern', version: '3' } },
    }),
  )
  gateway.upstream.on('tools/list', (asked) => asked.json({ resultType: 'complete', tools: [] }))
  const open = async ({
    version = '2025-11-25',
    capabilities = DECLARED,
  }: OpenOptions = {}): Promise<ClientSession> => {
    const clientInfo = { name: 'old', version: '1' }
    const client = await shake(gateway, { protocolVersion: version, capabilities, clientInfo })
    return gateway.find(client.sessionId ?? '')
  }
  return Object.assign(gateway, { open })
}

export type Bridged = ReturnType<typeof bridged>

/** Sends a handshake with these parameters, and waits for its answer. */
export async function shake(gateway: ReturnType<typeof fixture>, params: object): Promise<MemoryClient> {
  const client = gateway.send(handshake(params))
  await client.over
  return client
}

/** The text of a refusal by a server. */
export function refusal(code: number, data?: object): string {
  return JSON.stringify({ jsonrpc: '2.0', id: 7, error: { code, message: 'no', data } })
}

/** The parameters that the server was sent. */
export function paramsOf({ exchange }: Asked): Record<string, unknown> {
  return (exchange.message as { params?: Record<string, unknown> }).params ?? {}
}

/** A request of a client, as these very bytes. */
export function textual(text: string): Message {
  return messageOf(JSON.parse(text), text, 'legacy')!
}

/** What a client answers to a question. */
export function answerTo(id: unknown, outcome: object): Message {
  return textual(JSON.stringify({ jsonrpc: '2.0', id, ...outcome }))
}

/** The messages that a client got on its stream, parsed; those with this method if one is given. */
export function messagesOf(client: MemoryClient, method?: string): Record<string, unknown>[] {
  const all = client.events.entries.filter(({ data }) => data !== '').map(({ data }) => JSON.parse(data))
  return method === undefined ? all : all.filter((message) => message.method === method)
}

/** The requests of a server that a client got so far. */
export function questionsOf(client: MemoryClient): Record<string, unknown>[] {
  return messagesOf(client).filter(({ method, id }) => method !== undefined && id !== undefined)
}

/** The ids of the first questions that a client is asked, once there are so many. */
export async function questionIdsOf(client: MemoryClient, count = 1): Promise<string[]> {
  while (questionsOf(client).length < count) await client.events.next()
  return questionsOf(client).map(({ id }) => id as string)
}

/** The calls of tools that the server got. */
export function toolCallsOf({ upstream }: Pick<Bridged, 'upstream'>): Asked[] {
  return upstream.asked.entries.filter(({ kind }) => kind === 'tools/call')
}

/** Has tools ask in the first round, and end in the second. */
export function asksOnce(gateway: Bridged, inputRequests: object | undefined, requestState?: string): void {
  gateway.upstream.on('tools/call', (asked) => asked.json({ resultType: 'complete', content: [] }))
  gateway.upstream.once('tools/call', asks(inputRequests, requestState))
}

/** Answers as a server does that wants to know more. */
export function asks(inputRequests: object | undefined, requestState?: string): (asked: Asked) => void {
  return (asked) =>
    asked.json({
      resultType: 'input_required',
      ...(inputRequests && { inputRequests }),
      ...(requestState !== undefined && { requestState }),
    })
}

/** Agrees to be listened to, with all that is asked for. */
export function agree(asked: Asked): MemoryStream {
  const stream = asked.events()
  stream.say({
    method: 'notifications/subscriptions/acknowledged',
    params: { _meta: { [SUBSCRIPTION]: 'x' }, notifications: paramsOf(asked)['notifications'] },
  })
  return stream
}

export const elicitation = (message = 'Who?', more: object = {}) => ({
  method: 'elicitation/create',
  params: { mode: 'form', message, requestedSchema: { type: 'object', properties: {} }, ...more },
})

/** Answers with an error that has data, as a modern server does with a status of its own. */
export function refuse(asked: Asked, code: number, data?: object, status = 400): void {
  const [id] = asked.exchange.requestIds
  asked.text(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: 'refused', data } }), status)
}
