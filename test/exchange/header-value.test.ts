// What the value of `Mcp-Name` stands for: literal text, or text in base64 between two sentinels.
import fc from 'fast-check'
import { decodeHeaderValue } from '../../lib/exchange/header-value.ts'

const encode = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`

test.each(['echo', '', ' spaced ', 'a,b', 'file:///home/ada?x=1', '=', '?=', '=?', 'ZWNobw=='])(
  'HD10 %j is literal',
  (value) => {
    expect(decodeHeaderValue(value)).toBe(value)
  },
)

test.each([
  ['only the prefix', '=?base64?ZWNobw=='],
  ['only the suffix', 'ZWNobw==?='],
  ['a prefix in capitals', '=?BASE64?ZWNobw==?='],
  ['another encoding', '=?q?echo?='],
  ['a charset, as in mail', '=?utf-8?base64?ZWNobw==?='],
  ['something before the prefix', 'x=?base64?ZWNobw==?='],
  ['something behind the suffix', '=?base64?ZWNobw==?=x'],
  ['sentinels that share their question mark', '=?base64?='],
])('HD10 a value with %s is literal', (_what, value) => {
  expect(decodeHeaderValue(value)).toBe(value)
})

test.each([
  ['=?base64??=', ''],
  ['=?base64?ZQ==?=', 'e'],
  ['=?base64?ZWM=?=', 'ec'],
  ['=?base64?ZWNo?=', 'ech'],
  ['=?base64?ZWNobw==?=', 'echo'],
  ['=?base64?SMOkbnNlbA==?=', 'H\u00e4nsel'],
  ['=?base64?5LiW55WM8J+Rjw==?=', '\u4e16\u754c\u{1f44f}'],
  ['=?base64?IHNwYWNlZCA=?=', ' spaced '],
  ['=?base64?DQo=?=', '\r\n'],
])('HD10 %j stands for %j', (value, text) => {
  expect(decodeHeaderValue(value)).toBe(text)
})

test('HD10 a literal that looks encoded is told apart by being encoded itself', () => {
  const literal = encode('echo')
  expect(decodeHeaderValue(encode(literal))).toBe(literal)
})

test.each([
  ['no padding', '=?base64?ZWNobw?='],
  ['too little padding', '=?base64?ZWNobw=?='],
  ['too much padding', '=?base64?ZWNo====?='],
  ['padding in the middle', '=?base64?ZQ==ZQ==?='],
  ['letters of base64url', '=?base64?_-_-?='],
  ['a space', '=?base64?ZWNo bw==?='],
  ['a line end', '=?base64?ZWNo\nbw==?='],
  ['letters of no alphabet', '=?base64?\u00e4\u00e4\u00e4\u00e4?='],
  ['bytes that are no UTF-8', '=?base64?/w==?='],
  ['half a character', '=?base64?w6Q=w6?='],
  ['a surrogate in UTF-8', '=?base64?7aCA?='],
])('HD10 %s is not valid', (_what, value) => {
  expect(decodeHeaderValue(value)).toBeUndefined()
})

const text = fc.string({ unit: 'grapheme', maxLength: 60 })

test('HD10 HD11 whatever is encoded comes back', () => {
  fc.assert(fc.property(text, (name) => decodeHeaderValue(encode(name)) === name))
})

test('HD10 what has not both sentinels stays what it is', () => {
  const half = fc.tuple(fc.constantFrom('', '=?base64?', '=?Base64?'), text, fc.constantFrom('', '?=', '='))
  fc.assert(
    fc.property(half, (parts) => {
      const value = parts.join('')
      fc.pre(!(value.startsWith('=?base64?') && value.endsWith('?=') && value.length >= 11))
      expect(decodeHeaderValue(value)).toBe(value)
    }),
  )
})

test('HD10 whatever stands between the sentinels, the answer is text or nothing', () => {
  const inner = fc.oneof(fc.base64String(), fc.string(), fc.stringMatching(/^[A-Za-z0-9+/=_-]{0,40}$/))
  fc.assert(
    fc.property(inner, (encoded) => {
      const decoded = decodeHeaderValue(`=?base64?${encoded}?=`)
      if (decoded === undefined) return
      expect(Buffer.from(decoded).toString('base64').length).toBe(encoded.length)
    }),
  )
})
