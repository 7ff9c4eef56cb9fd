// Where a member stands in a JSON text, whatever stands around it.
import fc from 'fast-check'
import { rangeOfMember } from '../../lib/exchange/json-text.ts'

function valueOf(text: string, name: string): string | undefined {
  const range = rangeOfMember(text, text.indexOf('{'), name)
  return range && text.slice(...range).trim()
}

test.each([
  ['{"a":1}', 'a', '1'],
  ['{"a":1,"b":[{"a":2}],"c":"}"}', 'b', '[{"a":2}]'],
  ['{"a":{"b":1},"b":2}', 'b', '2'],
  [' {\n "x" : "a\\"b" ,\t"y":\r\n true }', 'y', 'true'],
  ['{"a":"\\\\","b":null}', 'b', 'null'],
  ['{"\\u0062":12345678901234567890}', 'b', '12345678901234567890'],
  ['{"a":1,"a":2}', 'a', '2'],
  ['{}', 'a', undefined],
  ['{"b":{"a":1}}', 'a', undefined],
])('in %s the value of %j is %s', (text, name, expected) => {
  expect(valueOf(text, name)).toBe(expected)
})

test('of any object, the text in the range is the value that JSON.parse finds', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, 2), (object, indent) => {
      const text = JSON.stringify(object, undefined, indent)
      for (const [name, value] of Object.entries(JSON.parse(text) as object)) {
        expect(JSON.parse(valueOf(text, name) ?? 'undefined')).toEqual(value)
      }
    }),
  )
})
