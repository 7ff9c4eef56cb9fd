/** Answers a client that listens: with one stream of what all members say. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { Reply } from '../../exchange/reply.ts'
import { within } from '../../util/timeout.ts'
import type { Aggregates } from './aggregates.ts'
import { FanIn } from './fan-in.ts'
import { LegacyListening } from './legacy-listening.ts'
import { membersFor } from './members.ts'
import { ModernListening } from './modern-listening.ts'

/** How long a GET waits until members have opened their streams: one may do that with the first event alone. */
const HEADS_MS = 250

/** How long a modern client waits until members have acknowledged what they will tell. */
const ACKNOWLEDGEMENTS_MS = 2_000

/** Answers the GET of a session. */
export async function listen(exchange: Exchange, aggregates: Aggregates): Promise<Reply> {
  const { absences, sessions, nextId, parts, fanIns } = aggregates
  const listening = new LegacyListening(exchange, sessions, nextId, () => forget(exchange, aggregates))
  const { session } = exchange.origin
  const fanIn: FanIn = new FanIn(exchange, listening, absences, () => {
    if (session && fanIns.get(session.id) === fanIn) fanIns.delete(session.id)
  })
  if (session) fanIns.set(session.id, fanIn)
  await fanIn.open(await membersFor(exchange), HEADS_MS)
  if (exchange.life.stopped) throw exchange.life.stopped
  fanIn.recheckEvery(parts.recheckMs, () => membersFor(exchange))
  return fanIn.reply()
}

/** Answers `subscriptions/listen`. (ST15, ST16) */
export async function subscribe(exchange: Exchange, aggregates: Aggregates): Promise<Reply> {
  const { absences, sessions, nextId, owners, parts } = aggregates
  const changed = (): void => forget(exchange, aggregates)
  const listening = await ModernListening.of(exchange, sessions, owners, nextId, changed)
  const fanIn = new FanIn(exchange, listening, absences, () => {})
  const deadline = performance.now() + ACKNOWLEDGEMENTS_MS
  await fanIn.open(await membersFor(exchange), ACKNOWLEDGEMENTS_MS)
  await within(deadline, listening.acknowledged())
  if (exchange.life.stopped) throw exchange.life.stopped
  fanIn.recheckEvery(parts.recheckMs, () => membersFor(exchange))
  return fanIn.reply(listening.acknowledgement())
}

function forget({ origin }: Exchange, { owners }: Aggregates): void {
  owners.forget(origin.server)
}
