/** What each principal holds of this node, in one account: bytes of request bodies, and calls. */
import { GatewayError } from '../errors.ts'

/** How much one principal may hold at a time. */
export interface QuotaLimits {
  /** Of request bodies: each counts as it arrives, and three times as soon as it is read. */
  readonly bytes: number
  /** Requests that are not answered yet; streams to listen on are none. */
  readonly calls: number
}

/** A body that is read stands there as bytes, as text and parsed. */
const FORMS = 3

/** How many streams are listened to for a principal before its clients do. */
const MAX_EARLY = 100

/** How many accounts are kept though nothing is on them: to make and drop one with each request would cost more. */
const MAX_IDLE = 10_000

class Account {
  readonly limits: QuotaLimits
  bytes: number = 0
  calls: number = 0
  early: number = 0

  constructor(limits: QuotaLimits) {
    this.limits = limits
  }

  get isEmpty(): boolean {
    return this.bytes === 0 && this.calls === 0 && this.early === 0
  }
}

/** What one request has on its principal's account. */
export class Charge {
  readonly #account: Account
  #bytes = 0
  #calls = 0

  constructor(account: Account) {
    this.#account = account
  }

  /** Bytes of its body that have arrived. Throws `too_many_requests`. */
  add(bytes: number): void {
    this.#bytes += bytes
    this.#account.bytes += bytes
    if (this.#account.bytes > this.#account.limits.bytes) throw tooMany('Too much is sent at a time')
  }

  /** All of its body is read, and it is to be answered. Throws `too_many_requests`. */
  call(): void {
    const account = this.#account
    this.add((FORMS - 1) * this.#bytes)
    this.#calls += 1
    account.calls += 1
    if (account.calls > account.limits.calls) throw tooMany('Too many requests wait for an answer')
  }

  /** The request is over. */
  release(): void {
    this.#account.bytes -= this.#bytes
    this.#account.calls -= this.#calls
    this.#bytes = 0
    this.#calls = 0
  }
}

export class Quota {
  readonly #limits: QuotaLimits
  readonly #accounts = new Map<string, Account>()
  /** Without authentication everybody is nobody: what they hold together is no one's fault. */
  readonly #nobodys = new Account({ bytes: Infinity, calls: Infinity })
  /** With so many accounts the empty ones go. */
  #sweepAt = MAX_IDLE

  constructor(limits: QuotaLimits) {
    this.#limits = limits
  }

  /** A request of this principal begins. */
  open(principal: string | undefined): Charge {
    return new Charge(principal === undefined ? this.#nobodys : this.#accountOf(principal))
  }

  /** Takes the place of a stream that is listened to early; `undefined` when there is none. Returns how to give it back. */
  takeEarly(principal: string | undefined): (() => void) | undefined {
    const account = principal === undefined ? this.#nobodys : this.#accountOf(principal)
    if (principal !== undefined && account.early >= MAX_EARLY) return undefined
    account.early += 1
    return () => void (account.early -= 1)
  }

  #accountOf(principal: string): Account {
    let account = this.#accounts.get(principal)
    if (account) return account
    if (this.#accounts.size >= this.#sweepAt) this.#sweep()
    account = new Account(this.#limits)
    this.#accounts.set(principal, account)
    return account
  }

  #sweep(): void {
    for (const [principal, account] of this.#accounts) if (account.isEmpty) this.#accounts.delete(principal)
    this.#sweepAt = Math.max(MAX_IDLE, 2 * this.#accounts.size)
  }
}

function tooMany(message: string): GatewayError {
  return new GatewayError('too_many_requests', message)
}
