// Exchanges, replies and sources for tests of the seam: no sockets.
import { COMPLETE } from '../../lib/exchange/body.ts'
import { BufferBody } from '../../lib/exchange/body.ts'
import { Exchange, type ExchangeParts, Origin } from '../../lib/exchange/exchange.ts'
import { Lifetime } from '../../lib/exchange/lifetime.ts'
import { requestOf } from '../../lib/exchange/message.ts'
import { PushBody } from '../../lib/exchange/push-body.ts'
import type { EventsReply, Handle, JsonReply, Reply } from '../../lib/exchange/reply.ts'
import type { RequestId } from '../../lib/types.ts'
import { Collector } from './readers.ts'

export function originOf(parts: Partial<ConstructorParameters<typeof Origin>[0]> = {}): Origin {
  return new Origin({
    server: 'weather',
    principal: undefined,
    request: undefined,
    era: 'legacy',
    session: undefined,
    accepts: { json: true, events: true },
    response: undefined,
    ...parts,
  })
}

/** A legacy `tools/call` with the id 1, but for these parts. */
export function exchangeOf(parts: Partial<ExchangeParts> = {}, body?: Buffer): Exchange {
  return new Exchange(
    {
      origin: originOf(),
      life: new Lifetime(),
      config: { url: 'http://127.0.0.1/mcp' },
      path: ['weather'],
      verb: 'POST',
      message: requestOf('legacy', 1, 'tools/call', { name: 'forecast' }),
      state: { upstream: 'http://127.0.0.1/mcp', protocolVersion: '2025-11-25', id: 'behind' },
      headers: {},
      ...parts,
    },
    body,
  )
}

/** A body that a test writes, and what its reader has asked of it. */
export class Source {
  readonly body = new PushBody()
  isCancelled = false
  resumes = 0

  constructor() {
    this.body.writer = { onResume: () => (this.resumes += 1), onCancel: () => (this.isCancelled = true) }
  }

  say(text: string, atBoundary = true): void {
    this.body.push(Buffer.from(text), atBoundary)
  }

  end(): void {
    this.body.end(COMPLETE)
  }

  break(error: Error, after?: string, retryMs?: number): void {
    this.body.end({ how: 'broken', error, after, retryMs })
  }

  reply(pending: readonly RequestId[] = [1], parts: Partial<EventsReply> = {}): EventsReply {
    return eventsReply(this.body, pending, parts)
  }
}

export function eventsReply(
  body: EventsReply['body'],
  pending: readonly RequestId[] = [1],
  parts: Partial<EventsReply> = {},
): EventsReply {
  return {
    kind: 'events',
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    body,
    pending: () => pending,
    resumeAfter: () => undefined,
    endless: false,
    kept: false,
    ...parts,
  }
}

export function jsonReply(text: string, status = 200): JsonReply {
  const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }
  return { kind: 'json', status, headers, body: new BufferBody(Buffer.from(text)) }
}

export const emptyReply: Reply = { kind: 'empty', status: 202, headers: {} }

/** A handle that hands out these replies in turn, or throws those that are errors, and remembers what it was asked. */
export function scripted(...replies: readonly (Reply | Error)[]): Handle & { readonly asked: Exchange[] } {
  const asked: Exchange[] = []
  const left = [...replies]
  const handle = async (exchange: Exchange): Promise<Reply> => {
    asked.push(exchange)
    const reply = left.shift()
    if (reply === undefined) throw new Error('asked more often than the script has answers')
    if (reply instanceof Error) throw reply
    return reply
  }
  return Object.assign(handle, { asked })
}

/** Reads a reply from here on. */
export function collect(reply: Reply): Collector {
  const sink = new Collector()
  if (reply.kind !== 'empty') reply.body.pipe(sink)
  return sink
}

/** A turn of the event loop: every promise that can be settled by now is. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

export const eventOf = (json: object, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: message\ndata: ${JSON.stringify(json)}\n\n`

export const progress = (step: number): object => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { progressToken: 1, progress: step },
})

export const resultOf = (id: RequestId = 1, result: object = { content: [] }): object => ({
  jsonrpc: '2.0',
  id,
  result,
})
