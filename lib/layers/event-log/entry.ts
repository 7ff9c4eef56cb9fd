/** The log's entries, the event ids that clients see, and the parsing of upstream events. Pure. */
import { hash } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import type { ClientSession } from '../../exchange/exchange.ts'
import { fieldOf } from '../../exchange/sse.ts'
import type { LoggedEvent, RequestId } from '../../types.ts'

/**
 * One entry of the log, with all that another node needs to continue the stream. Its member names are a stored format.
 */
export interface Entry {
  /** The event as it is sent, without an id. `undefined` when only other members have changed. */
  readonly event?: string | undefined
  /** The upstream's own event id, from which to resume its stream, and its `retry` delay. */
  readonly upstreamId?: string | undefined
  readonly retryMs?: number | undefined
  /** The requests that are pending after this event. */
  readonly owed: readonly RequestId[]
  /**
   * All requests of the stream, present once some are answered: a client that misses events may miss any of these
   * responses.
   */
  readonly asked?: readonly RequestId[] | undefined
  /** Whether the stream ends with this entry. */
  readonly over?: boolean | undefined
  /** Whether one or more events at this position could not be stored. */
  readonly lost?: boolean | undefined
  /** The only connection that receives later events, announced by the node it is connected to. (SE10) */
  readonly reader?: string | undefined
}

/** Whether an entry only announces a reader. Any node may append such an entry, after which the writer continues. */
export function isAnnouncement({ reader, event, over, lost }: Entry): boolean {
  return reader !== undefined && event === undefined && !over && !lost
}

/** The entry that announces a reader. It repeats the stream's state from the newest entry. */
export function announcementOf(reader: string, newest: Entry | undefined): Entry {
  const { upstreamId, retryMs, owed = [], asked } = newest ?? {}
  return { upstreamId, retryMs, owed, asked, reader }
}

/** The requests whose responses may be lost if this entry is available and earlier ones are not. */
export function possiblyUnanswered({ asked, owed }: Entry): readonly RequestId[] {
  return asked ?? owed
}

export function encode(position: number, entry: Entry): LoggedEvent {
  return { position, text: JSON.stringify(entry) }
}

export function decode({ text }: LoggedEvent): Entry {
  return JSON.parse(text) as Entry
}

/** A digest that tells whether an entry of the log is this one. */
export function fingerprintOf({ position, text }: LoggedEvent): string {
  return hash('sha256', `${position} ${text}`, 'base64url')
}

/** The event id for clients: unique in the session, and it identifies the stream. (SE6) */
export function eventIdOf(stream: string, position: number): string {
  return `${stream}.${position}`
}

const EVENT_ID = /^([\w-]{1,32})\.([1-9]\d{0,14})$/

/** `undefined` when the id was not issued by a gateway. */
export function parseEventId(id: string): { readonly stream: string; readonly after: number } | undefined {
  const [, stream, after] = EVENT_ID.exec(id) ?? []
  return stream === undefined ? undefined : { stream, after: Number(after) }
}

/** Formats an event with its id, as clients receive it. */
export function withId(stream: string, position: number, event: string): Buffer {
  return Buffer.from(`id: ${eventIdOf(stream, position)}\n${event}`)
}

/** An event without a message, which gives the client an id for `Last-Event-ID`. (SE2) */
export const PRIMING = 'data: \n\n'

/** The priming event with its id, as clients receive it. */
export function primingEvent(stream: string, position: number): Buffer {
  return withId(stream, position, PRIMING)
}

/** The first revision that defines events without a message; some clients of earlier ones fail on them. */
const FIRST_VERSION_WITH_PRIMING = '2025-11-25'

export function wantsPriming(session: ClientSession | undefined): boolean {
  return (session?.record.protocolVersion ?? '') >= FIRST_VERSION_WITH_PRIMING
}

/** A parsed event of an upstream. */
export interface UpstreamEvent {
  /** The fields to forward to a client; `undefined` when the event has no message. */
  readonly event: string | undefined
  /** Empty when the upstream revokes its last id. */
  readonly id: string | undefined
  readonly retryMs: number | undefined
}

const LINE_END = /\r\n|\n|\r/
const BYTE_ORDER_MARK = '\uFEFF'

/**
 * Comments are dropped, since they are heartbeats of this hop. `retry` is split off, to be forwarded without the log.
 */
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

/** The error for a `Last-Event-ID` whose following events are not stored. (SE8) */
export function eventsGone(): GatewayError {
  return new GatewayError('events_gone', 'The events after Last-Event-ID are not kept any more')
}
