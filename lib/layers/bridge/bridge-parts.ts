/** What a bridge needs of the gateway. */
import type { UpstreamOf } from '../../exchange/layer.ts'
import type { Eras } from '../../upstream/eras.ts'

/** Where answers of clients wait for the node that has asked. */
export interface Mailbox {
  /** Leaves an answer for whoever takes it. Resolves with `false` when there has been one. */
  put(sessionId: string, name: string, text: string): Promise<boolean>
  /** Resolves with the answer, or with `undefined` after a while without one. */
  take(sessionId: string, name: string): Promise<string | undefined>
}

export interface BridgeParts {
  readonly eras: Pick<Eras, 'isModernOnly' | 'unlearn'>
  readonly upstreamOf: UpstreamOf
  /** Whether what changes in a session is kept for all nodes. */
  readonly sessionsAreShared: boolean
  /** With an event log: its client finds the rest of a stream that it has lost, and its answers find the node that asks. */
  readonly mailbox: Mailbox | undefined
  /** How long a server may take to answer `server/discover`; 0 waits without a limit. */
  readonly responseMs: number
}
