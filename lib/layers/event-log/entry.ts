/** What the log keeps of an event, the ids that clients see, and what an event of an upstream says. Pure. */
import { GatewayError } from '../../errors.ts'
import type { ClientSession } from '../../exchange/exchange.ts'
import { fieldOf } from '../../exchange/sse.ts'
import type { LoggedEvent, RequestId } from '../../types.ts'

/** What is kept of one event: enough for another node to go on after it. */
export interface Entry {
  /** The event as it is sent, without an id. None when only the rest of this has changed. */
  readonly event?: string | undefined
  /** Where the upstream resumes after this event, and how long it wants to be left alone before. */
  readonly upstreamId?: string | undefined
  readonly retryMs?: number | undefined
  /** The requests still without an answer after this event. */
  readonly owed: readonly RequestId[]
  /** All requests that the stream is to answer, where some are answered: who misses events may miss answers. */
  readonly asked?: readonly RequestId[] | undefined
  /** Whether the stream has ended with this. */
  readonly over?: boolean | undefined
  /** Whether there was an event here, or more of them, which could not be kept. */
  readonly lost?: boolean | undefined
  /** The connection that alone gets what comes from here on. The node that it is at says so, whoever writes. (SE10) */
  readonly reader?: string | undefined
}

/** Whether an entry says who reads, and nothing of the stream: any node may add one, and the writer goes on behind it. */
export function isAnnouncement({ reader, event, over, lost }: Entry): boolean {
  return reader !== undefined && event === undefined && !over && !lost
}

/** What says that somebody reads from now on. It repeats what the newest entry says of the stream. */
export function announcementOf(reader: string, newest: Entry | undefined): Entry {
  const { upstreamId, retryMs, owed = [], asked } = newest ?? {}
  return { upstreamId, retryMs, owed, asked, reader }
}

/** The requests whose answers may be missing where this entry is there and not those before it. */
export function possiblyUnanswered({ asked, owed }: Entry): readonly RequestId[] {
  return asked ?? owed
}

export function encode(position: number, entry: Entry): LoggedEvent {
  return { position, text: JSON.stringify(entry) }
}

export function decode({ text }: LoggedEvent): Entry {
  return JSON.parse(text) as Entry
}

/** Unique in the session, and names the stream. (SE6) */
export function eventIdOf(stream: string, position: number): string {
  return `${stream}.${position}`
}

const EVENT_ID = /^([\w-]{1,32})\.([1-9]\d{0,14})$/

/** `undefined` for an id that is none of ours. */
export function parseEventId(id: string): { readonly stream: string; readonly after: number } | undefined {
  const [, stream, after] = EVENT_ID.exec(id) ?? []
  return stream === undefined ? undefined : { stream, after: Number(after) }
}

/** The bytes of an event as clients get it. */
export function withId(stream: string, position: number, event: string): Buffer {
  return Buffer.from(`id: ${eventIdOf(stream, position)}\n${event}`)
}

/** An event without a message: it gives a client an id to come back with. (SE2) */
export const PRIMING = 'data: \n\n'

/** The same as clients get it, with an id to come back behind which nothing is missed. */
export function primingEvent(stream: string, position: number): Buffer {
  return withId(stream, position, PRIMING)
}

/** The first revision whose clients know events without a message; some earlier ones fail on it. */
const FIRST_VERSION_WITH_PRIMING = '2025-11-25'

export function wantsPriming(session: ClientSession | undefined): boolean {
  return (session?.record.protocolVersion ?? '') >= FIRST_VERSION_WITH_PRIMING
}

/** What an event of an upstream says. */
export interface UpstreamEvent {
  /** The message, and whatever stands with it, for a client; none when it only says the rest of this. */
  readonly event: string | undefined
  /** Empty when the upstream takes its last one back. */
  readonly id: string | undefined
  readonly retryMs: number | undefined
}

const LINE_END = /\r\n|\n|\r/
const BYTE_ORDER_MARK = '\uFEFF'

/** Comments are the upstream's heartbeat, for this hop alone. A retry time stands on its own, so it is said once. */
export function readEvent(text: string): UpstreamEvent {
  let id: string | undefined
  let retryMs: number | undefined
  let hasMessage = false
  const kept: string[] = []
  const stream = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
  for (const line of stream.split(LINE_END)) {
    if (line === '' || line.startsWith(':')) continue
    const [name, value] = fieldOf(line)
    if (name === 'id') id = value
    else if (name === 'retry') retryMs = /^\d+$/.test(value) ? Number(value) : retryMs
    else {
      hasMessage ||= name === 'data' && value !== ''
      kept.push(line)
    }
  }
  return { event: hasMessage ? `${kept.join('\n')}\n\n` : undefined, id, retryMs }
}

/** What a client asks for is not kept, or not any more. (SE8) */
export function eventsGone(): GatewayError {
  return new GatewayError('events_gone', 'The events after Last-Event-ID are not kept any more')
}
