/** The members that do not answer: each is reported once, waited for less, and asked again while somebody waits for it. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import { type AggregateParts, memberUpstreamId } from './aggregate-parts.ts'
import { isConnectionRequired } from './lists.ts'
import type { Member } from './members.ts'

/** How long a list or a handshake waits for one member, in milliseconds. */
const MEMBER_WAIT_MS = 2_000

/** How long it waits for a member that was late before. */
const SHORT_WAIT_MS = 250

/** The interval at which a member that does not answer is asked again, by one of those who wait for it. */
const ASK_AGAIN_MS = 1_000

/** The interval at which it is looked whether a user has connected an account. */
const ACCOUNT_MS = 5_000

/** How long a member counts as late without being asked, in milliseconds. */
const LATE_MS = 30_000

/** How many absent members are remembered. */
const MAX_ABSENT = 1_000

/** How long nothing more is reported of a member, in milliseconds: one may answer this and refuse that. */
const REPORT_AGAIN_MS = 60_000

interface Absence {
  readonly lateUntil: number
}

/** Asks a member again. Resolves with `false` while it does not answer, and with `true` when nobody waits any more. */
type ReachAgain = () => Promise<boolean>

export class Absences {
  readonly #parts: AggregateParts
  /** By upstream id. */
  readonly #absent = new Map<string, Absence>()
  /** When members were last reported, by upstream id. */
  readonly #reported = new Map<string, number>()
  readonly #waiting = new Map<string, WaitingForMember>()

  constructor(parts: AggregateParts) {
    this.#parts = parts
  }

  /** How long a list or a handshake may wait for this member, in milliseconds. */
  patienceMs(member: Member): number {
    const { lateUntil = 0 } = this.#absent.get(memberUpstreamId(member, this.#parts)) ?? {}
    return lateUntil > performance.now() ? SHORT_WAIT_MS : MEMBER_WAIT_MS
  }

  /** Records that a member is missing, and tells `onError` once in a while. */
  note(member: Member, error: unknown, { origin }: Exchange): void {
    const id = memberUpstreamId(member, this.#parts)
    const isLate = error instanceof GatewayError && error.code === 'upstream_timeout'
    const lateUntil = isLate ? performance.now() + LATE_MS : 0
    boundedSet(this.#absent, MAX_ABSENT, id, { lateUntil })
    // That a user has no account there is nothing for the operator.
    if (isConnectionRequired(error)) return
    const now = performance.now()
    if (now - (this.#reported.get(id) ?? -Infinity) < REPORT_AGAIN_MS) return
    boundedSet(this.#reported, MAX_ABSENT, id, now)
    const code = error instanceof GatewayError ? error.code : 'upstream_refused'
    const { principal, request } = origin
    const report = origin.bind(this.#parts.report)
    report(new GatewayError(code, 'A member of the aggregate is missing', { cause: error }), {
      server: member.server,
      principal,
      request,
    })
  }

  /** Records that a member answers this user. Whoever waits for it is told. */
  answered(member: Member, user: string | undefined): void {
    if (this.#absent.size === 0) return
    const id = memberUpstreamId(member, this.#parts)
    if (this.#absent.delete(id)) this.#waiting.get(id)?.hurry()
    if (user !== undefined) this.#waiting.get(`${id}~${user}`)?.hurry()
  }

  /**
   * Makes `attempt` again and again until it succeeds. `user` is who waits for an account of their own there, which no
   * other one's success helps. Returns a function that gives up.
   */
  waitFor(member: Member, attempt: ReachAgain, user?: string): () => void {
    const upstream = memberUpstreamId(member, this.#parts)
    const id = user === undefined ? upstream : `${upstream}~${user}`
    const ms = user === undefined ? ASK_AGAIN_MS : ACCOUNT_MS
    const waiting = this.#waiting.get(id) ?? new WaitingForMember(ms, () => this.#waiting.delete(id))
    this.#waiting.set(id, waiting)
    return waiting.add(attempt)
  }

  close(): void {
    for (const waiting of this.#waiting.values()) waiting.close()
  }
}

/** How many of those who waited for a member turn to it at a time, once it is back. */
const RETURNS_AT_A_TIME = 16

/** Those who wait for one member: one of them asks at a time, and its success is that of all. */
class WaitingForMember {
  readonly #attempts = new Set<ReachAgain>()
  readonly #intervalMs: number
  readonly #onEmpty: () => void
  #timer: NodeJS.Timeout | undefined
  #isAsking = false
  #isHurried = false

  constructor(intervalMs: number, onEmpty: () => void) {
    this.#intervalMs = intervalMs
    this.#onEmpty = onEmpty
  }

  add(attempt: ReachAgain): () => void {
    this.#attempts.add(attempt)
    this.#arm()
    return () => {
      this.#attempts.delete(attempt)
      if (this.#attempts.size === 0 && !this.#isAsking) this.close()
    }
  }

  hurry(): void {
    if (this.#isAsking) this.#isHurried = true
    else this.#ask()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#attempts.clear()
    this.#onEmpty()
  }

  #arm(): void {
    if (this.#isAsking || this.#timer || this.#attempts.size === 0) return
    this.#timer = setTimeout(() => this.#ask(), this.#intervalMs).unref()
  }

  #ask(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const [first] = this.#attempts
    if (!first || this.#isAsking) return
    this.#isAsking = true
    void this.#run(first).finally(() => {
      this.#isAsking = false
      if (this.#attempts.size === 0) return this.close()
      if (this.#isHurried) {
        this.#isHurried = false
        this.#ask()
      } else this.#arm()
    })
  }

  async #run(first: ReachAgain): Promise<void> {
    this.#attempts.delete(first)
    if (!(await first().catch(() => false))) return void this.#attempts.add(first)
    const left = [...this.#attempts].values()
    const worker = async (): Promise<void> => {
      for (const attempt of left) {
        if (this.#attempts.has(attempt) && (await attempt().catch(() => false))) this.#attempts.delete(attempt)
      }
    }
    await Promise.all(Array.from({ length: RETURNS_AT_A_TIME }, worker))
  }
}
