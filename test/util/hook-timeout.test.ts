// How long a hook or a store is waited for.
import { jest } from '@jest/globals'
import { HOOK_MS, inHookTime } from '../../lib/util/hook-timeout.ts'

beforeEach(() => {
  jest.useFakeTimers()
})

afterEach(() => {
  jest.useRealTimers()
})

test('what answers at once is the very answer, and no timer is set', () => {
  const answer = { id: 'ada' }
  expect(inHookTime(answer, '"authenticate"')).toBe(answer)
  expect(jest.getTimerCount()).toBe(0)
})

test('a promise has its own outcome, and leaves no timer', async () => {
  expect(await inHookTime(Promise.resolve('here'), '"servers"')).toBe('here')
  await expect(inHookTime(Promise.reject(new Error('broken')), '"servers"')).rejects.toThrow('broken')
  expect(jest.getTimerCount()).toBe(0)
})

test('ER9 what never answers is unavailable, and names the hook to the operator alone', async () => {
  const outcome = Promise.resolve(inHookTime(new Promise(() => {}), '"servers"')).catch((error: unknown) => error)
  await jest.advanceTimersByTimeAsync(HOOK_MS)
  expect(await outcome).toMatchObject({
    code: 'unavailable',
    message: 'The gateway cannot answer now',
    cause: { message: '"servers" did not answer within 30 s' },
  })
})

test('what comes too late is dropped, and a late failure is nobody’s to handle', async () => {
  let fail: (error: Error) => void = () => {}
  const answer = new Promise<never>((_, reject) => (fail = reject))
  const outcome = Promise.resolve(inHookTime(answer, '"servers"')).catch(({ code }: { code: string }) => code)
  await jest.advanceTimersByTimeAsync(HOOK_MS)
  fail(new Error('late'))
  expect(await outcome).toBe('unavailable')
})
