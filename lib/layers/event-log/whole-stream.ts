/** Logs a stream that was complete when its first reader came, as most answers are: at once, and without a recorder. */
import type { Exchange } from '../../exchange/exchange.ts'
import { PendingIds } from '../../exchange/pending-ids.ts'
import type { EventsReply, Reply } from '../../exchange/reply.ts'
import { eventsOf } from '../../exchange/sse.ts'
import type { Awaitable, EventLog, EventStreamName, RequestId } from '../../types.ts'
import { type Entry, readEvent, wantsPriming } from './entry.ts'
import { EventLogBody } from './event-log-body.ts'
import { LogWriter } from './log-writer.ts'

/** The position of the event that gives clients an id to resume from. It has no message, so it is not stored. */
const PRIMING_POSITION = 1

export interface WholeStream {
  readonly name: EventStreamName
  readonly exchange: Exchange
  /** The log, bound to the async context of the request. */
  readonly log: EventLog
  /** All requests of the stream: each has its response in `bytes`. */
  readonly asked: readonly RequestId[]
  readonly reply: EventsReply
  readonly bytes: Buffer
}

/**
 * Nobody can know the name of the stream before its events are in the log, so it needs no lease. `onLost` is called with
 * the writer of a log that has failed; the client gets the events all the same.
 */
export function logWhole(
  { name, exchange, log, asked, reply, bytes }: WholeStream,
  onFailure: (error: unknown) => void,
  onLost: (writer: LogWriter) => void,
): Awaitable<Reply> {
  const body = new EventLogBody(name, asked)
  let settle: ((reply: Reply) => void) | undefined
  const writer = new LogWriter(log, name, PRIMING_POSITION, asked, {
    deliver: (event, position, pending) => body.pushKept(event, position, pending),
    pass: (piece, atBoundary) => body.push(piece, atBoundary),
    onIdle: () => {
      if (body.isOver) return
      body.end()
      if (writer.isLost) onLost(writer)
      settle?.(answer())
    },
    onReader: () => {},
    onConflict: () => {},
    onFailure,
  })
  const answer = (): Reply => body.reply(false, reply.headers)
  if (wantsPriming(exchange.origin.session)) body.prime(PRIMING_POSITION)
  putAll(writer, bytes, asked)
  writer.flush()
  return body.isOver ? answer() : new Promise((resolve) => (settle = resolve))
}

/** Queues an entry for each event. The last is also the last of the stream. */
function putAll(writer: LogWriter, bytes: Buffer, asked: readonly RequestId[]): void {
  const pending = new PendingIds(asked)
  let last: Entry | undefined
  for (const bytesOfOne of eventsOf(bytes)) {
    const { event, retryMs } = readEvent(bytesOfOne.toString())
    pending.see(bytesOfOne, true)
    if (event === undefined && retryMs === undefined) continue
    if (last) writer.put(last)
    last = undefined
    if (retryMs !== undefined) writer.pass(Buffer.from(`retry: ${retryMs}\n\n`), true)
    if (event !== undefined) last = { event, ...pendingState(pending, asked) }
  }
  writer.put({ ...(last ?? pendingState(pending, asked)), over: true })
}

function pendingState(pending: PendingIds, asked: readonly RequestId[]): Pick<Entry, 'owed' | 'asked'> {
  const owed = pending.ids
  return owed.length < asked.length ? { owed, asked } : { owed }
}
