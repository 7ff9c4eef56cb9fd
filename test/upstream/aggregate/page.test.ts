// A page of a member's list, and the pages that are known by their text.
import { PROMPTS, TOOLS } from '../../../lib/upstream/aggregate/list-kinds.ts'
import type { Member } from '../../../lib/upstream/aggregate/members.ts'
import { KnownPages, Page, type PageSource } from '../../../lib/upstream/aggregate/page.ts'
import { isObject } from '../../../lib/util/json.ts'

const member: Member = { name: 'one', server: 'desk/one', config: { url: 'http://memory.test/mcp' } }
const source: PageSource = { member, list: TOOLS, separator: '__', cursor: undefined }
const result = '{"tools":[{"name":"a","big":12345678901234567890}, {"title":"A","name":"b"},{"title":"none"}]}'

/** What a member says, with the id in the first or in the last place. */
const first = (id: string, said = result): string => `{"jsonrpc":"2.0","id":"${id}","result":${said}}`
const last = (id: string, said = result): string => `{"result":${said},"jsonrpc":"2.0","id":"${id}"}`

/** Reads a response as a list does. Answers whether it was known, and the page. */
function read(known: KnownPages, text: string, id: string, from: PageSource = source) {
  const parsed = known.parse(text, id, from)
  const found = isObject(parsed) ? parsed['result'] : undefined
  const isKnown = found instanceof Page
  return { isKnown, page: isKnown ? found : known.pageOf(found as object as Record<string, unknown>, text, id, from) }
}

test('names are the member’s in items, and the client’s in texts, of which all else stays byte for byte', () => {
  const { page } = read(new KnownPages(), first('g-1'), 'g-1')
  expect(page.items.map(({ name }) => name)).toEqual(['a', 'b'])
  expect(page.text).toBe('{"name":"one__a","big":12345678901234567890},{"title":"A","name":"one__b"}')
  expect(page.chars).toBe('{"name":"a","big":12345678901234567890}{"title":"A","name":"b"}'.length)
})

test.each([
  ['first', first],
  ['last', last],
])('a text that differs in the id alone is known, where that is said %s', (_, say) => {
  const known = new KnownPages()
  const before = read(known, say('g-1'), 'g-1')
  const again = read(known, say('g-22'), 'g-22')
  expect([before.isKnown, again.isKnown]).toEqual([false, true])
  expect(again.page).toBe(before.page)
  expect(known.parse(say('g-3'), 'g-3', source)).toMatchObject({ jsonrpc: '2.0', id: 'g-3' })
})

test.each<[string, string, string, Partial<PageSource>]>([
  ['another text', first('g-2', result.replace('"a"', '"c"')), 'g-2', {}],
  ['another id than was asked', first('g-9'), 'g-2', {}],
  ['an id that is said elsewhere', `{"id":"g-2","jsonrpc":"2.0","result":${result}}`, 'g-2', {}],
  ['another cursor', first('g-2'), 'g-2', { cursor: '1' }],
  ['another list', first('g-2'), 'g-2', { list: PROMPTS }],
  ['another separator', first('g-2'), 'g-2', { separator: '.' }],
  ['another member', first('g-2'), 'g-2', { member: { ...member, name: 'two', server: 'desk/two' } }],
  ['what is no JSON', first('g-2').slice(0, -1), 'g-2', {}],
])('%s is not known', (_, text, id, change) => {
  const known = new KnownPages()
  read(known, first('g-1'), 'g-1')
  const parsed = known.parse(text, id, { ...source, ...change })
  expect(isObject(parsed) ? parsed['result'] : undefined).not.toBeInstanceOf(Page)
})

test('an empty list, and a result without one, are pages without a text', () => {
  const known = new KnownPages()
  for (const said of ['{"tools":[]}', '{}']) expect(read(known, first('g-1', said), 'g-1').page.text).toBe('')
})

test('without a separator texts are the very same', () => {
  const bare = { ...source, separator: false } as const
  expect(read(new KnownPages(), first('g-1'), 'g-1', bare).page.text).toBe(
    '{"name":"a","big":12345678901234567890},{"title":"A","name":"b"}',
  )
})
