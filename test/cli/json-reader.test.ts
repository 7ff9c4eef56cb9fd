import * as fc from 'fast-check'
import { type JsonFault, lineAndColumn, readJson } from '../../lib/cli/json-reader.ts'

test('any JSON is read as JSON.parse reads it, and is the same with blanks', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value)
      expect(readJson(text).value).toEqual(JSON.parse(text))
      expect(readJson(JSON.stringify(value, undefined, '\t')).value).toEqual(JSON.parse(text))
    }),
    { numRuns: 200 },
  )
})

test('comments, trailing commas and a byte order mark are read over', () => {
  const text = '\uFEFF// servers\n{ "a": /* one */ [1, 2,], // two\n "b": "http://h/*x*/", }\n'
  expect(readJson(text).value).toEqual({ a: [1, 2], b: 'http://h/*x*/' })
})

test('a member named __proto__ is a member', () => {
  const { value } = readJson('{ "__proto__": { "url": 1 } }')
  expect(Object.keys(value as object)).toEqual(['__proto__'])
})

test('each member has its place', () => {
  const text = '{\n  "servers": {\n    "weather": {}\n  }\n}'
  const { value, offsetOf } = readJson(text)
  expect(lineAndColumn(text, offsetOf(value, 'servers'))).toBe('2:3')
  expect(lineAndColumn(text, offsetOf((value as { servers: object }).servers, 'weather'))).toBe('3:5')
  expect(offsetOf(value, 'nothing')).toBe(0)
})

test.each([
  ['', '1:1', 'the file ends in the middle'],
  ['{', '1:2', 'a name in double quotes is expected'],
  ['{ "a": 1', '1:9', 'the file ends in the middle'],
  ['{ "a": [1, 2', '1:13', 'the file ends in the middle'],
  ['{ "a": 1\n  "b": 2 }', '2:3', 'a comma or "}" is expected'],
  ['[1 2]', '1:4', 'a comma or "]" is expected'],
  ['{ "a" 1 }', '1:7', 'a colon is expected'],
  ['{ a: 1 }', '1:3', 'a name in double quotes is expected'],
  ["{ 'a': 1 }", '1:3', 'a name in double quotes is expected'],
  ['{ "a": yes }', '1:8', '"yes" is no JSON value'],
  ['{ "a": 01 }', '1:8', '"01" is no JSON value'],
  ['{ "a": }', '1:8', '"}" is no JSON value'],
  ['{ "a": "x\n" }', '1:8', 'this text has no end on its line'],
  ['{ "a": "\\x" }', '1:8', 'this text has an escape that JSON does not know'],
  ['{ "a": 1, "a": 2 }', '1:11', '"a" is there twice'],
  ['{} {}', '1:4', 'there is more after the end of the JSON text'],
  ['{} /* never closed', '1:4', 'there is more after the end of the JSON text'],
  ['[[,]]', '1:3', '"," is no JSON value'],
  ['['.repeat(102), '1:102', 'this is nested too deeply'],
])('%j: %s: %s', (text, place, message) => {
  let fault: JsonFault | undefined
  try {
    readJson(text)
  } catch (error) {
    fault = error as JsonFault
  }
  expect(fault?.message).toBe(message)
  expect(lineAndColumn(text, fault!.offset)).toBe(place)
})

test('a text of many blanks takes no longer for each', () => {
  const text = `${' '.repeat(200_000)}{}${'\n// x'.repeat(50_000)}`
  expect(readJson(text).value).toEqual({})
})
