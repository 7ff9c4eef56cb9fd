// What an aggregate says of itself.
import { instructionsOf } from '../../../lib/upstream/aggregate/identity.ts'

test('instructions stand under the names of their members; what is no text is left out', () => {
  expect(
    instructionsOf([
      ['one', 'A'],
      ['two', 7],
      ['three', ''],
      ['four', 'B'],
    ]),
  ).toBe('[one]\nA\n\n[four]\nB')
  expect(instructionsOf([['one', undefined]])).toBeUndefined()
})

test('SC6 no member has all the room, and all together have no more than they may', () => {
  const long = 'x'.repeat(100_000)
  const two = instructionsOf([
    ['one', long],
    ['two', 'B'],
  ])!
  expect(two).toMatch(/\[two\]\nB$/)
  expect(two.length).toBeLessThan(17_000)
  expect(instructionsOf(Array.from({ length: 24 }, (_, index) => [`m${index}`, long]))).toHaveLength(65_536)
})
