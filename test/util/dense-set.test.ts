// The set for what comes and goes, against the Set it stands in for.
import fc from 'fast-check'
import { type DenseItem, DenseSet } from '../../lib/util/dense-set.ts'

interface Item extends DenseItem {
  readonly name: number
}

const makeItem = (name: number): Item => ({ name, slot: -1 })
const namesOf = (items: Iterable<Item>): number[] => Array.from(items, ({ name }) => name).toSorted((a, b) => a - b)

const operation = fc.record({
  does: fc.constantFrom('add', 'delete', 'delete', 'add', 'clear'),
  name: fc.nat({ max: 9 }),
})

test('has what a Set would have, whatever comes and goes in whatever order', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const items = Array.from({ length: 10 }, (_, name) => makeItem(name))
      const set = new DenseSet<Item>()
      const model = new Set<Item>()
      for (const { does, name } of operations) {
        const item = items[name]!
        if (does === 'clear') {
          for (const each of set.snapshot()) set.delete(each)
          model.clear()
        } else if (does === 'delete') {
          set.delete(item)
          model.delete(item)
        } else if (!model.has(item)) {
          set.add(item)
          model.add(item)
        }
        expect(set.size).toBe(model.size)
        expect(namesOf(set.snapshot())).toEqual(namesOf(model))
        for (const each of items) expect(set.has(each)).toBe(model.has(each))
      }
    }),
    { numRuns: 300 },
  )
})

test('what is out of it, or never was in it, keeps no place in it', () => {
  const set = new DenseSet<Item>()
  const [first, second, third] = [makeItem(1), makeItem(2), makeItem(3)]
  for (const item of [first, second, third]) set.add(item)
  set.delete(first)
  set.delete(third)
  expect([first.slot, third.slot]).toEqual([-1, -1])
  expect(set.snapshot()).toEqual([second])
})

test('deleting what another set has takes nothing out of either', () => {
  const [here, there] = [new DenseSet<Item>(), new DenseSet<Item>()]
  const [mine, theirs] = [makeItem(1), makeItem(2)]
  here.add(mine)
  there.add(theirs)
  here.delete(theirs)
  expect([here.snapshot(), there.snapshot()]).toEqual([[mine], [theirs]])
  expect([here.has(theirs), there.has(theirs)]).toEqual([false, true])
})

test('what is added twice is in it once', () => {
  const set = new DenseSet<Item>()
  const [item, other] = [makeItem(1), makeItem(2)]
  for (const each of [item, other, item]) set.add(each)
  expect(set.size).toBe(2)
  set.delete(item)
  expect(set.snapshot()).toEqual([other])
})

test('a snapshot stays as it was taken', () => {
  const set = new DenseSet<Item>()
  const [first, second, third] = [makeItem(1), makeItem(2), makeItem(3)]
  set.add(first)
  set.add(second)
  const snapshot = set.snapshot()
  set.delete(first)
  set.add(third)
  snapshot.pop()
  expect(snapshot).toEqual([first])
  expect(namesOf(set.snapshot())).toEqual([2, 3])
})
