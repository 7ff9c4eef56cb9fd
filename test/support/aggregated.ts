// Scripted servers as members of an aggregate, and a gateway with it.
import { aggregate, type AggregateOptions, type MemberServer } from '../../lib/index.ts'
import { type RunningGateway, startGateway } from './gateway.ts'
import { META } from './modern.ts'
import { type Exchange, startUpstream, type Upstream, type UpstreamOptions } from './upstream.ts'
import { use } from './use.ts'

type GatewayOptions = Partial<Omit<Parameters<typeof startGateway>[0], 'servers'>>

export interface AggregatedOptions {
  readonly members: Readonly<Record<string, MemberServer | Upstream>>
  readonly options?: AggregateOptions
  readonly gateway?: GatewayOptions
  /** More of the aggregate's config. */
  readonly config?: object
}

/** Nothing listens there. */
export const DEAD: MemberServer = { url: 'http://127.0.0.1:9/mcp' }

/** A gateway whose server `desk` has these members. */
export function aggregated({ members, options, gateway, config }: AggregatedOptions): Promise<RunningGateway> {
  const servers = Object.fromEntries(
    Object.entries(members).map(([name, each]) => [name, 'requests' in each ? { url: each.url } : each]),
  )
  return use(startGateway({ servers: { desk: { ...aggregate(servers, options), ...config } }, ...gateway }))
}

/** The fields of a modern result that may be cached. */
export const CACHED = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' }

/** Answers a list in pages of so many items. */
export function serveList(upstream: Upstream, method: string, items: readonly object[], size = Infinity): void {
  const key = method === 'resources/templates/list' ? 'resourceTemplates' : method.split('/')[0]!
  upstream.on(method, (exchange) => {
    const from = Number(exchange.message?.params?.['cursor'] ?? 0)
    const next = from + size
    const cached = isModern(exchange) ? CACHED : {}
    exchange.result({
      [key]: items.slice(from, next),
      ...(next < items.length && { nextCursor: String(next) }),
      ...cached,
    })
  })
}

export function isModern({ message }: Exchange): boolean {
  return (message?.params?.['_meta'] as object | undefined)?.hasOwnProperty(META.protocolVersion) === true
}

export const tool = (name: string, more: object = {}) => ({ name, inputSchema: { type: 'object' }, ...more })

/** A scripted server with these tools, which says what it was called with. */
export async function member(tools: readonly string[] = ['echo'], options: UpstreamOptions = {}): Promise<Upstream> {
  const upstream = await use(startUpstream(options))
  serveList(
    upstream,
    'tools/list',
    tools.map((name) => tool(name)),
  )
  upstream.on('server/discover', (exchange) =>
    exchange.result({ ...CACHED, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }),
  )
  // Held back until the test has its say.
  upstream.on('subscriptions/listen', () => {})
  return upstream
}

/** A server of 2026-07-28: without sessions, and with statuses of its own for what it does not know. */
export function modernMember(tools?: readonly string[]): Promise<Upstream> {
  return member(tools, { sessions: false })
}
