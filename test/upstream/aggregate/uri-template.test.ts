import { matchesTemplate } from '../../../lib/upstream/aggregate/uri-template.ts'

test.each([
  ['file:///{path}', 'file:///a/b', true],
  ['file:///{path}', 'http://a', false],
  ['db://{table}/row/{id}.json', 'db://users/row/7.json', true],
  ['db://{table}/row/{id}.json', 'db://users/row/7.xml', false],
  ['db://{table}/row/{id}.json', 'db://.json', false],
  ['a://b', 'a://b', true],
  ['a://b', 'a://b/c', false],
  ['{+any}', 'x', true],
  ['aa{x}aa', 'aaa', false],
  ['', '', true],
])('%j and %j: %p', (template, uri, expected) => {
  expect(matchesTemplate(template, uri)).toBe(expected)
})
