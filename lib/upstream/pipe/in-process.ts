/** inProcess(): a server in this process, connected by a pair of in-memory transports. */
import type { PipeContext, PipeServer, Principal } from '../../types.ts'
import { inspect, parseNumber } from '../../util/option-checks.ts'
import { rejectUnknown } from '../../util/unknown-key.ts'
import { type InProcessAuthInfo, MemoryTransport, type ServerTransport } from './memory-transport.ts'

export type { InProcessAuthInfo, ServerTransport }

export interface InProcessOptions {
  /** Identifies the server. Defaults to its name in the record of `servers`; required when `servers` is a function. */
  readonly key?: string | undefined
  /** Whether modern requests of all principals share one instance; by default each principal has one. */
  readonly isShared?: boolean | undefined
  /** The most instances at a time. At the limit new sessions are refused with 503. Defaults to 10 000. */
  readonly maxInstances?: number | undefined
  /** How long an instance may be unused before it is closed, in milliseconds. Defaults to 30 minutes. */
  readonly idleMs?: number | undefined
}

/**
 * A server in this process, without a port: an `McpServer` of either SDK generation, or anything that connects to a
 * transport. The function is called once per session of a legacy client, and once per principal for modern requests.
 *
 * @example
 * servers: {
 *   cart: inProcess((transport, { principal }) => makeCart(principal).connect(transport)),
 *   notes: inProcess((transport) => serveStdio(makeNotes, { transport })),
 * }
 * @throws TypeError if `connect` is not a function, or for an unknown option.
 */
export function inProcess<P extends Principal | undefined = Principal>(
  connect: (transport: ServerTransport, context: PipeContext<P>) => unknown,
  options: InProcessOptions = {},
): PipeServer<P> {
  if (typeof connect !== 'function') {
    throw new TypeError('inProcess takes a function: inProcess((transport) => makeServer().connect(transport))')
  }
  rejectUnknown(options, { key: true, isShared: true, maxInstances: true, idleMs: true }, 'inProcess.')
  const { key, isShared = false, maxInstances = 10_000, idleMs } = options
  if (typeof isShared !== 'boolean') {
    throw new TypeError(`"inProcess.isShared" must be true or false, not ${inspect(isShared)}`)
  }
  parseNumber('inProcess.maxInstances', maxInstances, 0, 1)
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
