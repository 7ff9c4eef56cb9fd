/** The listening stream of a session at a legacy server: opened by GET, and again when it has ended. (PU1, SE3, SE7) */
import { GatewayError, isCode } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import { mapMessages } from '../../../exchange/map-messages.ts'
import type { Message } from '../../../exchange/message.ts'
import { drainReply, type EventsReply, type Handle, type Reply } from '../../../exchange/reply.ts'
import { canBeResumedFrom, eventIdHeader } from '../../../exchange/sse.ts'
import { HEADER } from '../../../protocol.ts'
import type { Awaitable } from '../../../types.ts'
import { within } from '../../../util/timeout.ts'

/** How long the first call waits for the stream: some servers send the headers only with the first event. */
const STREAM_HEAD_MS = 3_000

/** The delay before a stream that has ended is opened again: it doubles up to the last value. */
const FIRST_REOPEN_MS = 100
const LAST_REOPEN_MS = 30_000

/** The statuses by which a server says that it has no listening streams. (PU6) */
const NO_STREAMS: ReadonlySet<number> = new Set([404, 405, 501])

/** A server answers so while it has not noticed that the last stream has ended: it is asked again, this often at once. */
const CONFLICT = 409
const MAX_CONFLICTS = 5

interface StreamHooks {
  onMessage(message: Message): Awaitable<void>
  /** Called when messages may have been missed. */
  onGap(): void
  /** Called when the server no longer knows the session. */
  onLost(): void
  /** Whether a stream that has ended is opened again at once, and not when it is next needed. */
  isNeeded(): boolean
}

export class SessionStream {
  readonly #exchange: Exchange
  readonly #next: Handle
  readonly #hooks: StreamHooks
  readonly #life: Lifetime
  /** Resolves when the server has accepted or refused the stream; `undefined` while there is none. */
  #opening: Promise<void> | undefined
  #body: EventsReply['body'] | undefined
  #after: string | undefined
  #hasEnded = false
  #isRefused = false
  #isClosed = false
  /** Whether the server has taken too long once, so that nobody waits again. */
  #isLate = false
  #attempts = 0
  /** Tells the stream that is wanted from those that were given up before they began. */
  #generation = 0
  #timer: NodeJS.Timeout | undefined

  /** `exchange` is in the session, and has its lifetime. */
  constructor(exchange: Exchange, next: Handle, hooks: StreamHooks) {
    this.#exchange = exchange
    this.#next = next
    this.#hooks = hooks
    this.#life = exchange.life.child()
    this.#life.endless = true
  }

  /** Whether the server has no listening stream, as it may. (PU6) */
  get isRefused(): boolean {
    return this.#isRefused
  }

  /** The last event that was read, after which another node could go on. */
  get after(): string | undefined {
    return this.#after
  }

  /** Opens the stream unless it is open, from this event on; resolves when it is open, refused, or late. */
  async open(after: string | undefined = this.#after): Promise<void> {
    if (this.#isRefused || this.#isClosed) return
    this.#after = after
    clearTimeout(this.#timer)
    this.#opening ??= this.#listen()
    if (this.#isLate) return
    const deadline = performance.now() + STREAM_HEAD_MS
    await within(deadline, this.#opening)
    this.#isLate = performance.now() >= deadline
  }

  /** Stops listening, until it is opened again. */
  pause(): void {
    clearTimeout(this.#timer)
    this.#generation += 1
    this.#body?.cancel()
    this.#body = undefined
    this.#opening = undefined
  }

  close(): void {
    this.#isClosed = true
    this.pause()
    this.#life.stop(new GatewayError('closing', 'Nobody listens any more'))
  }

  async #listen(conflicts = 0): Promise<void> {
    const generation = (this.#generation += 1)
    const { headers } = this.#exchange
    const resumed =
      this.#after === undefined ? headers : { ...headers, [HEADER.lastEventId]: eventIdHeader(this.#after) }
    try {
      const listening = { verb: 'GET', message: undefined, headers: resumed, isOwn: true } as const
      const reply = await this.#next(this.#exchange.fork(listening, this.#life))
      if (this.#isClosed || generation !== this.#generation) return discard(reply)
      if (reply.kind === 'events') return this.#read(reply)
      drainReply(reply)
      await this.#failed(generation, reply.status, conflicts)
    } catch (error) {
      if (this.#isClosed || generation !== this.#generation) return
      if (isCode(error, 'session_not_found')) return this.#hooks.onLost()
      await this.#failed(generation, error instanceof GatewayError ? error.status : 500, conflicts)
    }
  }

  async #failed(generation: number, status: number, conflicts: number): Promise<void> {
    this.#isRefused = status < 400 || NO_STREAMS.has(status)
    if (this.#isRefused) return
    if (status !== CONFLICT || conflicts === MAX_CONFLICTS) return this.#ended()
    await new Promise((resolve) => void setTimeout(resolve, FIRST_REOPEN_MS * 2 ** conflicts).unref())
    if (!this.#isClosed && generation === this.#generation) await this.#listen(conflicts + 1)
  }

  #read(reply: EventsReply): void {
    const note = (id: string): string => {
      this.#after = canBeResumedFrom(id) ? id : undefined
      return id
    }
    const wants = { methods: () => true, responses: true, eventIds: note }
    const { body } = mapMessages(reply, wants, async (message) => {
      this.#attempts = 0
      await this.#hooks.onMessage(message)
      return 'drop' as const
    }) as EventsReply
    this.#body = body
    if (this.#hasEnded && this.#after === undefined) this.#hooks.onGap()
    body.pipe({ data: () => true, end: () => this.#body === body && this.#ended() })
  }

  #ended(): void {
    this.#hasEnded = true
    this.#body = undefined
    this.#opening = undefined
    if (this.#isClosed || !this.#hooks.isNeeded()) return
    const delayMs = Math.min(FIRST_REOPEN_MS * 2 ** this.#attempts, LAST_REOPEN_MS)
    this.#attempts += 1
    this.#timer = setTimeout(() => void this.open(), delayMs).unref()
  }
}

function discard(reply: Reply): void {
  if (reply.kind !== 'empty') reply.body.cancel()
}
