/** A client's listening stream, which tells what all members say. Each has a stream of its own, opened again when it ends. */
import type { Exchange } from '../../exchange/exchange.ts'
import { PushBody } from '../../exchange/push-body.ts'
import type { EventsReply } from '../../exchange/reply.ts'
import { messageEvent } from '../../exchange/sse.ts'
import { EVENT_STREAM_TYPE } from '../../protocol.ts'
import type { Awaitable, MemberKind } from '../../types.ts'
import { within } from '../../util/timeout.ts'
import type { Absences } from './absences.ts'
import { LIST_CHANGED } from './list-kinds.ts'
import { MEMBER_KINDS, type Member } from './members.ts'
import { type Listening, MemberStream } from './member-stream.ts'

/** How long changes of lists are gathered before they are told, in milliseconds. */
const GATHER_MS = 50

export class FanIn {
  readonly #exchange: Exchange
  readonly #listening: Listening
  readonly #absences: Absences
  readonly #onOver: () => void
  readonly #body = new PushBody()
  readonly #sources = new Map<string, MemberStream>()
  readonly #changed = new Set<MemberKind>()
  #gathering: NodeJS.Timeout | undefined
  #recheck: NodeJS.Timeout | undefined
  /** What came before the stream began. */
  #early: Buffer[] | undefined = []
  #isOver = false

  constructor(exchange: Exchange, listening: Listening, absences: Absences, onOver: () => void) {
    this.#exchange = exchange
    this.#listening = listening
    this.#absences = absences
    this.#onOver = onOver
    this.#body.writer = { onResume: () => this.#resume(), onCancel: () => this.close() }
    exchange.life.onStop(() => this.close())
  }

  /** Listens to these members. Resolves when each has agreed or refused, or `patienceMs` have passed. */
  async open(members: readonly Member[], patienceMs: number): Promise<void> {
    const opening = Promise.all(members.map((member) => this.#listen(member)))
    await within(performance.now() + patienceMs, opening)
  }

  /** The client's stream, which begins with `first`. */
  reply(first?: string): EventsReply {
    const early = this.#early ?? []
    this.#early = undefined
    if (first !== undefined) this.#body.push(messageEvent(first))
    for (const bytes of early) this.#body.push(bytes)
    return {
      kind: 'events',
      status: 200,
      headers: { 'content-type': EVENT_STREAM_TYPE },
      body: this.#body,
      pending: () => this.#exchange.requestIds,
      resumeAfter: () => undefined,
      endless: true,
      kept: false,
    }
  }

  /** Looks every `ms` which members there are: those that are gone are heard no more, and new ones from now on. */
  recheckEvery(ms: number, membersNow: () => Awaitable<readonly Member[]>): void {
    this.#recheck = setInterval(() => void this.#update(membersNow), ms).unref()
  }

  /** Says that a list had to do without this member, so that the client is told when it is back. */
  missed(member: Member): void {
    this.#sources.get(member.name)?.miss()
  }

  /** Listens at once to the members that were not to be listened to yet. */
  hurry(): void {
    for (const stream of this.#sources.values()) stream.hurry()
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#gathering)
    clearInterval(this.#recheck)
    for (const source of this.#sources.values()) source.close()
    this.#sources.clear()
    this.#body.end()
    this.#onOver()
  }

  #listen(member: Member): Promise<void> {
    const source = new MemberStream(member, this.#exchange, this.#listening, this.#absences, {
      push: (bytes) => this.#push(bytes),
      back: () => void this.#announce(member),
    })
    this.#sources.set(member.name, source)
    return source.start()
  }

  async #update(membersNow: () => Awaitable<readonly Member[]>): Promise<void> {
    const members = await Promise.resolve(membersNow()).catch(() => undefined)
    if (!members || this.#isOver) return
    for (const [name, source] of this.#sources) {
      if (members.some((member) => member.name === name && member.server === source.member.server)) continue
      source.close()
      this.#sources.delete(name)
      this.#gather(MEMBER_KINDS)
    }
    for (const member of members) {
      if (this.#sources.has(member.name)) continue
      void this.#listen(member)
      void this.#announce(member)
    }
  }

  async #announce(member: Member): Promise<void> {
    const heard = await Promise.all(MEMBER_KINDS.map(async (kind) => this.#listening.hears(member, kind)))
    this.#gather(MEMBER_KINDS.filter((_, index) => heard[index]))
  }

  #gather(kinds: readonly MemberKind[]): void {
    for (const kind of kinds) this.#changed.add(kind)
    if (this.#isOver || this.#changed.size === 0) return
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      for (const kind of this.#changed) this.#push(messageEvent(this.#listening.textOf(LIST_CHANGED[kind].method)))
      this.#changed.clear()
    }, GATHER_MS).unref()
  }

  #push(bytes: Buffer): boolean {
    if (this.#early) {
      this.#early.push(bytes)
      return false
    }
    this.#body.push(bytes)
    return !this.#body.isFull
  }

  #resume(): void {
    for (const source of this.#sources.values()) source.resume()
  }
}
