// A queue, against an array that does the same slowly.
import fc from 'fast-check'
import { Queue } from '../../lib/stores/queue.ts'

test('it is an array whose first item can be taken', () => {
  const step = fc.oneof({ weight: 3, arbitrary: fc.nat() }, { weight: 2, arbitrary: fc.constant('shift' as const) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
      const queue = new Queue<number>()
      const array: number[] = []
      for (const one of steps) {
        if (one === 'shift') expect(queue.shift()).toBe(array.shift())
        else {
          queue.push(one)
          array.push(one)
        }
        expect([queue.length, queue.first, queue.last]).toEqual([array.length, array[0], array.at(-1)])
      }
      expect(queue.tail(() => true)).toEqual(array)
      expect(queue.tail(() => false)).toEqual([])
      expect(queue.tail((item) => item > 10)).toEqual(array.slice(array.findLastIndex((item) => item <= 10) + 1))
    }),
    { numRuns: 50 },
  )
})
