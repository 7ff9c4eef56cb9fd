// A gateway with interceptors in front of a scripted server, and clients of both eras.
import type { GatewayOptions, Interceptor, McpMessage, ServerConfig } from '../../../lib/index.ts'
import { type Host, type RunningGateway, startGateway } from '../../support/gateway.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { type Answer, initialize, type Session } from '../../support/rpc.ts'
import { startUpstream, type Upstream, type UpstreamOptions } from '../../support/upstream.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- what tests do wrong on purpose has no types
type Loose = any

/** A layer of functions that may do anything. */
export function layer(
  hooks: Readonly<
    Record<
      string,
      (message: McpMessage & { readonly params: Loose }, next: (params?: Loose) => Promise<Loose>) => Loose
    >
  >,
): Interceptor {
  return hooks
}

const cleanups: (() => Promise<unknown>)[] = []

/** To be called after each test. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
}

type Options = Omit<Partial<GatewayOptions>, 'servers'> & {
  readonly server?: Partial<ServerConfig>
  readonly upstream?: UpstreamOptions
  readonly names?: readonly string[]
  readonly host?: Host
}

export interface World {
  readonly upstream: Upstream
  readonly gateway: RunningGateway
  readonly url: string
  /** A session of a legacy client. */
  open(options?: Parameters<typeof initialize>[1]): Promise<Session>
  /** A request of a modern client. */
  modern(method: string, params?: object, headers?: Record<string, string>): Promise<Answer>
}

export async function world({
  server,
  upstream: upstreamOptions,
  names = ['one'],
  host,
  ...options
}: Options): Promise<World> {
  const upstream = await startUpstream(upstreamOptions)
  cleanups.push(() => upstream.close())
  const config = { url: upstream.url, ...server } as ServerConfig
  const servers = Object.fromEntries(names.map((name) => [name, config]))
  const gateway = await startGateway({ servers, ...options }, host)
  cleanups.push(() => gateway.close())
  const url = gateway.url('one')
  return {
    upstream,
    gateway,
    url,
    open: (given) => initialize(url, given),
    modern: (method, params, headers) => postModern(url, modernRequest(method, params), headers),
  }
}

/** A promise, and how to settle it. */
export function deferred<T = void>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: Error) => void
} {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((take, refuse) => {
    resolve = take
    reject = refuse
  })
  return { promise, resolve, reject }
}
