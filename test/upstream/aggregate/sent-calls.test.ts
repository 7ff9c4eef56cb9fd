// Which request a cancellation concerns: by session and id, as long as it may be under way.
import type { ClientSession, Exchange } from '../../../lib/exchange/exchange.ts'
import { SentCalls } from '../../../lib/upstream/aggregate/sent-calls.ts'
import { exchangeOf, originOf } from '../../exchange/parts.ts'

const inSession = (id: string): Exchange => exchangeOf({ origin: originOf({ session: { id } as ClientSession }) })
const [one, other] = [inSession('a'), inSession('b')]
const to = (member: string): { readonly member: string } => ({ member })

test('UT4 a request is found by its session and its id, whose type counts', () => {
  const calls = new SentCalls()
  calls.note(one, 1, to('x'))
  calls.note(one, '1', to('y'))
  calls.note(other, 1, to('z'))
  expect([calls.find(one, 1), calls.find(one, '1'), calls.find(other, 1)]).toEqual([to('x'), to('y'), to('z')])
  expect([calls.find(one, 2), calls.find(other, '1'), calls.find(exchangeOf(), 1)]).toEqual(Array(3).fill(undefined))
})

test('of requests with the same id the last one is found, and the one before when that is over', () => {
  const calls = new SentCalls()
  calls.note(one, 1, to('x'))
  const last = calls.note(one, 1, to('y'))
  expect(calls.find(one, 1)).toEqual(to('y'))
  calls.forget(last)
  expect(calls.find(one, 1)).toEqual(to('x'))
})

test.each([
  [0, ['b', 'c']],
  [1, ['a', 'c']],
  [2, ['a', 'b']],
])('a request is forgotten wherever it stands, once: %d', (at, left) => {
  const calls = new SentCalls()
  const noted = ['a', 'b', 'c'].map((id) => calls.note(one, id, to(id)))
  calls.forget(noted[at])
  calls.forget(noted[at])
  expect(calls.size).toBe(2)
  expect(['a', 'b', 'c'].filter((id) => calls.find(one, id))).toEqual(left)
  for (const each of noted) calls.forget(each)
  expect([calls.size, ...['a', 'b', 'c'].map((id) => calls.find(one, id))]).toEqual([
    0,
    undefined,
    undefined,
    undefined,
  ])
  calls.note(one, 'd', to('d'))
  expect([calls.size, calls.find(one, 'd')]).toEqual([1, to('d')])
})

test('a request that is kept is found by the end of its session’s id alone, and one that is not by all of it', () => {
  const [long, alike] = [inSession(`${'l'.repeat(4000)}${'e'.repeat(32)}`), inSession(`x${'e'.repeat(32)}`)]
  const calls = new SentCalls()
  const noted = calls.note(long, 1, to('x'))
  expect([calls.find(long, 1), calls.find(alike, 1)]).toEqual([to('x'), undefined])
  calls.keep(noted)
  calls.keep(noted)
  expect(noted!.session).toBe('e'.repeat(32))
  expect(calls.find(long, 1)).toEqual(to('x'))
  expect(calls.find(inSession(`x${'e'.repeat(31)}`), 1)).toBeUndefined()
  calls.forget(noted)
  expect(calls.find(long, 1)).toBeUndefined()
})

test('past 10 000 requests the oldest are forgotten', () => {
  const calls = new SentCalls()
  const noted = Array.from({ length: 10_002 }, (_, id) => calls.note(one, id, to('x')))
  expect(calls.size).toBe(10_000)
  expect([1, 2, 10_001].map((id) => calls.find(one, id) !== undefined)).toEqual([false, true, true])
  calls.forget(noted[0])
  expect(calls.size).toBe(10_000)
})

test('a request without a session, or with a very long id, is not remembered', () => {
  const calls = new SentCalls()
  calls.forget(calls.note(exchangeOf(), 1, to('x')))
  calls.keep(calls.note(one, 'i'.repeat(257), to('x')))
  expect(calls.size).toBe(0)
  expect(calls.note(one, 'i'.repeat(256), to('x'))).toBeDefined()
})
