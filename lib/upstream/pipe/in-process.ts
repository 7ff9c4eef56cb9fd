/** inProcess(): a server in this very process, at the other end of a pair of transports. */
import type { PipeContext, PipeServer, Principal } from '../../types.ts'
import { rejectUnknown } from '../../util/unknown-key.ts'
import { MemoryTransport } from './memory-transport.ts'

/** Who sends a message, as handlers of an SDK server find it in `authInfo`. */
export interface InProcessAuthInfo {
  /** Empty: the client's token is the gateway's alone. */
  readonly token: string
  /** The principal's id. */
  readonly clientId: string
  readonly scopes: string[]
  /** In seconds since the epoch. */
  readonly expiresAt?: number
  /** With the principal itself as `principal`. */
  readonly extra: Record<string, unknown>
}

/** The least that an SDK server asks of a transport; it is the server who sets the listeners. */
export interface ServerTransport {
  // Each SDK has types of its own for messages and listeners; what crosses is JSON in any case.
  // oxlint-disable-next-line typescript/no-explicit-any
  onmessage?: ((message: any, extra?: any) => void) | undefined
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  sessionId?: string
  start(): Promise<void>
  // oxlint-disable-next-line typescript/no-explicit-any
  send(message: any): Promise<void>
  close(): Promise<void>
}

export interface InProcessOptions {
  /** Names the server. Defaults to its name in the record of `servers`; with a lookup function it is required. */
  readonly key?: string | undefined
  /** Whether modern requests of all principals share one instance; by default each principal has one. */
  readonly isShared?: boolean | undefined
  /** How many instances there are at most. Past that new sessions are 503. Defaults to 10 000. */
  readonly maxInstances?: number | undefined
  /** How long an instance lives without use, in milliseconds. Defaults to 30 minutes. */
  readonly idleMs?: number | undefined
}

/**
 * A server in this process, without a port: an `McpServer` of either generation of the SDK, or anything that connects to
 * a transport. It is asked for a server per session of a legacy client, and one per principal for modern requests.
 *
 * @example
 * servers: {
 *   cart: inProcess((transport, { principal }) => makeCart(principal).connect(transport)),
 *   notes: inProcess((transport) => serveStdio(makeNotes, { transport })),
 * }
 * @throws TypeError for what is no function, and for an option that there is not.
 */
export function inProcess<P extends Principal = Principal>(
  connect: (transport: ServerTransport, context: PipeContext<P>) => unknown,
  options: InProcessOptions = {},
): PipeServer<P> {
  if (typeof connect !== 'function') {
    throw new TypeError('inProcess takes a function: inProcess((transport) => makeServer().connect(transport))')
  }
  rejectUnknown(options, { key: true, isShared: true, maxInstances: true, idleMs: true }, 'inProcess.')
  const { key, isShared = false, maxInstances = 10_000, idleMs } = options
  const open = async (context: PipeContext<P>): Promise<MemoryTransport> => {
    const transport = new MemoryTransport()
    await connect(transport, context)
    return transport
  }
  const sharedBy = isShared ? () => '' : undefined
  return {
    pipe: Object.assign(open, { key, sharedBy }),
    maxPipes: maxInstances,
    ...(idleMs !== undefined && { idleMs }),
  }
}
