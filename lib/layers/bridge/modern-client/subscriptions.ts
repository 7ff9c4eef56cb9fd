/** The listening streams of modern clients, fed by the listening streams of their sessions. (ST15-ST19, PU5) */
import { GatewayError } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { RequestMessage } from '../../../exchange/message.ts'
import { PushBody } from '../../../exchange/push-body.ts'
import type { EventsReply, Handle, Reply } from '../../../exchange/reply.ts'
import { messageEvent } from '../../../exchange/sse.ts'
import { EVENT_STREAM_TYPE, META } from '../../../protocol.ts'
import { isObject, type JsonObject, member } from '../../../util/json.ts'
import { LIST_CHANGES, offersIn, RESOURCE_UPDATED } from '../tables.ts'
import { type Envelope, readEnvelope } from './legacy-request.ts'
import type { PooledSession } from './pooled-session.ts'
import type { SessionPool } from './session-pool.ts'

/** How many resources a listener may subscribe to. */
const MAX_URIS = 1_000

/** How many bytes are buffered for a client that does not read, before its stream is cut off. */
const MAX_BEHIND_BYTES = 1024 * 1024

/** The delay before a listener whose session is gone gets another one: it doubles up to the last value. */
const FIRST_MOVE_MS = 100
const LAST_MOVE_MS = 30_000

export class Subscriptions {
  readonly #pool: SessionPool
  /** By group of sessions. */
  readonly #listeners = new Map<string, Set<Subscription>>()

  constructor(pool: SessionPool) {
    this.#pool = pool
  }

  /** Opens the stream of a listener, whose first message says what it will be told of. */
  async open(exchange: Exchange, message: RequestMessage, next: Handle): Promise<Reply> {
    const envelope = readEnvelope(message)
    const group = this.#pool.groupOf(exchange, envelope)
    const listeners = this.#listeners.get(group) ?? new Set()
    const subscription = new Subscription({ exchange, message, next, envelope, pool: this.#pool }, () => {
      if (listeners.delete(subscription) && listeners.size === 0) this.#listeners.delete(group)
    })
    const reply = await subscription.start()
    if (!subscription.isOver) this.#listeners.set(group, listeners.add(subscription))
    return reply
  }

  /** Tells the listeners what a session has said. A resource is told of by the session that it was subscribed in. */
  tell(group: string, session: PooledSession, method: string, params: unknown): void {
    for (const each of this.#listeners.get(group) ?? []) {
      if (method !== RESOURCE_UPDATED || each.session === session) each.tell(method, params)
    }
  }

  /** Tells the listeners of everything once, since something may have been missed. */
  repeat(group: string): void {
    for (const each of this.#listeners.get(group) ?? []) each.repeat()
  }

  /** Finds another session for the listeners of one that is gone. */
  move(group: string, session: PooledSession): void {
    for (const each of this.#listeners.get(group) ?? []) if (each.session === session) each.move()
  }
}

interface SubscriptionParts {
  readonly exchange: Exchange
  readonly message: RequestMessage
  readonly next: Handle
  readonly envelope: Envelope
  readonly pool: SessionPool
}

class Subscription {
  readonly #parts: SubscriptionParts
  readonly #onOver: () => void
  readonly #body = new PushBody()
  #session: PooledSession | undefined
  #honoured: JsonObject = {}
  #behind = 0
  #moves = 0
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(parts: SubscriptionParts, onOver: () => void) {
    this.#parts = parts
    this.#onOver = onOver
    this.#body.writer = { onResume: () => (this.#behind = 0), onCancel: () => this.#close() }
  }

  get session(): PooledSession | undefined {
    return this.#session
  }

  get isOver(): boolean {
    return this.#isOver
  }

  async start(): Promise<EventsReply> {
    const { exchange, message } = this.#parts
    this.#honoured = await this.#subscribe()
    exchange.life.onStop(() => this.#close())
    this.#say('notifications/subscriptions/acknowledged', { notifications: this.#honoured })
    return {
      kind: 'events',
      status: 200,
      headers: { 'content-type': EVENT_STREAM_TYPE },
      body: this.#body,
      pending: () => [message.id],
      resumeAfter: () => undefined,
      endless: true,
      kept: false,
    }
  }

  /** Passes on what the client has asked for, and nothing else. (ST17) */
  tell(method: string, params: unknown): void {
    const change = LIST_CHANGES.find((each) => each.method === method)
    const isWanted = change
      ? this.#honoured[change.filter] === true
      : method === RESOURCE_UPDATED && this.#uris.includes(member(params, 'uri'))
    if (isWanted) this.#say(method, isObject(params) ? params : {})
  }

  repeat(): void {
    for (const { filter, method } of LIST_CHANGES) if (this.#honoured[filter] === true) this.#say(method, {})
    for (const uri of this.#uris) this.#say(RESOURCE_UPDATED, { uri })
  }

  /** Goes to another session, then tells of everything once. */
  move(): void {
    this.#session = undefined
    if (this.#isOver) return
    const delayMs = Math.min(FIRST_MOVE_MS * 2 ** this.#moves, LAST_MOVE_MS)
    this.#moves += 1
    const again = async (): Promise<void> => {
      await this.#subscribe()
      this.#moves = 0
      this.repeat()
    }
    this.#timer = setTimeout(() => void again().catch(() => this.move()), delayMs).unref()
  }

  get #uris(): readonly unknown[] {
    const uris = this.#honoured['resourceSubscriptions']
    return Array.isArray(uris) ? uris : []
  }

  /** Subscribes in a session, and returns what the server can tell of. */
  async #subscribe(): Promise<JsonObject> {
    const { exchange, message, next, envelope, pool } = this.#parts
    const session = await pool.get(exchange, next, envelope, false)
    session.listeners += 1
    try {
      await session.listen()
      const offers = session.hears ? offersIn(session.offered.capabilities) : []
      const filter = member(message.params, 'notifications')
      const lists = LIST_CHANGES.filter((each) => offers.includes(each.offer) && member(filter, each.filter) === true)
      const wanted = offers.includes('resources.subscribe') ? urisOfFilter(filter) : []
      const uris: string[] = []
      for (const uri of wanted) {
        const isTaken = await session.subscribe(uri).then(
          () => true,
          (error: unknown) => (error instanceof GatewayError ? Promise.reject(error) : false),
        )
        if (isTaken) uris.push(uri)
      }
      this.#session = session
      if (this.#isOver) this.#leave(uris)
      return {
        ...Object.fromEntries(lists.map((each) => [each.filter, true])),
        ...(uris.length > 0 && { resourceSubscriptions: uris }),
      }
    } catch (error) {
      session.listeners -= 1
      pool.leave(session)
      throw error
    }
  }

  #say(method: string, params: JsonObject): void {
    const _meta = { ...(params['_meta'] as JsonObject), [META.subscriptionId]: this.#parts.message.id }
    const event = messageEvent(JSON.stringify({ jsonrpc: '2.0', method, params: { ...params, _meta } }))
    this.#body.push(event)
    if (!this.#body.isFull) return
    this.#behind += event.length
    if (this.#behind <= MAX_BEHIND_BYTES) return
    this.#body.end({ how: 'broken', error: new GatewayError('client_stalled', 'The client does not read') })
    this.#close()
  }

  #close(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#body.end()
    this.#onOver()
    this.#leave(this.#uris)
  }

  #leave(uris: readonly unknown[]): void {
    const session = this.#session
    if (!session) return
    this.#session = undefined
    for (const uri of uris) void session.unsubscribe(uri as string)
    session.listeners -= 1
    this.#parts.pool.leave(session)
  }
}

function urisOfFilter(filter: unknown): readonly string[] {
  const uris = member(filter, 'resourceSubscriptions')
  if (!Array.isArray(uris)) return []
  return [...new Set(uris.filter((uri) => typeof uri === 'string'))].slice(0, MAX_URIS)
}
