/** The parts of the gateway that the bridge uses. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { InFlight } from '../../exchange/in-flight.ts'
import type { UpstreamOf } from '../../exchange/layer.ts'
import type { UpstreamContext } from '../../session/upstream-session.ts'
import type { GatewayOptions, UpstreamState } from '../../types.ts'
import type { Eras } from '../../upstream/eras.ts'

/** Carries clients' responses between nodes: a client may answer at another node than the one that sent the request. */
export interface Mailbox {
  /** Stores a response until it is taken. Resolves with `false` when there is one already. */
  put(sessionId: string, name: string, text: string): Promise<boolean>
  /** Resolves with the response, or with `undefined` when none has come in time. */
  take(sessionId: string, name: string): Promise<string | undefined>
  /** Shows other nodes that this one takes what is put there, until `end()`. `shown` resolves when they can see it. */
  hold(sessionId: string): { readonly shown: Promise<void>; readonly end: () => void }
  /** Whether a node takes what is put there. */
  isHeld(sessionId: string): Promise<boolean>
}

export interface BridgeParts {
  readonly eras: Pick<Eras, 'isModernOnly' | 'speaksModern' | 'learnModern' | 'unlearn'>
  readonly upstreamOf: UpstreamOf
  /** Whether the session store shows changes of a session to all nodes, without which subscriptions cannot be offered. */
  readonly sessionsAreShared: boolean
  /** Set with an event log, where a client may answer a request at another node than the one that has sent it. */
  readonly mailbox: Mailbox | undefined
  /** How long a server may take to answer `server/discover`, in milliseconds; 0 sets no limit. */
  readonly responseMs: number
  /** The secrets that seal questions, so that they can be answered at any node. */
  readonly keys: GatewayOptions['keys']
  readonly inFlight: Pick<InFlight, 'add' | 'delete'>
  /** Ends a session at its server. */
  readonly endSession: (state: UpstreamState, context: UpstreamContext) => void
  /** Makes the gateway's `close()` wait. */
  readonly track: (work: Promise<void>) => void
  readonly report: (error: unknown, exchange: Exchange) => void
}
