// A client that loses its connection and comes back with Last-Event-ID, as often as it takes to have all its answers.
import type { RpcMessage } from './exchange.ts'
import { openStream, type OpenStream, type Session } from './rpc.ts'

export interface Harvest {
  /** Every message, in the order it came. */
  readonly messages: readonly RpcMessage[]
  /** The ids of the events, in the order they came. */
  readonly ids: readonly string[]
  /** The statuses of the answers that it got, first the one to its call. 0 is a connection that broke before. */
  readonly statuses: readonly number[]
  /** Whether it has given up: nothing has told it an id to come back with, or what it came back for is gone. */
  readonly isLost: boolean
}

export interface Patience {
  /** Where it comes back; the session's own URL unless said otherwise. */
  readonly url?: () => string
  /** How long it waits before it comes back, in milliseconds. */
  readonly retryMs?: number
  /** How long all of it may take before it counts as a hang. */
  readonly hangMs?: number
  /** Shown each connection when its head is there, with its number. */
  readonly onOpen?: (client: OpenStream, visit: number) => void
}

/** POSTs a message and stays with it until each of its requests is answered. Rejects when that never happens. */
export function callPatiently(session: Session, message: object, patience: Patience = {}): Promise<Harvest> {
  const { hangMs = 30_000 } = patience
  const harvest = { messages: [] as RpcMessage[], ids: [] as string[], statuses: [] as number[], isLost: false }
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`hangs with ${JSON.stringify(harvest)}`))
      harvest.isLost = true
    }, hangMs)
  })
  return Promise.race([reap(session, message, harvest, patience), hang]).finally(() => clearTimeout(timer))
}

type Growing = { -readonly [Key in keyof Harvest]: Harvest[Key] extends readonly (infer T)[] ? T[] : Harvest[Key] }

async function reap(session: Session, message: object, harvest: Growing, patience: Patience): Promise<Harvest> {
  const { url = () => session.url, retryMs = 0, onOpen } = patience
  const requests = (Array.isArray(message) ? message : [message]) as RpcMessage[]
  const waiting = new Set(requests.map(({ id }) => id))
  for (let visit = 0; ; visit += 1) {
    const isBack = visit > 0
    const headers = { ...session.headers, ...(isBack && { 'last-event-id': harvest.ids.at(-1) }) }
    const opening = openStream(isBack ? url() : session.url, isBack ? { headers } : { headers, message })
    const client = await opening.catch(() => undefined)
    harvest.statuses.push(client?.status ?? 0)
    if (client) {
      onOpen?.(client, visit)
      await take(client, harvest, waiting)
    }
    if (waiting.size === 0 || harvest.isLost) return harvest
    harvest.isLost = harvest.ids.length === 0 || (client !== undefined && client.status >= 400 && client.status < 500)
    if (harvest.isLost) return harvest
    await new Promise((resolve) => void setTimeout(resolve, retryMs))
  }
}

/** Takes what comes until the connection ends or all is answered. */
async function take(client: OpenStream, { messages, ids }: Growing, waiting: Set<RpcMessage['id']>): Promise<void> {
  if (!String(client.headers['content-type']).startsWith('text/event-stream')) {
    if ((await client.over) === 'cut') return
    const found = [JSON.parse(client.bytes().toString())].flat() as RpcMessage[]
    for (const message of found) if (message.id !== undefined && message.id !== null) note(message)
    return
  }
  for (;;) {
    const event = await client.next().catch(() => undefined)
    if (event === undefined) return
    if (event.id !== undefined) ids.push(event.id)
    if (event.data !== '') note(JSON.parse(event.data) as RpcMessage)
  }

  function note(message: RpcMessage): void {
    messages.push(message)
    if (message.method === undefined) waiting.delete(message.id)
  }
}
