/** Which upstreams answered lately, from what the gateway saw anyway: nobody is polled. */
import { boundedSet } from '../util/bounded-map.ts'

/** How an upstream did the last time it was asked, and when that was. */
export interface Lately {
  readonly status: 'answering' | 'failing' | 'unknown'
  /** ISO 8601. */
  readonly at?: string
}

/** How many upstreams are remembered. */
const MAX_UPSTREAMS = 1_000

interface Seen {
  hasAnswered: boolean
  at: number
}

export class Health {
  /** By upstream id, since one name may stand for another upstream with another principal. */
  readonly #upstreams = new Map<string, Seen>()

  /** A look-up and a field written, and no more: this is on the way of every message. */
  readonly note = (upstreamId: string, hasAnswered: boolean): void => {
    const seen = this.#upstreams.get(upstreamId) ?? this.#add(upstreamId)
    seen.hasAnswered = hasAnswered
    seen.at = Date.now()
  }

  of(upstreamId: string): Lately {
    const seen = this.#upstreams.get(upstreamId)
    if (!seen) return { status: 'unknown' }
    return { status: seen.hasAnswered ? 'answering' : 'failing', at: new Date(seen.at).toISOString() }
  }

  #add(upstreamId: string): Seen {
    const seen = { hasAnswered: false, at: 0 }
    boundedSet(this.#upstreams, MAX_UPSTREAMS, upstreamId, seen)
    return seen
  }
}
