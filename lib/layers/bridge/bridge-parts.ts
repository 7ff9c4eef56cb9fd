/** The parts of the gateway that the bridge uses. */
import type { UpstreamOf } from '../../exchange/layer.ts'
import type { Eras } from '../../upstream/eras.ts'

/** Carries clients' responses between nodes: a client may answer at another node than the one that sent the request. */
export interface Mailbox {
  /** Stores a response until it is taken. Resolves with `false` when there is one already. */
  put(sessionId: string, name: string, text: string): Promise<boolean>
  /** Resolves with the response, or with `undefined` when none has come in time. */
  take(sessionId: string, name: string): Promise<string | undefined>
}

export interface BridgeParts {
  readonly eras: Pick<Eras, 'isModernOnly' | 'unlearn'>
  readonly upstreamOf: UpstreamOf
  /** Whether the session store shows changes of a session to all nodes, without which subscriptions cannot be offered. */
  readonly sessionsAreShared: boolean
  /** Set with an event log, where a client may resume a stream, and answer a request on it, at another node. */
  readonly mailbox: Mailbox | undefined
  /** How long a server may take to answer `server/discover`, in milliseconds; 0 sets no limit. */
  readonly responseMs: number
}
