// A client of 2026-07-28, a bridge and a server that has sessions, all in memory: the layers between are real.
import type { Bridge } from '../../lib/layers/bridge/bridge.ts'
import { type RequestMessage, requestOf } from '../../lib/exchange/message.ts'
import type { Principal } from '../../lib/types.ts'
import { fixture, type FixtureOptions } from './fixture.ts'
import type { MemoryClient } from './memory-client.ts'
import type { Asked, MemoryStream } from './memory-upstream.ts'
import { META } from './modern.ts'

/** What the server offers, unless a test says otherwise. */
const OFFERS = { tools: { listChanged: true }, resources: { subscribe: true }, prompts: {}, logging: {} }

/** A client that can be asked anything. */
export const ASKABLE = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } }

export const LOG_LEVEL = 'io.modelcontextprotocol/logLevel'

export interface LegacyServerOptions extends Omit<FixtureOptions, 'layers'> {
  readonly offered?: object
  readonly version?: string
  /** Whether there is an event log. */
  readonly logs?: boolean
  /** Whether there is no principal. */
  readonly isPublic?: boolean
  /** Whether lost sessions are recovered. */
  readonly recovers?: boolean
}

/** A gateway in front of a server that has sessions alone. */
export function legacyServer({
  offered = OFFERS,
  version = '2025-11-25',
  logs = false,
  isPublic = false,
  recovers = false,
  principal = { id: 'ann' },
  ...rest
}: LegacyServerOptions = {}) {
  const intercepting = rest.intercept ? (['intercept'] as const) : []
  const recovering = recovers ? (['recover'] as const) : []
  const logging = logs ? (['log'] as const) : []
  const layers = [...logging, ...intercepting, 'bridge', ...recovering, 'resume', 'cancel'] as const
  const gateway = fixture({
    layers,
    ...(!isPublic && { principal }),
    ...rest,
    config: { protocol: 'legacy', bridge: true, ...rest.config } as NonNullable<FixtureOptions['config']>,
  })
  gateway.upstream.on('initialize', (asked) =>
    asked.json({
      protocolVersion: version,
      capabilities: offered,
      serverInfo: { name: 'old', version: '3' },
      instructions: 'Be kind.',
    }),
  )
  const bridge = gateway.layers.bridge as Bridge
  return Object.assign(gateway, {
    bridge,
    /** Sends a request, and gives what came of it. */
    async ask(message: RequestMessage, options: { readonly as?: Principal } = {}): Promise<Answered> {
      const client = gateway.send(message, options)
      await client.over
      return answeredTo(client)
    },
  })
}

export type LegacyServer = ReturnType<typeof legacyServer>

export interface Answered {
  readonly status: number | undefined
  readonly code: number | undefined
  readonly message: string | undefined
  readonly result: Record<string, unknown>
  readonly client: MemoryClient
}

/** The response that a client got, in a document or as the last event. */
export function answeredTo(client: MemoryClient): Answered {
  expect(client.fault).toBeUndefined()
  const { refused, events, response } = client
  if (refused) {
    const { error } = JSON.parse(refused.toJsonRpc(1))
    return { status: refused.status, code: error.code, message: error.message, result: {}, client }
  }
  const isStream = response.headers['content-type'] === 'text/event-stream'
  const { error, result = {} } = JSON.parse(isStream ? events.entries.at(-1)!.data : response.text)
  return { status: response.status, code: error?.code, message: error?.message, result, client }
}

export interface RequestOptions {
  readonly id?: string | number
  readonly capabilities?: object
  readonly token?: string | number
  readonly level?: string
}

/** A request of a modern client. */
export function request(
  method: string,
  params: object = {},
  { id = 7, capabilities = ASKABLE, token, level }: RequestOptions = {},
): RequestMessage {
  const _meta = {
    [META.protocolVersion]: '2026-07-28',
    [META.clientCapabilities]: capabilities,
    ...(token !== undefined && { progressToken: token }),
    ...(level !== undefined && { [LOG_LEVEL]: level }),
  }
  return requestOf('modern', id, method, { ...params, _meta })
}

export const callOf = (name = 'echo', more: object = {}, options: RequestOptions = {}): RequestMessage =>
  request('tools/call', { name, arguments: {}, ...more }, options)

/** The retry of a request, with these answers. */
export function retry(message: RequestMessage, { result }: Answered, inputResponses: object, id = 8): RequestMessage {
  const { requestState } = result
  const params = { ...message.params, inputResponses, ...(requestState !== undefined && { requestState }) }
  return requestOf('modern', id, message.method, params)
}

/** An elicitation, as a server asks it. */
export const elicitation = (id: string | number = 'e1', message = 'Who?') => ({
  id,
  method: 'elicitation/create',
  params: { message, requestedSchema: { type: 'object', properties: {} } },
})

export const ACCEPTED = { action: 'accept', content: { name: 'Ada' } }

/**
 * Has a tool ask in the stream of its call, and end with what it was answered. With `ids` its stream can be resumed: what
 * came while nobody read is sent then.
 */
export function asksInCall({ upstream }: Pick<LegacyServer, 'upstream'>, { ids = false } = {}): void {
  const streams = new Map<string, MemoryStream>()
  const missed = new Map<string, object>()
  upstream.on('tools/call', (asked) => {
    const stream = asked.events()
    streams.set(sessionOf(asked), stream)
    void stream.over.then(() => ids && streams.delete(sessionOf(asked)))
    if (ids) stream.raw('id: p1\ndata:\n\n')
    stream.say(elicitation(), ids ? 'p2' : undefined)
  })
  upstream.on('GET', (asked) => {
    const stream = asked.events()
    if (!asked.exchange.headers['last-event-id']?.startsWith('p')) return
    const session = sessionOf(asked)
    streams.set(session, stream)
    if (missed.has(session)) stream.say(missed.get(session)!, 'p3')
  })
  upstream.on('response', (asked) => {
    asked.empty()
    const session = sessionOf(asked)
    const { result } = asked.exchange.message as { result?: unknown }
    const response = { id: callIdOf({ upstream }, session), result: { content: [], said: result } }
    const stream = streams.get(session)
    if (stream) stream.say(response, ids ? 'p3' : undefined)
    else missed.set(session, response)
  })
}

export const sessionOf = ({ exchange }: Asked): string => exchange.state?.id ?? ''

/** The id of the last call that the server got in a session. */
export function callIdOf({ upstream }: Pick<LegacyServer, 'upstream'>, session: string): string {
  const call = upstream.asked.entries.findLast((each) => each.kind === 'tools/call' && sessionOf(each) === session)
  return String(call!.exchange.requestIds[0])
}

/** The parameters that the server was sent. */
export function paramsOf({ exchange }: Asked): Record<string, unknown> {
  return (exchange.message as { params?: Record<string, unknown> }).params ?? {}
}
