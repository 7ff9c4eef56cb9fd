import { jest } from '@jest/globals'
import {
  ACCEPTED,
  asksInCall,
  callOf,
  type LegacyServer,
  legacyServer,
  request,
  retry,
  sessionOf,
} from '../../../support/bridged-modern.ts'
import { settled } from '../../../support/fixture.ts'

let server: LegacyServer

beforeEach(() => {
  server = legacyServer({ keys: ['k'.repeat(32)], config: { bridge: { sessions: 1 } } })
  asksInCall(server, { ids: true })
})
afterEach(async () => {
  jest.useRealTimers()
  await server.close()
})

/** Sends a call that is asked, and lets this much time pass after that. */
async function askAndWait(ms: number): Promise<Awaited<ReturnType<LegacyServer['ask']>>> {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] })
  const asking = server.ask(callOf())
  await settled()
  jest.advanceTimersByTime(50)
  const asked = await asking
  jest.advanceTimersByTime(ms)
  jest.useRealTimers()
  return asked
}

const calls = (): string[] =>
  server.upstream.asked.entries.filter(({ kind }) => kind === 'tools/call').map((asked) => sessionOf(asked))

test('a sealed question takes up its session’s place for a minute', async () => {
  await askAndWait(59_000)
  const second = server.ask(callOf('b'))
  await settled()
  expect(calls()).toEqual(['s1'])
  expect(server.bridge.load).toEqual({ sessions: 1, questions: 0, bytes: 0 })
  await server.bridge.close()
  expect(await second).toMatchObject({ status: 503 })
})

test('after that another session is opened, and the first one comes back when it is answered', async () => {
  const asked = await askAndWait(61_000)
  expect((await server.ask(callOf('b'))).result).toMatchObject({ resultType: 'input_required' })
  expect(calls()).toEqual(['s1', 's2'])
  const { result } = await server.ask(retry(callOf(), asked, { elicitation_1: ACCEPTED }))
  expect(result).toMatchObject({ said: ACCEPTED })
})

test('SC6 a question that nobody answers leaves nothing behind after a quarter of an hour', async () => {
  await askAndWait(15 * 60_000 + 1)
  expect(server.bridge.load).toEqual({ sessions: 0, questions: 0, bytes: 0 })
  expect(server.upstream.told.some((words) => /^(DELETE|cancelled)/.test(words))).toBe(false)
})

test('ST17 a listener of a session that is given away moves to another one', async () => {
  await server.close()
  server = legacyServer({ keys: ['k'.repeat(32)] })
  asksInCall(server, { ids: true })
  const filter = { resourceSubscriptions: ['a:1'] }
  const listener = server.send(request('subscriptions/listen', { notifications: filter }))
  await listener.events.next()
  await server.ask(callOf())
  await server.upstream.asked.next(({ words }) => words === 'resources/subscribe in s2')
})
