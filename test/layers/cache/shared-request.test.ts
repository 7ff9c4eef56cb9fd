// The lifetime of a shared request: it runs until no exchange waits for its result.
import { jest } from '@jest/globals'
import { GatewayError } from '../../../lib/errors.ts'
import { Lifetime } from '../../../lib/exchange/lifetime.ts'
import { SharedRequest, SHARED_WAIT_MS } from '../../../lib/layers/cache/shared-request.ts'

const gone = (): GatewayError => new GatewayError('bad_request', 'The client went away')

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] }))
afterEach(() => jest.useRealTimers())

test('SE5: stops with its owner when no other exchange waits', () => {
  const owner = new Lifetime()
  const request = new SharedRequest(owner)
  const reason = gone()
  owner.stop(reason)
  expect(request.life.stopped).toBe(reason)
})

test('SE5: continues after its owner has left, and stops when the last waiting exchange is stopped', async () => {
  const [owner, ada, bob] = [new Lifetime(), new Lifetime(), new Lifetime()]
  const request = new SharedRequest(owner)
  const waits = [ada, bob].map((life) => request.wait(life))
  owner.stop(gone())
  ada.stop(gone())
  await expect(waits[0]).rejects.toThrow('The client went away')
  expect(request.life.stopped).toBeUndefined()
  bob.stop(gone())
  await expect(waits[1]).rejects.toThrow('The client went away')
  expect(request.life.stopped).toBeDefined()
})

test('is waited for up to the time limit', async () => {
  const owner = new Lifetime()
  const request = new SharedRequest(owner)
  jest.advanceTimersByTime(SHARED_WAIT_MS - 1)
  expect(request.isOverdue).toBe(false)
  const waiting = request.wait(new Lifetime())
  jest.advanceTimersByTime(1)
  await waiting
  expect(request.isOverdue).toBe(true)
  expect(request.life.stopped).toBeUndefined()
})

test('stops when its owner has left and the time limit of the last waiting exchange passes', async () => {
  const owner = new Lifetime()
  const request = new SharedRequest(owner)
  const waiting = request.wait(new Lifetime())
  owner.stop(gone())
  jest.advanceTimersByTime(SHARED_WAIT_MS)
  await waiting
  expect(request.life.stopped).toBeDefined()
})

test('resolves every waiting exchange once it is settled, and later ones at once', async () => {
  const request = new SharedRequest(new Lifetime())
  const waits = [new Lifetime(), new Lifetime()].map((life) => request.wait(life))
  request.settle()
  await Promise.all([...waits, request.wait(new Lifetime())])
  expect(jest.getTimerCount()).toBe(0)
})

test('AU11: an exchange that was stopped before does not wait', async () => {
  const request = new SharedRequest(new Lifetime())
  const stopped = new Lifetime()
  stopped.stop(gone())
  await expect(request.wait(stopped)).rejects.toThrow('The client went away')
  expect(jest.getTimerCount()).toBe(0)
})
