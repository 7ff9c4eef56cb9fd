/** A legacy client's GET stream, fed by `subscriptions/listen`; its filter changes without a gap. (ST15-ST18, PU5) */
import { GatewayError } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Message } from '../../../exchange/message.ts'
import { PushBody } from '../../../exchange/push-body.ts'
import type { EventsReply, Handle } from '../../../exchange/reply.ts'
import { messageEvent } from '../../../exchange/sse.ts'
import { UpstreamClient } from '../../../exchange/upstream-client.ts'
import { RpcError, rpcErrorOf } from '../../../rpc-error.ts'
import { EVENT_STREAM_TYPE } from '../../../protocol.ts'
import { type JsonObject, member } from '../../../util/json.ts'
import { legacyNotification } from './legacy-response.ts'
import { clientEnvelopeOf } from './modern-request.ts'
import { Overlap } from './overlap.ts'
import { LIST_CHANGES, RESOURCE_UPDATED, RPC_ERROR } from '../tables.ts'

/** How long a server may take to acknowledge a subscription, in milliseconds. */
const AGREEMENT_MS = 10_000

/** The delay before a stream that has ended is opened again: it doubles up to the last value. */
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 30_000

/** How many bytes are buffered for a client that does not read, before the gateway stops reading from the server. */
const MAX_UNREAD_BYTES = 64 * 1024

/** How long the old stream stays open beside the new one, so that messages in transit on it still arrive. */
const OVERLAP_MS = 250

export const NO_GET = { allow: 'POST, DELETE' }

/** The filter that a server has acknowledged. */
type Honoured = JsonObject

/** A stream of the server, acknowledged. */
interface Source {
  readonly honoured: Honoured
  close(): void
}

export class Listener {
  readonly #exchange: Exchange
  readonly #client: UpstreamClient
  readonly #onOver: () => void
  readonly #body = new PushBody()
  readonly #overlap = new Overlap()
  #source: Source | undefined
  #uris: readonly string[]
  #retries = 0
  #retry: NodeJS.Timeout | undefined
  #isOver = false
  #onRoom: (() => void)[] = []

  /** `onOver` is called once, when the stream has ended. */
  constructor(exchange: Exchange, next: Handle, uris: readonly string[], onOver: () => void) {
    this.#exchange = exchange
    this.#uris = uris
    this.#onOver = onOver
    const parent = exchange.with({ verb: 'POST', state: undefined, message: undefined })
    this.#client = new UpstreamClient({
      handle: next,
      parent,
      era: 'modern',
      envelope: clientEnvelopeOf(exchange),
      state: undefined,
    })
    this.#body.writer = { onResume: () => this.#wake(), onCancel: () => this.close() }
    exchange.life.onStop(() => this.close())
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Resolves with the client's stream when the server has acknowledged the subscription; rejects when it refuses. */
  async start(): Promise<EventsReply> {
    try {
      this.#source = await this.#open(this.#uris)
    } catch (error) {
      this.close()
      throw error
    }
    return {
      kind: 'events',
      status: 200,
      headers: { 'content-type': EVENT_STREAM_TYPE },
      body: this.#body,
      pending: () => [],
      resumeAfter: () => undefined,
      endless: true,
      kept: false,
    }
  }

  /** Replaces the resources subscribed to. Resolves with those that the server has acknowledged. */
  async update(uris: readonly string[]): Promise<ReadonlySet<unknown>> {
    this.#overlap.begin()
    const source = await this.#open(uris).catch((error: unknown) => {
      this.#overlap.end()
      throw error
    })
    const old = this.#source
    if (this.#isOver) source?.close()
    clearTimeout(this.#retry)
    this.#uris = uris
    this.#source = source
    const leave = (): void => {
      old?.close()
      this.#overlap.end()
    }
    setTimeout(leave, OVERLAP_MS).unref()
    return new Set(urisIn(source?.honoured))
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#retry)
    this.#source?.close()
    this.#body.end()
    this.#wake()
    this.#onOver()
  }

  /** Resolves when the server has acknowledged the subscription; with `undefined` where the filter is empty. */
  #open(uris: readonly string[]): Promise<Source | undefined> {
    const filter = this.#filterOf(uris)
    if (Object.keys(filter).length === 0) return Promise.resolve(undefined)
    const stream = this.#overlap.stream()
    return new Promise((resolve, reject) => {
      let source: Source | undefined
      let listening: { close(): void } | undefined
      let isLate = false
      const late = (): void => {
        isLate = true
        listening?.close()
        reject(new GatewayError('upstream_timeout', 'The server did not agree in time to be listened to'))
      }
      const timer = setTimeout(late, AGREEMENT_MS).unref()
      const close = (): void => listening?.close()
      const onMessage = async (message: Message): Promise<void> => {
        if (message.kind === 'response') {
          if (message.error !== undefined && !source) reject(refusedListener(rpcErrorOf(message.error)))
          return
        }
        if (message.kind !== 'notification') return
        if (source) return this.#tell(message.method, message.params, stream)
        clearTimeout(timer)
        const honoured = member(message.params, 'notifications')
        source = { honoured: (honoured ?? {}) as JsonObject, close }
        resolve(source)
      }
      const ended = (): void => {
        clearTimeout(timer)
        if (!source) return reject(refusedListener(undefined))
        if (this.#source === source) this.#lose()
      }
      this.#client.listen({ notifications: filter }, onMessage, ended).then(
        (opened) => {
          listening = opened
          if (this.#isOver || isLate) opened.close()
        },
        (error: Error) => reject(error instanceof RpcError ? refusedListener(error) : error),
      )
    })
  }

  #filterOf(uris: readonly string[]): JsonObject {
    const { offers } = this.#exchange.state!.bridge!
    const lists = LIST_CHANGES.filter(({ offer }) => offers.includes(offer)).map(({ filter }) => [filter, true])
    return { ...Object.fromEntries(lists), ...(uris.length > 0 && { resourceSubscriptions: uris }) }
  }

  async #tell(method: string, params: unknown, stream: number): Promise<void> {
    const isKnown = method === RESOURCE_UPDATED || LIST_CHANGES.some((change) => change.method === method)
    if (!isKnown || this.#isOver) return
    const text = legacyNotification(method, params)
    if (!this.#overlap.isNews(text, stream)) return
    this.#body.push(messageEvent(text))
    const { isFull, keptBytes } = this.#body
    const waits = isFull && (keptBytes === 0 || keptBytes > MAX_UNREAD_BYTES)
    if (waits) await new Promise<void>((resolve) => this.#onRoom.push(resolve))
  }

  /** Reopens a stream that has ended; then sends each notification once, since some may have been missed. */
  #lose(): void {
    this.#source = undefined
    if (this.#isOver) return
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** this.#retries, LAST_RETRY_MS)
    this.#retries += 1
    this.#retry = setTimeout(() => void this.#reopen(), delayMs).unref()
  }

  async #reopen(): Promise<void> {
    try {
      const source = await this.#open(this.#uris)
      if (this.#isOver || this.#source) return source?.close()
      this.#source = source
      this.#retries = 0
      const honoured = source?.honoured ?? {}
      for (const { filter, method } of LIST_CHANGES) if (honoured[filter] === true) this.#repeat(method, undefined)
      for (const uri of urisIn(honoured)) this.#repeat(RESOURCE_UPDATED, { uri })
    } catch {
      this.#lose()
    }
  }

  #repeat(method: string, params: unknown): void {
    this.#body.push(messageEvent(legacyNotification(method, params)))
  }

  #wake(): void {
    for (const resolve of this.#onRoom.splice(0)) resolve()
  }
}

function urisIn(honoured: JsonObject | undefined): readonly unknown[] {
  const uris = honoured?.['resourceSubscriptions']
  return Array.isArray(uris) ? uris : []
}

/** A server without `subscriptions/listen` is like a legacy server without GET: the client gets 405. (RT3) */
function refusedListener(cause: RpcError | undefined): GatewayError {
  return cause?.code === RPC_ERROR.methodNotFound
    ? new GatewayError('method_not_allowed', 'The server does not let itself be listened to', { headers: NO_GET })
    : new GatewayError('upstream_refused', 'The server does not let itself be listened to', { cause })
}
