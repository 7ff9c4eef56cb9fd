// What the tests of revision 2026-07-28 start from: a scripted upstream behind a gateway, and messages to send.
// Each test has an upstream of its own, and a gateway from `start()` on; both are closed after it.
import type { GatewayOptions } from '../../lib/index.ts'
import { bareHttp, startGateway, type Host, type RunningGateway } from '../support/gateway.ts'
import { META, modernRequest } from '../support/modern.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

export const MODERN_EVIDENCE = [-32_020, -32_021, -32_022, -32_601, -32_602]

export let upstream: Upstream
export let gateway: RunningGateway
export let url: string

export async function start(options: Partial<GatewayOptions> = {}, host: Host = bareHttp): Promise<void> {
  gateway = await startGateway({ servers: { raw: { url: upstream.url } }, ...options }, host)
  url = gateway.url('raw')
}

beforeEach(async () => {
  upstream = await startUpstream({ sessions: false })
})
afterEach(async () => {
  await gateway?.close()
  await upstream.close()
})

export const call = (id: string | number = 1, params: object = {}) =>
  modernRequest('tools/call', { name: 'echo', ...params }, id)
export const listen = (id: string | number = 'listen') =>
  modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, id)

/** What a server sends first on a subscription. */
export const acknowledged = (id: string | number) => ({
  method: 'notifications/subscriptions/acknowledged',
  params: { notifications: { toolsListChanged: true }, _meta: { [META.subscriptionId]: id } },
})

/** Has a server without sessions open one for each handshake, and ask nobody for it. */
export function openSessions(): void {
  let opened = 0
  upstream.on('initialize', (exchange) => {
    const protocolVersion = exchange.message?.params?.['protocolVersion']
    const serverInfo = { name: 'scripted-upstream', version: '1.0.0' }
    exchange.result(
      { protocolVersion, capabilities: {}, serverInfo },
      { 'mcp-session-id': `upstream-${(opened += 1)}` },
    )
  })
}

export const codeOf = (answer: { message: { error?: { code: number } } | undefined }) => answer.message?.error?.code
