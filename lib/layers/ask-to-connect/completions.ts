/** Tells sessions when a link was used, on the listening streams that they have here. (2025-11-25 elicitation, complete) */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import { mapMessages } from '../../exchange/map-messages.ts'
import { notificationOf } from '../../exchange/message.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { LinkOutcomes } from './link-outcomes.ts'

/** The first revision that has the notification. */
const SINCE = '2025-11-25'

/** How long a link is watched, in milliseconds: as long as it lives. */
const WATCH_MS = 10 * 60_000

/** How many links are watched at a time. */
const MAX_WATCHED_LINKS = 1_000

type Say = (json: string) => void

/** A session that listens here. Watching for it stops with its last stream. */
interface ListeningSession {
  readonly streams: Set<Say>
  readonly life: Lifetime
}

export class Completions {
  readonly #outcomes: LinkOutcomes
  readonly #sessions = new Map<string, ListeningSession>()
  /** The links that are watched, each for one session. */
  readonly #watched = new Set<string>()

  constructor(outcomes: LinkOutcomes) {
    this.#outcomes = outcomes
  }

  /** How many links are watched, and how many sessions have a stream. */
  get load(): { readonly watched: number; readonly sessions: number } {
    return { watched: this.#watched.size, sessions: this.#sessions.size }
  }

  /** The listening stream, on which the session is told from now on. */
  listening(reply: Reply, exchange: Exchange): Reply {
    if (reply.kind !== 'events' || !hearsOf(exchange)) return reply
    return mapMessages(reply, { interject: (say) => this.add(exchange, say) }, () => undefined)
  }

  /** Adds a stream of a session. Returns a function that removes it. */
  add({ origin: { session }, life }: Exchange, say: Say): () => void {
    if (!session) return () => {}
    const { id } = session
    const listening = this.#sessions.get(id) ?? { streams: new Set(), life: life.detach() }
    this.#sessions.set(id, listening)
    listening.streams.add(say)
    return () => {
      if (!listening.streams.delete(say) || listening.streams.size > 0) return
      this.#sessions.delete(id)
      listening.life.stop(new GatewayError('bad_request', 'The session listens no more'))
    }
  }

  /** Watches links for the session, if it listens here. */
  watch(ids: readonly string[], exchange: Exchange): void {
    const id = exchange.origin.session?.id
    const listening = id === undefined ? undefined : this.#sessions.get(id)
    if (!listening || !hearsOf(exchange)) return
    for (const link of ids) {
      const key = `${id}~${link}`
      if (this.#watched.has(key) || this.#watched.size >= MAX_WATCHED_LINKS) continue
      this.#watched.add(key)
      // It outlives the request that was refused.
      void this.#outcomes.of([link], exchange.fork({}, listening.life), WATCH_MS).then(
        (outcome) => {
          this.#watched.delete(key)
          if (outcome === 'connected') tellSession(listening, link)
        },
        () => this.#watched.delete(key),
      )
    }
  }
}

/** Only one stream of a session is told, as with all that a server says by itself. */
function tellSession({ streams }: ListeningSession, elicitationId: string): void {
  const [say] = streams
  say?.(notificationOf('legacy', 'notifications/elicitation/complete', { elicitationId }).text)
}

/** Whether the revision of a session has the notification. */
function hearsOf({ origin, state }: Exchange): boolean {
  return origin.session !== undefined && (state?.protocolVersion ?? '') >= SINCE
}
