// What was sent does not come back in words: whole, in part, in any encoding that a server may repeat it in.
import fc from 'fast-check'
import { blankOut } from '../../lib/auth/blank-out.ts'

const SECRET = 's3cret-of/the+gäteway 1'
const form = (value: string): string => new URLSearchParams([['a', value]]).toString().slice(2)
const strict = (value: string): string =>
  [...Buffer.from(value)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')

test.each<[string, string]>([
  ['as it is', SECRET],
  ['in capitals', SECRET.toUpperCase()],
  ['percent-encoded', encodeURIComponent(SECRET)],
  ['form-encoded', form(SECRET)],
  ['each byte of it percent-encoded', strict(SECRET)],
  ['percent-encoded twice', encodeURIComponent(encodeURIComponent(SECRET))],
  ['as PHP writes JSON', JSON.stringify(SECRET).replaceAll('/', '\\/')],
  ['its beginning', SECRET.slice(0, 12)],
  ['its end', SECRET.slice(-12)],
])('what was sent is blanked out: %s', (_, said) => {
  const words = blankOut(`not ${said} here`, [SECRET], 200)
  expect(words).toMatch(/^not "?\*{3}"? here$/)
})

test('what is shorter than four characters is no secret, and other words stay as they are', () => {
  expect(blankOut('a resource that is not known', ['a', 'is', '', 'https://a.example/mcp'], 200)).toBe(
    'a resource that is not known',
  )
})

test('the words are in printable ASCII, and no longer than they may be', () => {
  expect(blankOut('no such\nupstream', [], 200)).toBe('no such upstream')
  expect(blankOut('y'.repeat(10_000), ['x'.repeat(16_384)], 200)).toBe('y'.repeat(200))
})

test('eight characters in a row of what was sent are not left, wherever it stands and however long it is', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'B', '7', '-', '+', '/', '%', ' ', 'ä'),
    minLength: 8,
    maxLength: 300,
  })
  const encodings = [String, encodeURIComponent, form, strict]
  fc.assert(
    fc.property(text, fc.string({ maxLength: 200 }), fc.constantFrom(...encodings), (secret, before, encode) => {
      const words = blankOut(`${before}${encode(secret)}`, [secret], 200)
      for (let at = 0; at + 8 <= secret.length; at += 1) expect(words).not.toContain(secret.slice(at, at + 8))
    }),
  )
})
