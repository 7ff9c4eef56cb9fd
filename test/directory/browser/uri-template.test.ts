// URI templates of resources. (RFC 6570)
import { expandTemplate, templateSchema } from '../../../lib/directory/browser/uri-template.ts'

const values = { var: 'a/b c', hello: 'ü', path: '/foo/bar' }

test.each([
  ['x://{var}/y', 'x://a%2Fb%20c/y'],
  ['x:{+path}/{hello}', 'x:/foo/bar/%C3%BC'],
  ['{#var}', '#a/b%20c'],
  ['x{/var,hello}', 'x/a%2Fb%20c/%C3%BC'],
  ['x{?var,none}', 'x?var=a%2Fb%20c'],
  ['x?a=1{&hello}', 'x?a=1&hello=%C3%BC'],
  ['x{;hello}{.hello}', 'x;hello=%C3%BC.%C3%BC'],
  ['{var:3}{none}', 'a%2Fb%20c'],
  ['plain://uri', 'plain://uri'],
])('%s becomes %s', (template, uri) => {
  expect(expandTemplate(template, values)).toBe(uri)
})

test('a form asks for each variable', () => {
  expect(templateSchema('x://{a}/{?b,c*}')).toMatchObject({ required: ['a', 'b', 'c'] })
  expect(templateSchema('x://y')).toEqual({ type: 'object', properties: {}, required: [] })
})
