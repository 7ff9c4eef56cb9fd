/** What a part outside the request's way, such as the activity of the directory, hears of clients' requests. */
import type { AuditRecord } from '../types.ts'

/** Called for every request once it is registered. Its methods must be fast, and never throw. */
export interface RequestWatcher {
  /** An HTTP request has arrived. */
  began(verb: string | undefined): void
  /** It is over. */
  over(verb: string | undefined): void
  /** A message of it is over. */
  recorded(record: AuditRecord): void
  /** The gateway has reported an error to the operator. */
  reported(error: unknown): void
}

/** The sessions that were opened at this node and have not ended. */
export interface SessionCount {
  readonly open: number
  /** How many the store keeps at most; `undefined` if it does not say. */
  readonly cap: number | undefined
  /** How many were opened and have ended since the watcher was registered. */
  readonly opened: number
  readonly ended: number
}

/** The place of the only watcher, which comes later than the gateway. */
export class WatcherSlot {
  #watcher: RequestWatcher | undefined

  /** Throws a TypeError when there is one. */
  set(watcher: RequestWatcher): void {
    if (this.#watcher) throw new TypeError('"activity" is on in another directory of this gateway: leave it out of one')
    this.#watcher = watcher
  }

  /** A function that reports errors to the watcher, too. */
  reporting<Rest extends unknown[]>(report: (error: unknown, ...rest: Rest) => void) {
    return (error: unknown, ...rest: Rest): void => {
      this.#watcher?.reported(error)
      report(error, ...rest)
    }
  }
}
