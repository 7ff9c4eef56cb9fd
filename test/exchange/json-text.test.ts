// Where a member stands in a JSON text, whatever stands around it.
import fc from 'fast-check'
import { exchangeValues, rangeAt, rangeOfMember, valueText } from '../../lib/exchange/json-text.ts'
import { member } from '../../lib/util/json.ts'
import { jsonValue } from '../../lib/util/json-value.ts'

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

test.each([
  ['{"params":{"name":"a"},"name":"b"}', '"a"'],
  ['{"name":"b","params":{"arguments":{"name":"c"},"name":"a"}}', '"a"'],
  ['{"params":{"params":{"name":"c"},"name":"a" }}', '"a"'],
  ['{"arguments":{"params":{"name":"c"}},"params":{"name":"a"}}', '"a"'],
  [' { "params" : [1] , "p\\u0061rams" : { "n\\u0061me" : "a" } } ', '"a"'],
  ['{"params":{"name":"c","name":"a"}}', '"a"'],
  ['{"params":{"name":"c"},"params":{"name":"a"}}', '"a"'],
  ['{"params":{"name":"c"},"params":{}}', undefined],
  ['{"params":{"name":"c"},"params":1}', undefined],
  ['{"params":["name","c"]}', undefined],
  ['{"params":{"arguments":{"name":"c"}}}', undefined],
  ['{"params":{"name1":"c","nam":"d","name\\\\":"e"}}', undefined],
  ['', undefined],
])('below params the value of the name of %s is %s', (text, expected) => {
  expect(valueText(text, ['params', 'name'])).toBe(expected)
})

test('a key that has a backslash is found where it is escaped, and nowhere else', () => {
  expect(valueText('{"a\\nb":1,"a\\\\nb":2}', ['a\\nb'])).toBe('2')
  expect(valueText('{"a\\nb":1}', ['a\\nb'])).toBeUndefined()
})

test('of any objects in each other, the text in the range is the value that JSON.parse finds', () => {
  const keys = fc.constantFrom('a', 'b', 'ab', '', '"', '\\', 'ä', '\n')
  const tree = fc.dictionary(keys, fc.oneof(fc.jsonValue(), fc.dictionary(keys, fc.jsonValue())))
  fc.assert(
    fc.property(tree, fc.array(keys, { minLength: 1, maxLength: 3 }), fc.constantFrom(0, 1), (object, path, indent) => {
      const text = JSON.stringify(object, undefined, indent)
      let value: unknown = jsonValue(text)
      for (const key of path) value = member(value, key)
      const range = rangeAt(text, path)
      expect(range && jsonValue(text.slice(...range))).toEqual(value)
    }),
  )
})

test.each([
  ['below other keys', '{"a":{"x":1},"b":{"x":2},"x":3}', '{"a":{"x":"A"},"b":{"x":"B"},"x":3}', ['1', '2']],
  ['with keys that are alike', '{"ax":{"x":1},"b":{"xx":2,"y":0}}', '{"ax":{"x":1},"b":{"xx":2,"y":0}}', []],
  ['with escapes in the keys', '{"\\u0061":{"\\u0078":1},"b":7}', '{"\\u0061":{"\\u0078":"A"},"b":7}', ['1']],
  ['twice', '{"b":{"x":[1,"}"],"x":2},"b":{"x":3}}', '{"b":{"x":"B","x":"B"},"b":{"x":"B"}}', [undefined, '3']],
])('values are exchanged where their whole path leads: %s', (_what, text, expected, before) => {
  const replacements = [
    { path: ['a', 'x'], value: '"A"' },
    { path: ['b', 'x'], value: '"B"' },
  ]
  const exchanged = exchangeValues(text, replacements)
  expect(exchanged.text).toBe(expected)
  expect(exchanged.before).toEqual([before[0], before[1]])
})
