// Keys that mean nothing, and what was probably meant.
import { alternatives, unknownKey } from '../../lib/util/unknown-key.ts'

const KNOWN = { url: true, headers: true, scopes: true, protocol: true } as const

test('the first key that is not known is found; one without a value, and one of the prototype, is none', () => {
  expect(unknownKey({ url: '', scope: {}, other: 1 }, KNOWN)).toBe('scope')
  expect(unknownKey({ url: '', scope: undefined }, KNOWN)).toBeUndefined()
  expect(unknownKey(Object.create({ scope: {} }), KNOWN)).toBeUndefined()
  expect(unknownKey({ toString: 1 }, KNOWN)).toBe('toString')
})

test.each([
  ['scope', 'scopes'],
  ['Scopes', 'scopes'],
  ['header', 'headers'],
  ['uri', 'url'],
  ['protcol', 'protocol'],
  ['ulr', 'url'],
  ['socpes', 'scopes'],
])('%s is nearly %s', (key, nearest) => {
  expect(alternatives(key, KNOWN)).toBe(`did you mean "${nearest}"? There are: url, headers, scopes, protocol`)
})

test.each(['retries', 'disabled', 'x'.repeat(10_000)])('%s is like none of them', (key) => {
  expect(alternatives(key, KNOWN)).toBe('there are: url, headers, scopes, protocol')
})
