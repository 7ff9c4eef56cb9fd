/** The figures of how things stand: what is under way, sessions, servers, the process. */
import { course, shareBar } from './charts.ts'
import { count, countWith, duration, memory, timeOf } from './figure-texts.ts'
import type { ActivitySnapshot, Figure } from './figures.ts'

/** How many servers are in the table, those that fail first. JSON has all of them. */
const MAX_SERVERS_SHOWN = 40

export function underWayFigure({ underWay: { requests, streams, peaks } }: ActivitySnapshot): Figure {
  return {
    id: 'under-way',
    title: 'Under way',
    sentence: `${countWith(requests, 'request')} and ${countWith(streams, 'listening stream')}.`,
    charts: [
      course('Requests', [{ tone: 'accent', values: peaks.requests }], count),
      course('Streams', [{ tone: 'accent', values: peaks.streams }], count),
    ],
    columns: ['', 'now'],
    rows: [
      ['requests without an answer', count(requests)],
      ['listening streams', count(streams)],
    ],
  }
}

export function sessionsFigure({ sessions: { open, cap, opened, ended, peaks } }: ActivitySnapshot): Figure {
  const openCourse = course('Open', [{ tone: 'accent', values: peaks }], count)
  const full = cap !== undefined && open >= 0.9 * cap
  return {
    id: 'sessions',
    title: 'Sessions',
    sentence:
      cap === undefined
        ? `${count(open)} open. There is no cap to count against: of all stores MemorySessionStore alone has one.`
        : `${count(open)} open, of ${count(cap)} that there may be.`,
    charts:
      cap === undefined
        ? [openCourse]
        : [
            openCourse,
            shareBar(
              'Against the cap',
              [
                { tone: full ? 'bad' : 'accent', name: 'open', value: open },
                { tone: 'soft', name: 'free', value: Math.max(0, cap - open) },
              ],
              cap,
            ),
          ],
    columns: ['opened by this process', ''],
    rows: [
      ['open', count(open)],
      ['at most', cap === undefined ? 'no cap' : count(cap)],
      ['opened in the last hour', count(opened)],
      ['ended in the last hour', count(ended)],
    ],
  }
}

const STATES = { failing: 'did not answer', answering: 'answered', unknown: 'not used yet' } as const
const STATE_ORDER = Object.keys(STATES)

export function serversFigure({ servers }: ActivitySnapshot): Figure {
  const numberOf = (state: keyof typeof STATES): number =>
    servers.filter(({ health }) => health.status === state).length
  const failing = numberOf('failing')
  const how =
    failing === 0 ? 'None is known to fail.' : `${failing} of ${servers.length} did not answer when last used.`
  const sorted = servers.toSorted(
    ({ health: one }, { health: other }) => STATE_ORDER.indexOf(one.status) - STATE_ORDER.indexOf(other.status),
  )
  const isCut = servers.length > MAX_SERVERS_SHOWN
  return {
    id: 'servers',
    title: 'Servers',
    sentence: isCut ? `${how} ${MAX_SERVERS_SHOWN} of ${count(servers.length)} are listed.` : how,
    charts: [
      shareBar(
        'When they were last used',
        [
          { tone: 'good', name: STATES.answering, value: numberOf('answering') },
          { tone: 'bad', name: STATES.failing, value: failing },
          { tone: 'soft', name: STATES.unknown, value: numberOf('unknown') },
        ],
        servers.length,
      ),
    ],
    isWide: true,
    columns: ['server', 'last used', 'at'],
    rows: sorted
      .slice(0, MAX_SERVERS_SHOWN)
      .map(({ title, health }) => [title, STATES[health.status], timeOf(health.at)]),
  }
}

export function processFigure({
  process: { eventLoopP99, rssBytes, heapBytes, peaks },
  stalledClients,
}: ActivitySnapshot): Figure {
  return {
    id: 'process',
    title: 'This process',
    sentence: `${memory(rssBytes)} of memory; ${countWith(stalledClients.total, 'client')} cut off in the last hour for no longer reading.`,
    charts: [
      course('Event loop delay', [{ tone: 'accent', values: peaks.eventLoopP99 }], duration),
      course(
        'Memory',
        [
          { tone: 'accent', name: 'RSS', values: peaks.rssBytes },
          { tone: 'ink', name: 'heap', values: peaks.heapBytes },
        ],
        memory,
      ),
      course('Clients cut off', [{ tone: 'bad', values: stalledClients.perMinute }], count),
    ],
    isWide: true,
    columns: ['', ''],
    rows: [
      ['delay of the event loop (p99 of ten seconds)', duration(eventLoopP99)],
      ['memory (RSS)', memory(rssBytes)],
      ['memory (heap)', memory(heapBytes)],
      ['clients cut off', count(stalledClients.total)],
    ],
  }
}
