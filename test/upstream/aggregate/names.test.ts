import { advertisedName, mayBeShortened } from '../../../lib/upstream/aggregate/names.ts'

test.each([
  ['crm', '__', 'find', 'crm__find'],
  ['crm', '.', 'a/b.c', 'crm.a/b.c'],
  ['crm', '__', 'x'.repeat(59), `crm__${'x'.repeat(59)}`],
  ['crm', '__', 'crm__find', 'crm__crm__find'],
])('the tool of %s is %j and %j', (member, separator, name, expected) => {
  expect(advertisedName(member, separator, name)).toBe(expected)
  expect(mayBeShortened(expected)).toBe(false)
})

test('a longer name keeps its head and ends in a digest, by which two with one head differ', () => {
  const long = 'y'.repeat(128)
  const advertised = advertisedName('crm', '__', long)
  expect(advertised).toMatch(/^crm__y{48}_[0-9a-f]{10}$/)
  expect(advertised).toHaveLength(64)
  expect(mayBeShortened(advertised)).toBe(true)
  expect(advertisedName('crm', '__', long)).toBe(advertised)
  expect(advertisedName('crm', '__', `${long}z`)).not.toBe(advertised)
  expect(advertisedName('crm', '_', `_${long}`)).toBe(advertised)
})

test('a name is not cut within a character', () => {
  const advertised = advertisedName('crm', '__', `${'y'.repeat(47)}${'😀'.repeat(20)}`)
  expect(Buffer.from(advertised).toString()).toBe(advertised)
  expect(mayBeShortened(advertised)).toBe(true)
})
