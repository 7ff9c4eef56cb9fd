/** What the pool of sessions knows of each, what it does with one beyond itself, and how many there may be. */
import type { Exchange } from '../../../exchange/exchange.ts'
import type { UpstreamContext } from '../../../session/upstream-session.ts'
import type { UpstreamState } from '../../../types.ts'
import type { JsonObject } from '../../../util/json.ts'
import { bridgeOf, isPiped } from '../../../upstream/server-kind.ts'
import type { PooledSession } from './pooled-session.ts'
import type { SessionAccount } from './waiting-list.ts'

/** The most sessions of one principal at a server, unless `bridge.sessions` says otherwise. */
const MAX_OF_PRINCIPAL = 8
const MAX_ON_PIPES = 1
const MAX_ANONYMOUS = 64

/** What the server has said of itself in the handshake. */
export interface Offered {
  readonly capabilities: JsonObject
  readonly serverInfo: unknown
  readonly instructions: unknown
}

/** What the sessions of a pool share. */
export interface SessionHooks {
  /** How long the handshake may take, in milliseconds; 0 sets no limit. */
  readonly responseMs: number
  /** Takes a notification that belongs to no call. */
  onNews(session: PooledSession, method: string, params: unknown): void
  /** Called when notifications may have been missed. */
  onGap(session: PooledSession): void
  /** Called once, when the server no longer knows the session. */
  onLost(session: PooledSession): void
  onError(error: unknown): void
}

/** What the pool does with a session beyond itself. `group` names the sessions that the same clients use. */
export interface PoolParts {
  readonly upstreamIdOf: (exchange: Exchange) => string
  readonly responseMs: number
  /** Ends a session at its server. */
  readonly endSession: (state: UpstreamState, context: UpstreamContext) => void
  readonly onError: (error: unknown, exchange: Exchange) => void
  /** Takes the notifications that belong to no call. */
  readonly onNews: (group: string, session: PooledSession, method: string, params: unknown) => void
  readonly onGap: (group: string) => void
  readonly onLost: (group: string, session: PooledSession) => void
}

/** What the pool knows of a session. */
export interface PoolEntry {
  readonly account: SessionAccount
  readonly group: string
  readonly exchange: Exchange
  timer: NodeJS.Timeout | undefined
}

/** `bridge.sessions`, or its default. */
export function limitOf({ config, origin }: Exchange): number {
  const bridge = bridgeOf(config)
  const given = typeof bridge === 'object' ? bridge.sessions : undefined
  if (given !== undefined) return given
  if (isPiped(config)) return MAX_ON_PIPES
  return origin.principal === undefined ? MAX_ANONYMOUS : MAX_OF_PRINCIPAL
}

/** The exchange without its message, which is not needed once it is over. */
export function bare(exchange: Exchange): Exchange {
  return exchange.with({ message: undefined })
}

export function endContextOf({ origin: { principal }, path, config }: Exchange): UpstreamContext {
  return { server: path.at(-1)!, config, principal }
}
