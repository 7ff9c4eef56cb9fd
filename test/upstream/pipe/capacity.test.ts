// Who may open how many pipes: all of them together, and one principal beside the others.
import type { Principal } from '../../../lib/index.ts'
import { Capacity } from '../../../lib/upstream/pipe/capacity.ts'
import type { PipeTarget } from '../../../lib/upstream/pipe/pipe-target.ts'

const targetOf = (maxPipes: number, id = 'a'): PipeTarget => ({ id, maxPipes }) as PipeTarget
const eve: Principal = { id: 'eve' }
const ada: Principal = { id: 'ada' }

/** How many a principal gets. */
function taken(capacity: Capacity, target: PipeTarget, principal: Principal | undefined): number {
  let count = 0
  try {
    for (;;) {
      capacity.reserve(target, principal)
      count += 1
    }
  } catch (error) {
    expect(error).toMatchObject({ code: 'unavailable', status: 503, headers: { 'retry-after': '1' } })
    return count
  }
}

test.each([
  [1, 1],
  [2, 1],
  [3, 2],
  [32, 16],
  [1_000, 500],
])('of %i a principal alone gets %i', (maxPipes, share) => {
  expect(taken(new Capacity(), targetOf(maxPipes), eve)).toBe(share)
})

test('without principals anybody gets all of them', () => {
  expect(taken(new Capacity(), targetOf(32), undefined)).toBe(32)
})

test('who comes later gets half of what is left, down to the last one', () => {
  const capacity = new Capacity()
  const target = targetOf(8)
  const shares = ['a', 'b', 'c', 'd', 'e'].map((id) => taken(capacity, target, { id }))
  expect(shares).toEqual([4, 2, 1, 1, 0])
})

test.each([6, 8_000])('of %i what is freed may be taken again, by the same principal too', (maxPipes) => {
  const capacity = new Capacity()
  const target = targetOf(maxPipes)
  for (let round = 0; round < 3; round += 1) {
    expect(taken(capacity, target, eve)).toBe(maxPipes / 2)
    for (let count = 0; count < maxPipes / 2; count += 1) capacity.free(target, eve)
  }
  expect(taken(capacity, target, ada)).toBe(maxPipes / 2)
})

test('servers share no room, but all of them together have 10 000, of which one principal gets half', () => {
  const capacity = new Capacity()
  expect(taken(capacity, targetOf(4, 'a'), eve)).toBe(2)
  expect(taken(capacity, targetOf(4, 'b'), eve)).toBe(2)
  expect(taken(capacity, targetOf(8_000, 'c'), eve)).toBe(4_000)
  expect(taken(capacity, targetOf(8_000, 'd'), eve)).toBe(996)
  expect(taken(capacity, targetOf(20_000, 'e'), undefined)).toBe(5_000)
  expect(taken(capacity, targetOf(4, 'a'), ada)).toBe(0)
})
