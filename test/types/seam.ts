// Compile-only: the thirteen uses that the seam was made for, each of them a feature that is built or is to be built on it.
import { GatewayError } from '../../lib/errors.ts'
import { answer, jsonReply, type Out } from '../../lib/exchange/answer.ts'
import { BufferBody, type Body } from '../../lib/exchange/body.ts'
import type { Exchange } from '../../lib/exchange/exchange.ts'
import type { Layer, Upstream, UpstreamOf } from '../../lib/exchange/layer.ts'
import type { Lifetime } from '../../lib/exchange/lifetime.ts'
import { type Mapped, mapMessages, type Wants } from '../../lib/exchange/map-messages.ts'
import { type Message, notificationOf, type RequestMessage, type ResponseMessage } from '../../lib/exchange/message.ts'
import { peekResponse, readResponse } from '../../lib/exchange/read-response.ts'
import { drainReply, type Handle, type Reply, type ReplyHeaders } from '../../lib/exchange/reply.ts'
import { ResumingBody } from '../../lib/exchange/resuming-body.ts'
import { UpstreamClient } from '../../lib/exchange/upstream-client.ts'
import type { Door } from '../../lib/pipeline.ts'
import type { RequestId, ServerConfig, UpstreamState } from '../../lib/types.ts'
import type { JsonObject } from '../../lib/util/json.ts'

declare const upstreamOf: UpstreamOf
declare const pipelineOf: (config: ServerConfig, door: Door) => Handle
const isGone = (error: unknown): boolean => error instanceof GatewayError && error.code === 'session_not_found'
const always = (): boolean => true
const ALL: Wants = { methods: always, responses: true }

// 1. Plain HTTP, JSON: the very bytes; the relay takes whole() or pipes, and nobody parses.
interface Response {
  writeHead(status: number, headers: ReplyHeaders): void
  end(bytes?: Buffer): void
  write(bytes: Buffer): boolean
  once(event: 'drain', listener: () => void): void
}
export function relay(reply: Reply, response: Response): void {
  response.writeHead(reply.status, reply.headers)
  if (reply.kind === 'empty') return response.end()
  const { body } = reply
  const whole = body.whole()
  if (whole) return response.end(whole)
  response.once('drain', () => body.resume())
  body.pipe({ data: (chunk) => response.write(chunk), end: () => response.end() })
}

// 2. SSE and resumption: one engine, which decides about `broken` alone; `poll` goes on outwards.
export const resumeUpstream: Layer = {
  name: 'resumeUpstream',
  applies: (config) => 'url' in config,
  async handle(exchange, next) {
    const reply = await next(exchange)
    if (reply.kind !== 'events' || exchange.origin.era === 'modern') return reply
    const body = ResumingBody.of(reply, exchange, next)
    return { ...reply, body, pending: body.pending, resumeAfter: () => body.after ?? reply.resumeAfter() }
  },
}

// 3. Opening: the state comes from inside, so that what an interceptor or a bridge made of the handshake is what is kept.
declare function needsSession(exchange: Exchange): boolean
declare function create(exchange: Exchange, state: UpstreamState): Promise<string>
export const openSession: Layer = {
  name: 'openSession',
  applies: always,
  async handle(exchange, next) {
    const reply = await next(exchange)
    if (!reply.opened) return reply
    const isKept = reply.opened.id !== undefined || needsSession(exchange)
    return isKept ? { ...reply, sessionId: await create(exchange, reply.opened) } : reply
  },
}

// 4. Recovering: with() shares the lifetime, so that resumption and cancelling below speak in the new state.
declare function without(headers: Exchange['headers'], name: string): Exchange['headers']
export const recoverSession: Layer = {
  name: 'recoverSession',
  applies: (config) => 'recover' in config && config.recover === true,
  async handle(exchange, next) {
    try {
      return await next(exchange)
    } catch (error) {
      const told = exchange.state?.client
      if (!isGone(error) || !told) throw error
      const [{ state }] = await UpstreamClient.open(next, exchange, told.handshake)
      if (!state) throw error
      await exchange.origin.session?.keep((now) => ({ ...state, ...(now.client && { client: now.client }) }))
      return next(exchange.with({ state, headers: without(exchange.headers, 'last-event-id') }))
    }
  },
}

// 5. Cancelling: always in the legacy era; in the modern one where closing a connection says nothing.
export const cancelOnStop: Layer = {
  name: 'cancelOnStop',
  applies: always,
  async handle(exchange, next) {
    const { message, path, config, life } = exchange
    if (message?.kind !== 'request' || message.method === 'initialize') return next(exchange)
    if (message.era === 'modern' && upstreamOf(path.at(-1)!, config).quits === 'abort') return next(exchange)
    const off = life.onStop(({ message: reason }) => {
      const said = notificationOf(message.era, 'notifications/cancelled', { requestId: message.id, reason })
      void next(exchange.fork({ message: said }, life.detach())).then(drainReply, () => {})
    })
    try {
      return await next(exchange)
    } catch (error) {
      off()
      throw error
    }
  },
}

// 6. The event log: a lifetime of its own in the background, and a reply that says that the rest is kept.
declare function record(body: Body, exchange: Exchange): Body
export const eventLog: Layer = {
  name: 'eventLog',
  applies: always,
  async handle(exchange, next) {
    const { origin, verb, message, life } = exchange
    if (!origin.session || verb === 'DELETE' || message?.kind === 'response') return next(exchange)
    const background = exchange.fork({}, life.detach())
    const reply = await next(background)
    return reply.kind === 'events' ? { ...reply, kept: true, body: record(reply.body, background) } : reply
  },
}

// 7. Interceptors: next() is the promise of the response, and what comes before it leaves meanwhile.
type Ask = (params?: JsonObject) => Promise<ResponseMessage>
declare const chain: (exchange: Exchange, next: Ask) => Promise<string>
declare const serverSays: (message: Message) => Mapped
declare function missing(): never
export const interceptors: Layer = {
  name: 'interceptors',
  applies: always,
  handle(exchange, next) {
    const { message, origin } = exchange
    if (message?.kind !== 'request') {
      return next(exchange).then((reply) => mapMessages(reply, { methods: always }, serverSays))
    }
    return answer(exchange, async (out) => {
      const ask: Ask = async (params) => {
        const reply = await next(
          params === undefined || params === message.params ? exchange : exchange.rewrite({ params }),
        )
        return (await readResponse(mapMessages(reply, { methods: always }, serverSays), out)) ?? missing()
      }
      return { text: await chain(exchange, origin.bind(ask)) }
    })
  },
}

// 8. Authorizing: what the client said, and behind the interceptors what they made of it.
declare function permit(exchange: Exchange): void
export const authorize = (when: 'said' | 'sent'): Layer => ({
  name: `authorize:${when}`,
  applies: ({ scopes }) => scopes !== undefined,
  handle(exchange, next) {
    if (when === 'said' || exchange.isRewritten) permit(exchange)
    return next(exchange)
  },
})

// 9. An old client at a new server: many rounds, and one stream for all that is said in them.
declare function modern(exchange: Exchange, inputs?: unknown, state?: unknown): Exchange
declare function legacyText(response: ResponseMessage | undefined): string
declare function questions(out: Out, result: JsonObject): Promise<unknown>
export const oldClient: Layer = {
  name: 'bridge:oldClient',
  applies: always,
  handle: (exchange, next) =>
    answer(exchange, async (out) => {
      for (let ask = modern(exchange); ;) {
        const response = await readResponse(await next(ask), out)
        const result = response?.result as JsonObject | undefined
        if (result?.['resultType'] !== 'input_required') return { text: legacyText(response) }
        ask = modern(exchange, await questions(out, result), result['requestState'])
      }
    }),
}

// 10. A new client at an old server: the call lives in a lifetime of its own, and each HTTP request adopts it while it waits.
interface ParkedCall {
  readonly life: Lifetime
  next(out: Out): Promise<{ readonly text: string }>
}
declare function resumed(exchange: Exchange): ParkedCall | undefined
declare function start(exchange: Exchange, next: Handle): ParkedCall
declare function lease(exchange: Exchange): UpstreamState
export const newClient: Layer = {
  name: 'bridge:newClient',
  applies: always,
  handle: (exchange, next) =>
    answer(exchange, async (out) => {
      const call = resumed(exchange) ?? start(exchange.fork({ state: lease(exchange) }, exchange.life.detach()), next)
      const letGo = exchange.life.adopt(call.life)
      try {
        return await call.next(out)
      } finally {
        letGo()
      }
    }),
}

// 11. An aggregate is an upstream: lists fan out, calls are routed, questions and event ids get their member's name.
declare const membersOf: (exchange: Exchange) => ReadonlyMap<string, ServerConfig>
declare const join: (responses: readonly ResponseMessage[]) => string
declare function withId(text: string, id: RequestId): string
const toMember = (exchange: Exchange, name: string, config: ServerConfig): Promise<Reply> =>
  pipelineOf(
    config,
    'member',
  )(exchange.fork({ config, path: [...exchange.path, name], state: exchange.state?.members?.[name] }))
export const aggregate: Upstream = {
  id: 'aggregate:all',
  label: 'all servers',
  quits: 'abort',
  send: (exchange) =>
    answer(exchange, async (out) => {
      const all = [...membersOf(exchange)].map(async ([name, config]) =>
        readResponse(await toMember(exchange, name, config), out),
      )
      return { text: join((await Promise.all(all)).filter((response) => response !== undefined)) }
    }),
  onChange: (listener) => {
    listener('notifications/tools/list_changed', undefined)
    return () => {}
  },
}
export const routed = async (exchange: Exchange, name: string, config: ServerConfig): Promise<Reply> =>
  mapMessages(
    await toMember(exchange.rewrite({ params: { name: 'forecast' } }, { 'mcp-param-city': 'Bern' }), name, config),
    { methods: always, eventIds: (id) => `${name}~${id}` },
    (message) => (message.kind === 'request' ? { text: withId(message.text, `${name}~${message.id}`) } : undefined),
  )

// 12. A pipe: ids there and back in one place.
declare const pipe: {
  ask(text: string, out: Out): Promise<ResponseMessage>
  nextId(): number
  cancel(id: number): void
}
const asRequest = (message: Message | undefined): RequestMessage => (message?.kind === 'request' ? message : missing())
export const pipeUpstream: Upstream = {
  id: 'pipe:weather',
  label: 'weather',
  quits: 'cancelled',
  send: (exchange) =>
    answer(exchange, async (out) => {
      const { id, text } = asRequest(exchange.message)
      const own = pipe.nextId()
      exchange.life.onStop(() => pipe.cancel(own))
      const response = await pipe.ask(withId(text, own), out)
      return { text: withId(response.text, id) }
    }),
}

// 13. The directory, and tool(): the gateway's own door, and no session that is none.
export async function listTools(parent: Exchange, handshake: JsonObject): Promise<JsonObject> {
  const [client] = await UpstreamClient.open(pipelineOf(parent.config, 'gateway'), parent, handshake)
  const listening = await client.listen({}, async (message) => {
    if (message.kind === 'request') await client.respond(message.id, { error: { code: -32601, message: 'not here' } })
  })
  try {
    return await client.request('tools/list', {})
  } finally {
    listening.close()
    await client.close()
  }
}

// A reply of a handshake is peeked at, and goes on as if untouched.
export async function opened(reply: Reply, upstream: string): Promise<Reply> {
  const response = await peekResponse(reply)
  const { protocolVersion } = (response?.result ?? {}) as { readonly protocolVersion?: string }
  return protocolVersion === undefined ? reply : { ...reply, opened: { upstream, protocolVersion } }
}

// What must not compile.
declare const exchange: Exchange
// @ts-expect-error who the client is does not change on the way in
exchange.with({ origin: exchange.origin })
// @ts-expect-error a lifetime is shared or forked, never swapped
exchange.with({ life: exchange.life })
// @ts-expect-error a message is changed by rewrite(), which keeps its text and its fields in step
exchange.rewrite({ text: '{}' })
// @ts-expect-error a stream says what is pending in it
export const headless: Reply = { kind: 'events', status: 200, headers: {}, body: new BufferBody(Buffer.alloc(0)) }
// @ts-expect-error an empty reply has nothing to read
export const nothing = ({ kind: 'empty', status: 202, headers: {} } satisfies Reply).body
// @ts-expect-error a message is as it is, gone, or other JSON as text
mapMessages(jsonReply('{}'), ALL, () => ({ result: {} }))
