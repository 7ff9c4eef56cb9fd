// Starts a gateway in a host of the test's choice on an ephemeral port, and keeps what it reported to onError.
import type { RequestListener } from 'node:http'
import { mcpGateway, type Gateway, type GatewayOptions } from '../../lib/index.ts'
import { createJournal, type Journal } from './journal.ts'
import { listen } from './listen.ts'

type ErrorHook = NonNullable<GatewayOptions['onError']>

export interface Reported {
  error: Parameters<ErrorHook>[0]
  context: Parameters<ErrorHook>[1]
}

/** Something a gateway is mounted in: where, and how. */
export interface Host {
  readonly prefix: string
  mount(gateway: Gateway): RequestListener
}

export const bareHttp: Host = { prefix: '', mount: (gateway) => gateway }

export interface RunningGateway {
  readonly gateway: Gateway
  readonly origin: string
  /** What the gateway gave to onError, oldest first. */
  readonly reported: Journal<Reported>
  /** The address of one server behind the gateway. */
  url(name: string): string
  close(): Promise<void>
}

/** `authenticate` is `false` unless the test says otherwise. */
export async function startGateway(
  options: Omit<GatewayOptions, 'authenticate'> & Partial<Pick<GatewayOptions, 'authenticate'>>,
  host: Host = bareHttp,
): Promise<RunningGateway> {
  const reported = createJournal<Reported>()
  const gateway = mcpGateway({
    authenticate: false,
    ...options,
    onError(error, context) {
      reported.record({ error, context })
      return options.onError?.(error, context)
    },
  })
  const listening = await listen(host.mount(gateway))
  return {
    gateway,
    origin: listening.origin,
    reported,
    url: (name) => `${listening.origin}${host.prefix}/${name}/mcp`,
    async close() {
      await gateway.close({ graceMs: 0 })
      await listening.close()
    },
  }
}
