/** Tells sessions when a link was used, on the listening streams that they have here. (2025-11-25 elicitation, complete) */
import type { Exchange } from '../../exchange/exchange.ts'
import { mapMessages } from '../../exchange/map-messages.ts'
import { notificationOf } from '../../exchange/message.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { LinkOutcomes } from './link-outcomes.ts'

/** The first revision that has the notification. */
const SINCE = '2025-11-25'

/** How long a link is watched, in milliseconds: as long as it lives. */
const WATCH_MS = 10 * 60_000

/** How many links are watched at a time. */
const MAX_WATCHED = 1_000

type Say = (json: string) => void

export class Completions {
  readonly #outcomes: LinkOutcomes
  /** The listening streams of each session. */
  readonly #streams = new Map<string, Set<Say>>()
  /** The links that are watched, each for one session. */
  readonly #watched = new Set<string>()

  constructor(outcomes: LinkOutcomes) {
    this.#outcomes = outcomes
  }

  /** How many links are watched, and how many sessions have a stream. */
  get load(): { readonly watched: number; readonly sessions: number } {
    return { watched: this.#watched.size, sessions: this.#streams.size }
  }

  /** The listening stream, on which the session is told from now on. */
  listening(reply: Reply, exchange: Exchange): Reply {
    if (reply.kind !== 'events' || !hearsOf(exchange)) return reply
    return mapMessages(reply, { interject: (say) => this.add(exchange, say) }, () => undefined)
  }

  /** Adds a stream of a session. Returns a function that removes it. */
  add({ origin: { session } }: Exchange, say: Say): () => void {
    if (!session) return () => {}
    const { id } = session
    const streams = this.#streams.get(id) ?? new Set()
    this.#streams.set(id, streams.add(say))
    return () => {
      if (streams.delete(say) && streams.size === 0) this.#streams.delete(id)
    }
  }

  /** Watches links for the session, if it has a stream here. */
  watch(ids: readonly string[], exchange: Exchange): void {
    const session = exchange.origin.session?.id
    if (session === undefined || !this.#streams.has(session) || !hearsOf(exchange)) return
    for (const id of ids) void this.#watch(id, session, exchange)
  }

  async #watch(id: string, session: string, exchange: Exchange): Promise<void> {
    const key = `${session}~${id}`
    if (this.#watched.has(key) || this.#watched.size >= MAX_WATCHED) return
    this.#watched.add(key)
    // It outlives the request that was refused.
    const watching = exchange.fork({}, exchange.life.detach())
    try {
      if ((await this.#outcomes.of([id], watching, WATCH_MS)) === 'connected') this.#tell(session, id)
    } finally {
      this.#watched.delete(key)
    }
  }

  #tell(session: string, elicitationId: string): void {
    const { text } = notificationOf('legacy', 'notifications/elicitation/complete', { elicitationId })
    const [say] = this.#streams.get(session) ?? []
    say?.(text)
  }
}

/** Whether the revision of a session has the notification. */
function hearsOf({ origin, state }: Exchange): boolean {
  return origin.session !== undefined && (state?.protocolVersion ?? '') >= SINCE
}
