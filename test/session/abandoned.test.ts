// Clients that open sessions and never end them: what is left when all have expired.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'abandoned-sessions.mjs')

test('SS11 SC6 10 000 sessions that were abandoned leave nothing here nor upstream, which hears of it a few at a time', async () => {
  const child = fork(FIXTURE, { execArgv: ['--expose-gc'] })
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`It exited with ${String(code)}`)))
  const [report] = (await Promise.race([once(child, 'message'), ended])) as [Record<string, number>]
  ended.catch(() => {})
  expect(report).toMatchObject({ opened: 11_000, left: 0 })
  // Forgotten principals alone would be 7 MiB.
  expect(report['grownBytes']).toBeLessThan(4 * 1024 * 1024)
  // 32 calls and 32 farewells at a time, and what lingers; not one for each session.
  expect(report['mostConnections']).toBeLessThan(200)
})
