/** A member's part of a listening stream: its own stream, opened again when it ends or when the member is back. */
import { GatewayError, isCode } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import { mapMessages, type Mapped, type Wants } from '../../exchange/map-messages.ts'
import type { Message } from '../../exchange/message.ts'
import type { EventsReply } from '../../exchange/reply.ts'
import type { Awaitable, MemberKind } from '../../types.ts'
import type { Absences } from './absences.ts'
import { isConnectionRequired } from './lists.ts'
import type { Member } from './members.ts'

/** How soon a stream that has ended is opened again: at once after a long life, else after a time that doubles. */
const LONG_MS = 5_000
const FIRST_DELAY_MS = 100
const LAST_DELAY_MS = 30_000

/** A member's stream, and whether the member was reached in a session that is new. */
export interface OpenedStream {
  /** `undefined` if the member does not let itself be listened to. */
  readonly reply: EventsReply | undefined
  readonly isNew: boolean
}

/** How the streams of one era are opened, and what is told of them. */
export interface Listening {
  open(member: Member, life: Lifetime): Promise<OpenedStream>
  /** Asks a member that does not let itself be listened to whether it is there. */
  ping(member: Member, life: Lifetime): Promise<boolean>
  wants(member: Member): Wants
  toClient(message: Message, member: Member): Awaitable<Mapped>
  /** The kinds of lists whose changes the client hears of. */
  hears(member: Member, kind: MemberKind): Awaitable<boolean>
  /** The text of a notification of the aggregate's own. */
  textOf(method: string): string
}

export interface MemberStreamHooks {
  push(bytes: Buffer): boolean
  /** Called when the member is back after it was missing. */
  back(): void
}

/** One member's stream, and those that follow it. */
export class MemberStream {
  readonly member: Member
  readonly #user: string | undefined
  readonly #life: Lifetime
  readonly #listening: Listening
  readonly #absences: Absences
  readonly #hooks: MemberStreamHooks
  #reply: EventsReply | undefined
  #openedAt = 0
  #delayMs = FIRST_DELAY_MS
  #timer: NodeJS.Timeout | undefined
  #giveUp: (() => void) | undefined
  #isMissing = false
  /** Whether the member has refused, so that it is there, perhaps not yet. */
  #isRefused = false
  /** Whether the member needs an account of the user's own. */
  #needsAccount = false
  #isOver = false

  constructor(member: Member, exchange: Exchange, listening: Listening, absences: Absences, hooks: MemberStreamHooks) {
    this.member = member
    this.#life = exchange.life.child()
    this.#user = exchange.origin.principal?.id
    this.#listening = listening
    this.#absences = absences
    this.#hooks = hooks
  }

  /** Resolves when the stream is open, or is not to be had now. */
  async start(): Promise<void> {
    if (!(await this.#open())) this.#wait()
  }

  resume(): void {
    this.#reply?.body.resume()
  }

  /** A member without a stream says nothing when it is back, so it has to be asked. */
  miss(): void {
    if (this.#isOver || this.#giveUp) return
    this.#isMissing = true
    if (!this.#reply) this.#wait()
  }

  /** Tries at once again: what it waits for may have come. */
  hurry(): void {
    if (this.#isOver || !this.#giveUp) return
    this.#giveUp()
    this.#giveUp = undefined
    void this.start()
  }

  close(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#giveUp?.()
    this.#reply?.body.cancel()
    this.#life.stop(new GatewayError('bad_request', 'Nobody listens any more'))
    this.#life.end()
  }

  #wait(): void {
    if (this.#isOver || this.#giveUp) return
    this.#isMissing ||= !this.#isRefused
    const attempt = async (): Promise<boolean> => this.#isOver || (await this.#open())
    this.#giveUp = this.#absences.waitFor(this.member, attempt, this.#needsAccount ? this.#user : undefined)
  }

  async #open(): Promise<boolean> {
    try {
      const { reply, isNew } = await this.#listening.open(this.member, this.#life)
      if (this.#isOver) {
        reply?.body.cancel()
        return true
      }
      if (!reply && this.#isMissing && !(await this.#listening.ping(this.member, this.#life))) return false
      this.#found(reply, isNew)
      return true
    } catch (error) {
      this.#needsAccount = isConnectionRequired(error)
      this.#isRefused = isCode(error, 'upstream_refused') && (error as GatewayError).status < 500
      return this.#isOver
    }
  }

  #found(reply: EventsReply | undefined, isNew: boolean): void {
    this.#giveUp = undefined
    if (this.#isMissing || isNew) this.#hooks.back()
    this.#isMissing = false
    this.#reply = reply
    this.#openedAt = performance.now()
    if (!reply) return
    const mapped = mapMessages(reply, this.#listening.wants(this.member), (message) =>
      this.#listening.toClient(message, this.member),
    ) as EventsReply
    this.#reply = mapped
    mapped.body.pipe({ data: (bytes) => this.#hooks.push(bytes), end: () => this.#ended() })
  }

  #ended(): void {
    this.#reply = undefined
    if (this.#isOver) return
    const isShort = performance.now() - this.#openedAt < LONG_MS
    this.#delayMs = isShort ? Math.min(this.#delayMs * 2, LAST_DELAY_MS) : FIRST_DELAY_MS
    this.#timer = setTimeout(() => void this.start(), this.#delayMs).unref()
  }
}
