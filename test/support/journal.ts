// A record of what happened, in order, that a test can wait on: no sleeps, no polling.

export interface Journal<Entry> {
  /** Everything recorded so far, oldest first. */
  readonly entries: readonly Entry[]
  record(entry: Entry): void
  /** The oldest entry that matches and was not handed out yet; waits for it when there is none. */
  next(matches?: (entry: Entry) => boolean): Promise<Entry>
}

interface Waiter<Entry> {
  matches: (entry: Entry) => boolean
  resolve: (entry: Entry) => void
}

export function createJournal<Entry>(): Journal<Entry> {
  const entries: Entry[] = []
  const fresh: Entry[] = []
  const waiters: Waiter<Entry>[] = []

  return {
    entries,
    record(entry) {
      entries.push(entry)
      const index = waiters.findIndex((waiter) => waiter.matches(entry))
      if (index === -1) fresh.push(entry)
      else waiters.splice(index, 1)[0]?.resolve(entry)
    },
    next(matches = () => true) {
      const index = fresh.findIndex((entry) => matches(entry))
      if (index !== -1) return Promise.resolve(fresh.splice(index, 1)[0] as Entry)
      return new Promise<Entry>((resolve) => {
        waiters.push({ matches, resolve })
      })
    },
  }
}
