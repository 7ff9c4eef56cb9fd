/** Limits the request bodies and the pending requests of each principal at this node. */
import { GatewayError } from '../errors.ts'

/** The limits per principal. */
export interface QuotaLimits {
  /** Bytes of request bodies. A body counts once while it arrives, and three times when it is read. */
  readonly bytes: number
  /** Requests without a response, not counting listening streams. */
  readonly calls: number
}

/** A body that was read is in memory three times: as bytes, as text and parsed. */
const FORMS = 3

/** How many early listening streams may be held per principal. */
const MAX_EARLY = 100

/** How many empty accounts are kept, since creating and deleting one per request would cost more. */
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

/** The share of one request in its principal's account. */
export class Charge {
  readonly #account: Account
  #bytes = 0
  #calls = 0

  constructor(account: Account) {
    this.#account = account
  }

  /** Counts bytes of the body that have arrived. Throws `too_many_requests`. */
  add(bytes: number): void {
    this.#bytes += bytes
    this.#account.bytes += bytes
    if (this.#account.bytes > this.#account.limits.bytes) throw tooMany('Too much is sent at a time')
  }

  /** Counts a request whose body was read and that waits for its response. Throws `too_many_requests`. */
  call(): void {
    const account = this.#account
    this.add((FORMS - 1) * this.#bytes)
    this.#calls += 1
    account.calls += 1
    if (account.calls > account.limits.calls) throw tooMany('Too many requests wait for an answer')
  }

  /** Returns the share when the request is over. */
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
  /** Unlimited, because without authentication all clients share this account. */
  readonly #anonymous = new Account({ bytes: Infinity, calls: Infinity })
  /** The number of accounts at which the empty ones are deleted. */
  #sweepAt = MAX_IDLE

  constructor(limits: QuotaLimits) {
    this.#limits = limits
  }

  /** Opens the share of a new request. */
  open(principal: string | undefined): Charge {
    return new Charge(principal === undefined ? this.#anonymous : this.#accountOf(principal))
  }

  /** Takes a slot for an early listening stream. Returns a function that frees it; `undefined` when no slot is free. */
  takeEarly(principal: string | undefined): (() => void) | undefined {
    const account = principal === undefined ? this.#anonymous : this.#accountOf(principal)
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
