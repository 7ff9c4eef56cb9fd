// The two limits of a request on a pipe: when its reply becomes a stream, and when it fails.
import { AsyncLocalStorage } from 'node:async_hooks'
import { jest } from '@jest/globals'
import type { RequestMessage } from '../../../lib/exchange/message.ts'
import type { Reply } from '../../../lib/exchange/reply.ts'
import { PipeCall } from '../../../lib/upstream/pipe/pipe-call.ts'
import { Deadlines } from '../../../lib/util/deadlines.ts'
import { exchangeOf } from '../../exchange/parts.ts'

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] }))
afterEach(() => void jest.useRealTimers())

interface Seen {
  readonly call: PipeCall
  readonly outcome: () => Reply['kind'] | 'failed' | 'stopped' | undefined
}

/** A call with this time limit, and what has become of it. */
function callOf(
  responseMs: number,
  method = 'tools/call',
  onGone = (): void => {},
  deadlines = new Deadlines(responseMs),
): Seen {
  const message: RequestMessage = { kind: 'request', era: 'legacy', id: 1, method, params: {}, text: '{}' }
  const exchange = exchangeOf({ message, ...(method === 'initialize' && { state: undefined }) })
  const call = new PipeCall(exchange, message, {
    pipeId: 5,
    ids: { id: '1', progressToken: undefined },
    flow: { isShared: false, hold: () => {}, release: () => {} },
    deadlines,
    responseMs,
    onGone,
    onOver: () => {},
  })
  let kind: Reply['kind'] | 'failed' | undefined
  call.reply.then(
    (reply) => (kind = reply.kind),
    () => (kind = 'failed'),
  )
  return { call, outcome: () => (exchange.life.stopped ? 'stopped' : kind) }
}

test('a reply becomes a stream after 7.5 to 8 s, which the time limit ends (SE15, ER9)', async () => {
  const { outcome } = callOf(20_000)
  await jest.advanceTimersByTimeAsync(7_490)
  expect(outcome()).toBeUndefined()
  await jest.advanceTimersByTimeAsync(510)
  expect(outcome()).toBe('events')
  await jest.advanceTimersByTimeAsync(11_900)
  expect(outcome()).toBe('events')
  await jest.advanceTimersByTimeAsync(1_100)
  expect(outcome()).toBe('stopped')
})

test('a stream without a time limit stays open', async () => {
  const { outcome } = callOf(0)
  await jest.advanceTimersByTimeAsync(3_600_000)
  expect(outcome()).toBe('events')
})

test('a time limit before that fails the request', async () => {
  const { outcome } = callOf(2_000)
  await jest.advanceTimersByTimeAsync(1_990)
  expect(outcome()).toBeUndefined()
  await jest.advanceTimersByTimeAsync(510)
  expect(outcome()).toBe('failed')
})

test('a handshake gets no stream: it fails at the time limit', async () => {
  const { outcome } = callOf(20_000, 'initialize')
  await jest.advanceTimersByTimeAsync(19_900)
  expect(outcome()).toBeUndefined()
  await jest.advanceTimersByTimeAsync(600)
  expect(outcome()).toBe('failed')
})

test('a message of the server in time is the end of both limits', async () => {
  const { call, outcome } = callOf(20_000)
  call.say('{}')
  await jest.advanceTimersByTimeAsync(60_000)
  expect(outcome()).toBe('events')
})

test('a request that is late is cancelled in its own async context', async () => {
  const storage = new AsyncLocalStorage<string>()
  const deadlines = new Deadlines(2_000)
  const cancelled: (string | undefined)[] = []
  const onGone = (): void => void cancelled.push(storage.getStore())
  for (const who of ['ada', 'bob']) storage.run(who, () => callOf(2_000, 'tools/call', onGone, deadlines))
  await jest.advanceTimersByTimeAsync(3_000)
  expect(cancelled).toEqual(['ada', 'bob'])
})
