import { advertisedUri, isMemberUri, memberUri } from '../../../lib/upstream/aggregate/uris.ts'

test.each([
  ['files', 'file:///a b', 'files+file:///a b'],
  ['files', 'notes.txt', 'files+notes.txt'],
  ['files', '', 'files+'],
  ['apps', 'ui://chart/index.html', 'ui://apps/chart/index.html'],
  ['apps', 'ui://', 'ui://apps/'],
  ['a-1', 'other+file:///x\n', 'a-1+other+file:///x\n'],
  ['db', 'row://{table}/{id}', 'db+row://{table}/{id}'],
  ['db', '{+any}', 'db+{+any}'],
])('of %s, %j is %j, and back', (member, uri, advertised) => {
  expect(advertisedUri(member, uri)).toBe(advertised)
  expect(memberUri(advertised)).toEqual({ member, uri })
  expect(isMemberUri(advertised, member)).toBe(true)
  expect(isMemberUri(advertised, `${member}x`)).toBe(false)
})

test('a client may have put the scheme into lower case', () => {
  const { href } = new URL(advertisedUri('GitHub', 'repo://a/b'))
  expect(href).toBe('github+repo://a/b')
  expect(isMemberUri(href, 'GitHub')).toBe(true)
})

test.each(['file:///x', 'ui://only', 'a_b+x:y', '+x', '1a+x', ''])('%j is no URI of a member', (uri) => {
  expect(memberUri(uri)).toBeUndefined()
})
