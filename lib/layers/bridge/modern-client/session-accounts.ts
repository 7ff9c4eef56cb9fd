/** Who has how many sessions in the pool: one account for each principal at a server. */
import type { SessionAccount } from './waiting-list.ts'

export class SessionAccounts {
  readonly #all = new Map<string, SessionAccount>()
  #places = 0

  /** The number of sessions of all accounts, those included that are being opened or were handed over. */
  get places(): number {
    return this.#places
  }

  values(): Iterable<SessionAccount> {
    return this.#all.values()
  }

  of(key: string): SessionAccount {
    const before = this.#all.get(key)
    if (before) return before
    const account = { key, sessions: [], places: 0, waiting: [], opening: new Map() }
    this.#all.set(key, account)
    return account
  }

  count(account: SessionAccount, change: 1 | -1): void {
    account.places += change
    this.#places += change
  }

  /** Forgets an account without sessions. */
  tidy({ key, places, waiting }: SessionAccount): void {
    if (places === 0 && waiting.length === 0) this.#all.delete(key)
  }
}
