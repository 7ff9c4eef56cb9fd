// How long a promise is waited for.
import { access } from 'node:fs/promises'
import { jest } from '@jest/globals'
import { inTime, within } from '../../lib/util/timeout.ts'

beforeEach(() => {
  jest.useFakeTimers()
})

afterEach(() => {
  jest.useRealTimers()
})

const never = new Promise<never>(() => {})
const late = () => new Error('late')

describe('inTime', () => {
  test('has the outcome of a promise that is settled in time, and leaves no timer', async () => {
    expect(await inTime(100, Promise.resolve('here'), late)).toBe('here')
    await expect(inTime(100, Promise.reject(new Error('broken')), late)).rejects.toThrow('broken')
    expect(jest.getTimerCount()).toBe(0)
  })

  test('rejects with the given words when the time is up, not before', async () => {
    const outcome = inTime(100, never, () => new Error('The store did not answer')).then(
      undefined,
      (error: Error) => error.message,
    )
    const seen: string[] = []
    void outcome.then((message) => seen.push(message))
    await jest.advanceTimersByTimeAsync(99)
    expect(seen).toEqual([])
    await jest.advanceTimersByTimeAsync(1)
    expect(seen).toEqual(['The store did not answer'])
  })

  test('takes an answer that came in time to an event loop that was too busy to read it', async () => {
    jest.useRealTimers()
    const busyUntil = performance.now() + 100
    const outcome = inTime(50, access(import.meta.filename), late)
    while (performance.now() < busyUntil);
    expect(await outcome).toBeUndefined()
  })

  test('does not mind a promise that rejects too late', async () => {
    let reject: (error: Error) => void
    const slow = new Promise<never>((_, fail) => (reject = fail))
    const outcome = inTime(100, slow, late).then(undefined, (error: Error) => error.message)
    await jest.advanceTimersByTimeAsync(100)
    reject!(new Error('too late'))
    expect(await outcome).toBe('late')
  })
})

describe('within', () => {
  test('waits for a promise, and leaves no timer whether it is fulfilled or rejected', async () => {
    await within(performance.now() + 100, Promise.resolve())
    await expect(within(performance.now() + 100, Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(jest.getTimerCount()).toBe(0)
  })

  test('waits until its deadline at the latest', async () => {
    const seen: string[] = []
    void within(performance.now() + 100, never).then(() => seen.push('over'))
    await jest.advanceTimersByTimeAsync(99)
    expect(seen).toEqual([])
    await jest.advanceTimersByTimeAsync(1)
    expect(seen).toEqual(['over'])
  })

  test('waits no longer where the deadline has passed already, and Node.js warns of no negative timeout', async () => {
    const setTimer = jest.spyOn(globalThis, 'setTimeout')
    const seen: string[] = []
    void within(performance.now() - 1000, never).then(() => seen.push('over'))
    await jest.advanceTimersByTimeAsync(1)
    expect(seen).toEqual(['over'])
    expect(setTimer).toHaveBeenLastCalledWith(expect.any(Function), 0)
  })
})
