// A `headers` function with a broker, as `userConnections()` makes them, whose users answer when a test says so.
import {
  type ConnectionBroker,
  type ConnectionLink,
  ConnectionRequired,
  exposeBroker,
  type LinkOutcome,
} from '../../lib/exchange/connections.ts'
import type { HeadersContext } from '../../lib/types.ts'
import { createJournal, type Journal } from './journal.ts'
import { MemoryUpstream } from './memory-upstream.ts'

interface Waiting {
  readonly link: string
  readonly user: string
  readonly timeoutMs: number
  settle(outcome: LinkOutcome): void
}

export interface FakeConnections {
  readonly headers: (context: HeadersContext) => Promise<Readonly<Record<string, string>>>
  readonly broker: ConnectionBroker
  /** Those who wait for a link. */
  readonly waiting: Journal<Waiting>
  /** The number of links that were made. */
  readonly made: number
  connect(user: string): void
  decline(user: string): void
  /** The account is gone, as when the service has ended it. */
  lose(user: string): void
  /** Time passes until those who wait have waited enough. */
  runOutOfTime(): void
}

export function fakeConnections(service = 'crm.test'): FakeConnections {
  const connected = new Set<string>()
  const open = new Map<string, ConnectionLink>()
  const waiting: Journal<Waiting> = createJournal()
  const pending = new Set<Waiting>()
  let made = 0

  const broker: ConnectionBroker = {
    statusOf: async ({ user }) => (connected.has(user) ? 'connected' : 'none'),
    async linkFor({ user, server }) {
      const before = open.get(user)
      if (before) return before
      made += 1
      const id = `link-${made}`
      const link = {
        id,
        url: `https://app.test/connections/${id}`,
        server,
        service,
        message: `Connect your account at ${service} to use ${server}:`,
      }
      open.set(user, link)
      return link
    },
    waitFor: (link, { user, timeoutMs, signal }) =>
      new Promise((resolve) => {
        const entry: Waiting = {
          link,
          user,
          timeoutMs,
          settle(outcome) {
            pending.delete(entry)
            resolve(outcome)
          },
        }
        if (connected.has(user)) return resolve('connected')
        if (open.get(user)?.id !== link) return resolve('expired')
        signal?.addEventListener('abort', () => entry.settle('pending'))
        pending.add(entry)
        waiting.record(entry)
      }),
    disconnect: async ({ user }) => void connected.delete(user),
  }
  async function headers({ principal, server, url }: HeadersContext): Promise<Readonly<Record<string, string>>> {
    const user = principal!.id
    if (connected.has(user)) return { authorization: `Bearer token of ${user}` }
    throw new ConnectionRequired(await broker.linkFor({ user, server, url }), broker)
  }
  const settle = (user: string, outcome: LinkOutcome): void => {
    open.delete(user)
    for (const entry of pending) if (entry.user === user) entry.settle(outcome)
  }
  exposeBroker(headers, broker)
  return {
    headers,
    broker,
    waiting,
    get made() {
      return made
    },
    connect(user) {
      connected.add(user)
      settle(user, 'connected')
    },
    decline: (user) => settle(user, 'declined'),
    lose: (user) => void connected.delete(user),
    runOutOfTime() {
      for (const entry of pending) entry.settle('pending')
    },
  }
}

/** An upstream in memory that asks the `headers` of a config first, as the one over HTTP does. */
export function askingUpstream(): MemoryUpstream {
  const upstream = new MemoryUpstream()
  const { send } = upstream
  const asking: MemoryUpstream['send'] = async (exchange) => {
    const { origin, config } = exchange
    const { principal, request, server } = origin
    if (exchange.verb !== 'DELETE' && 'headers' in config && typeof config.headers === 'function') {
      await config.headers({ principal, request, server, url: 'http://memory.test/mcp' })
    }
    return send(exchange)
  }
  return Object.defineProperty(upstream, 'send', { value: asking })
}
