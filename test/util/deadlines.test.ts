// One timer for all that wait: who is late hears of it within half a second, whoever else comes and goes.
import { jest } from '@jest/globals'
import { type Awaited, Deadlines } from '../../lib/util/deadlines.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

function waiting(): Awaited & { readonly late: number } {
  return {
    slot: -1,
    dueAt: 0,
    late: 0,
    onLate() {
      ;(this as { late: number }).late += 1
    },
  }
}

test('tells who is late, once, never early and half a second too late at most (ER9)', () => {
  const deadlines = new Deadlines(30_000)
  const [one, other] = [waiting(), waiting()]
  deadlines.add(one, 30_000)
  jest.advanceTimersByTime(10_100)
  deadlines.add(other, 5_000)
  jest.advanceTimersByTime(4_999)
  expect([one.late, other.late]).toEqual([0, 0])
  jest.advanceTimersByTime(501)
  expect([one.late, other.late]).toEqual([0, 1])
  jest.advanceTimersByTime(14_399)
  expect(one.late).toBe(0)
  jest.advanceTimersByTime(501)
  expect([one.late, other.late]).toEqual([1, 1])
})

test('is more exact where the limit is short (ER9)', () => {
  const deadlines = new Deadlines(200)
  const one = waiting()
  deadlines.add(one, 200)
  jest.advanceTimersByTime(250)
  expect(one.late).toBe(1)
})

test('forgets who was answered, waits for ever without a limit, and has no timer when nobody waits', () => {
  const deadlines = new Deadlines(1_000)
  const [answered, patient] = [waiting(), waiting()]
  deadlines.add(answered, 1_000)
  deadlines.add(patient, 0)
  deadlines.delete(answered)
  jest.advanceTimersByTime(10_000)
  expect([answered.late, patient.late, jest.getTimerCount()]).toEqual([0, 0, 0])
})
