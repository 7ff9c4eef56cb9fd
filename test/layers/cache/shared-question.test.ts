// The lifetime of a question that several wait for: it goes on as long as anybody wants its answer.
import { jest } from '@jest/globals'
import { GatewayError } from '../../../lib/errors.ts'
import { Lifetime } from '../../../lib/exchange/lifetime.ts'
import { SharedQuestion, SHARED_WAIT_MS } from '../../../lib/layers/cache/shared-question.ts'

const gone = (): GatewayError => new GatewayError('bad_request', 'The client went away')

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] }))
afterEach(() => jest.useRealTimers())

test('SE5: stops with its asker when nobody else waits', () => {
  const asker = new Lifetime()
  const question = new SharedQuestion(asker)
  const reason = gone()
  asker.stop(reason)
  expect(question.life.stopped).toBe(reason)
})

test('SE5: goes on when its asker leaves, and stops when the last one who waits has left, too', async () => {
  const [asker, ada, bob] = [new Lifetime(), new Lifetime(), new Lifetime()]
  const question = new SharedQuestion(asker)
  const waits = [ada, bob].map((life) => question.wait(life))
  asker.stop(gone())
  ada.stop(gone())
  await expect(waits[0]).rejects.toThrow('The client went away')
  expect(question.life.stopped).toBeUndefined()
  bob.stop(gone())
  await expect(waits[1]).rejects.toThrow('The client went away')
  expect(question.life.stopped).toBeDefined()
})

test('is waited for no longer than its time', async () => {
  const asker = new Lifetime()
  const question = new SharedQuestion(asker)
  jest.advanceTimersByTime(SHARED_WAIT_MS - 1)
  expect(question.isOverdue).toBe(false)
  const waiting = question.wait(new Lifetime())
  jest.advanceTimersByTime(1)
  await waiting
  expect(question.isOverdue).toBe(true)
  expect(question.life.stopped).toBeUndefined()
})

test('stops when whoever waited for it after its asker has no more time for it', async () => {
  const asker = new Lifetime()
  const question = new SharedQuestion(asker)
  const waiting = question.wait(new Lifetime())
  asker.stop(gone())
  jest.advanceTimersByTime(SHARED_WAIT_MS)
  await waiting
  expect(question.life.stopped).toBeDefined()
})

test('lets everybody go on once it is settled, also those who come later', async () => {
  const question = new SharedQuestion(new Lifetime())
  const waits = [new Lifetime(), new Lifetime()].map((life) => question.wait(life))
  question.settle()
  await Promise.all([...waits, question.wait(new Lifetime())])
  expect(jest.getTimerCount()).toBe(0)
})

test('AU11: whoever was stopped before does not wait', async () => {
  const question = new SharedQuestion(new Lifetime())
  const stopped = new Lifetime()
  stopped.stop(gone())
  await expect(question.wait(stopped)).rejects.toThrow('The client went away')
  expect(jest.getTimerCount()).toBe(0)
})
