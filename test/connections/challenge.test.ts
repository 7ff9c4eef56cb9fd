// Challenges as servers write them.
import { bearerChallengeIn, scopeList } from '../../lib/connections/challenge.ts'

const NONE = { error: undefined, scopes: [], resourceMetadata: undefined }

test.each<[header: string | undefined, read: object]>([
  [undefined, NONE],
  ['', NONE],
  ['Bearer', NONE],
  ['Basic realm="x", scope="y"', NONE],
  ['Bearer error=invalid_token', { ...NONE, error: 'invalid_token' }],
  [
    'Bearer error="insufficient_scope", scope="mail:read mail:send mail:read", resource_metadata="https://a.example/m"',
    { error: 'insufficient_scope', scopes: ['mail:read', 'mail:send'], resourceMetadata: 'https://a.example/m' },
  ],
  ['Basic realm="Bearer scope=no", Bearer scope="yes"', { ...NONE, scopes: ['yes'] }],
  ['bearer scope="one", DPoP scope="two"', { ...NONE, scopes: ['one'] }],
  ['Bearer scope="one", scope="two"', { ...NONE, scopes: ['one'] }],
  ['Bearer realm="with \\" and , in it", error="invalid_token"', { ...NONE, error: 'invalid_token' }],
  [`Bearer scope="${'x'.repeat(9_000)}"`, NONE],
])('%j', (header, read) => {
  expect(bearerChallengeIn(header)).toEqual(read)
})

test('scopes are what may be one, each once', () => {
  expect(scopeList('a b  a "c" d\\e é')).toEqual(['a', 'b'])
  expect(scopeList(undefined)).toEqual([])
})

test('a long header without an end takes no time', () => {
  const start = performance.now()
  bearerChallengeIn(`Bearer ${'a="'.repeat(2_700)}`)
  bearerChallengeIn(`Bearer ${'a '.repeat(4_000)}`)
  bearerChallengeIn(`Bearer ${'a'.repeat(8_000)}`)
  bearerChallengeIn(`Bearer a="${'\\'.repeat(8_000)}`)
  expect(performance.now() - start).toBeLessThan(5_000)
})
