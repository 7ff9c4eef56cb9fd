// Which is the largest of many, to within a factor of two.
import fc from 'fast-check'
import { SizeClasses } from '../../lib/util/size-classes.ts'

test('nothing is the largest of none, nor of those that are forgotten', () => {
  const sizes = new SizeClasses<string>()
  expect(sizes.largest).toBeUndefined()
  sizes.set('a', 1)
  sizes.set('a', 0)
  expect(sizes.largest).toBeUndefined()
})

test('of those in the same class the one that was set the longest ago comes first', () => {
  const sizes = new SizeClasses<string>()
  sizes.set('a', 5)
  sizes.set('b', 4)
  expect(sizes.largest).toBe('a')
  sizes.set('a', 7)
  expect(sizes.largest).toBe('b')
})

test('no other is more than twice as large as the largest', () => {
  const step = fc.tuple(fc.nat({ max: 9 }), fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1e9 })))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const sizes = new SizeClasses<number>()
      const model = new Map<number, number>()
      for (const [item, size] of steps) {
        sizes.set(item, size)
        model.set(item, size)
        const { largest } = sizes
        const most = Math.max(...model.values())
        if (most === 0) expect(largest).toBeUndefined()
        else expect(model.get(largest!)! * 2).toBeGreaterThan(most)
      }
    }),
  )
})
