// A replay whose log fails: whoever still reads is told, and of one who has gone nobody hears.
import { EventLogBody } from '../../../lib/layers/event-log/event-log-body.ts'
import { Reader } from '../../../lib/layers/event-log/reader.ts'
import { Replay } from '../../../lib/layers/event-log/replay.ts'
import { MemoryEventLog, type LoggedEvent } from '../../../lib/index.ts'

const name = { session: 'digest', stream: 'call' }

/** A replay that waits for another node's events, in a log that is closed beneath it when `fail` is called. */
async function waiting() {
  const log = new MemoryEventLog()
  const reader = new Reader()
  const reports: unknown[] = []
  const body = new EventLogBody(name)
  let fail!: (error: Error) => void
  let isWaiting!: () => void
  const waits = new Promise<void>((resolve) => (isWaiting = resolve))
  const failing = new Promise<readonly LoggedEvent[]>((_, reject) => (fail = reject))
  log.read = (_name, _after, waitMs) => {
    if (waitMs === 0) return []
    isWaiting()
    return failing
  }
  const replay = new Replay(name, body, 0, {
    log,
    reader,
    recorderOf: () => undefined,
    takeOver: () => Promise.resolve(false),
    report: (error) => void reports.push(error),
  })
  await reader.announce(name, log, 0, () => undefined)
  const over = replay.run([])
  await waits
  return { body, fail, over, reports }
}

const closed = new Error('The client is closed')

test('a log that fails ends the stream of whoever reads, and is reported', async () => {
  const { body, fail, over, reports } = await waiting()
  fail(closed)
  await over
  expect([body.isOver, reports]).toEqual([true, [closed]])
})

test('a log that is closed after its gateway, whose streams are cut by then, reports nothing', async () => {
  const { body, fail, over, reports } = await waiting()
  body.cancel()
  fail(closed)
  await over
  expect(reports).toEqual([])
})
