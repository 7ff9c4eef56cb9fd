/** The health of upstreams, as seen from the requests of clients: the gateway polls no upstream. */
import type { OnOutcome } from '../exchange/gateway-internals.ts'
import { boundedSet } from '../util/bounded-map.ts'

/** The outcome of the last request to an upstream. */
export interface HealthStatus {
  readonly status: 'answering' | 'failing' | 'unknown'
  /** When that was, in ISO 8601; absent while the status is unknown. */
  readonly at?: string
  /** How the server's process ended by itself; absent after the next successful request. */
  readonly process?: { readonly exitCode: number } | { readonly signal: string }
}

/** The most upstreams whose outcome is kept. */
const MAX_UPSTREAMS = 1_000

interface Outcome {
  hasAnswered: boolean
  at: number
  exit: number | string | undefined
}

export class Health {
  /** Keyed by upstream id, not by name: a name may stand for different upstreams with different principals. */
  readonly #outcomes = new Map<string, Outcome>()

  /** Called for every message: an existing entry is changed in place, without an allocation. */
  readonly record: OnOutcome = (upstreamId, hasAnswered, exit) => {
    const outcome = this.#outcomes.get(upstreamId) ?? this.#add(upstreamId)
    outcome.hasAnswered = hasAnswered
    outcome.at = Date.now()
    outcome.exit = exit
  }

  of(upstreamId: string): HealthStatus {
    const outcome = this.#outcomes.get(upstreamId)
    if (!outcome) return { status: 'unknown' }
    const { hasAnswered, exit } = outcome
    const health = { status: hasAnswered ? 'answering' : 'failing', at: new Date(outcome.at).toISOString() } as const
    if (exit === undefined) return health
    return { ...health, process: typeof exit === 'number' ? { exitCode: exit } : { signal: exit } }
  }

  #add(upstreamId: string): Outcome {
    const outcome = { hasAnswered: false, at: 0, exit: undefined }
    boundedSet(this.#outcomes, MAX_UPSTREAMS, upstreamId, outcome)
    return outcome
  }
}
