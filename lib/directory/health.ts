/** Which upstreams answered lately, from what the gateway saw anyway: nobody is polled. */
import type { OnOutcome } from '../inside.ts'
import type { ServerConfig } from '../types.ts'

/** How an upstream did the last time it was asked, and when that was. */
export interface Lately {
  readonly status: 'answering' | 'failing' | 'unknown'
  /** ISO 8601. */
  readonly at?: string
}

/** How many upstreams are remembered. */
const MAX_UPSTREAMS = 1_000

interface Seen {
  answeredAt: number
  failedAt: number
}

export class Health {
  /** By URL, since one name may stand for another upstream with another principal. */
  readonly #upstreams = new Map<string, Seen>()

  /** A look-up and a field written, and no more: this is on the way of every message. */
  readonly note: OnOutcome = ({ url }, hasAnswered) => {
    const seen = this.#upstreams.get(String(url)) ?? this.#add(String(url))
    if (hasAnswered) seen.answeredAt = Date.now()
    else seen.failedAt = Date.now()
  }

  of({ url }: ServerConfig): Lately {
    const { answeredAt, failedAt } = this.#upstreams.get(String(url)) ?? { answeredAt: 0, failedAt: 0 }
    if (answeredAt === 0 && failedAt === 0) return { status: 'unknown' }
    const at = new Date(Math.max(answeredAt, failedAt)).toISOString()
    return { status: answeredAt >= failedAt ? 'answering' : 'failing', at }
  }

  #add(url: string): Seen {
    const seen = { answeredAt: 0, failedAt: 0 }
    this.#upstreams.set(url, seen)
    const [oldest] = this.#upstreams.keys()
    if (this.#upstreams.size > MAX_UPSTREAMS) this.#upstreams.delete(oldest!)
    return seen
  }
}
