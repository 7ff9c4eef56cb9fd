// A gateway that takes tokens: it knows its own URL before it is made, which startGateway() cannot.
import type { RequestListener } from 'node:http'
import { type Gateway, type GatewayOptions, mcpGateway } from '../../lib/index.ts'
import { bareHttp, type Host, type Reported } from './gateway.ts'
import { createJournal, type Journal } from './journal.ts'
import { listen } from './listen.ts'

export interface ProtectedGateway {
  readonly gateway: Gateway
  readonly origin: string
  /** `origin` and the mount. */
  readonly publicUrl: string
  readonly reported: Journal<Reported>
  url(name: string): string
  close(): Promise<void>
}

/** `publicUrl` is the gateway's own, unless the options have one. */
export async function startProtectedGateway(
  options: GatewayOptions | ((publicUrl: string) => GatewayOptions),
  host: Host = bareHttp,
): Promise<ProtectedGateway> {
  let listener: RequestListener = () => {}
  const listening = await listen((request, response) => listener(request, response))
  const publicUrl = `${listening.origin}${host.prefix}`
  const reported = createJournal<Reported>()
  try {
    const gateway = mcpGateway({
      publicUrl,
      onError: (error, context) => reported.record({ error, context }),
      ...(typeof options === 'function' ? options(publicUrl) : options),
    })
    listener = host.mount(gateway)
    return {
      gateway,
      origin: listening.origin,
      publicUrl,
      reported,
      url: (name) => `${publicUrl}/${name}/mcp`,
      async close() {
        await gateway.close({ graceMs: 0 })
        await listening.close()
      },
    }
  } catch (error) {
    await listening.close()
    throw error
  }
}

/** The parameters of a `WWW-Authenticate` header, `undefined` when there is none of this scheme. */
export function challengeOf(header: string | undefined): Record<string, string> | undefined {
  const [, list] = /^Bearer(?: (.*))?$/.exec(header ?? '') ?? []
  if (header === undefined || !header.startsWith('Bearer')) return undefined
  return Object.fromEntries(Array.from((list ?? '').matchAll(/(\w+)="([^"]*)"/g), ([, name, value]) => [name, value]))
}
