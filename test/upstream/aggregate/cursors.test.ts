import { cursorOf, restsOf } from '../../../lib/upstream/aggregate/cursors.ts'

test('a cursor names members and their own cursors, of which the empty one is one', () => {
  const rests = [
    { member: 'a', cursor: '' },
    { member: 'b', cursor: 'next "page" ä' },
  ]
  const cursor = cursorOf(rests)!
  expect(cursor).toMatch(/^[\w-]+$/)
  expect(restsOf(cursor)?.map(({ member, cursor: own }) => ({ member, cursor: own }))).toEqual(rests)
})

test('without a rest there is none', () => {
  expect(cursorOf([])).toBeUndefined()
})

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test.each([
  '',
  'x',
  7,
  null,
  encoded({}),
  encoded([]),
  encoded([['a']]),
  encoded([['a', 1]]),
  encoded([[1, 'x']]),
  encoded([['a', 'x', 'y']]),
  encoded(['ab']),
  encoded([
    ['a', 'x'],
    ['a', 'y'],
  ]),
])('%j is no cursor', (cursor) => {
  expect(restsOf(cursor)).toBeUndefined()
})
