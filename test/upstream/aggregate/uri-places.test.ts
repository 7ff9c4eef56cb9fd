import {
  mapMeta,
  mapQuestionUris,
  mapResource,
  mapResultUris,
  mayHaveUris,
} from '../../../lib/upstream/aggregate/uri-places.ts'

const map = (uri: string): string => `m+${uri}`
const link = (uri: string) => ({ type: 'resource_link', uri, name: 'n' })
const embedded = (uri: string) => ({ type: 'resource', resource: { uri, text: 't' } })

test('results: links, embedded resources, contents, messages and interfaces', () => {
  const result = {
    content: [link('a:1'), embedded('a:2'), { type: 'text', text: 'a:3', uri: 'a:4' }],
    contents: [{ uri: 'a:5', blob: '' }],
    messages: [
      { role: 'user', content: embedded('a:6') },
      { role: 'user', content: [link('a:7')] },
    ],
    structuredContent: { uri: 'a:8' },
    _meta: { ui: { resourceUri: 'a:9' }, 'ui/resourceUri': 'a:10', uri: 'a:11' },
  }
  expect(mapResultUris(result, map)).toEqual({
    content: [link('m+a:1'), embedded('m+a:2'), { type: 'text', text: 'a:3', uri: 'a:4' }],
    contents: [{ uri: 'm+a:5', blob: '' }],
    messages: [
      { role: 'user', content: embedded('m+a:6') },
      { role: 'user', content: [link('m+a:7')] },
    ],
    structuredContent: { uri: 'a:8' },
    _meta: { ui: { resourceUri: 'm+a:9' }, 'ui/resourceUri': 'm+a:10', uri: 'a:11' },
  })
})

test('questions: results of tools in messages of sampling, also as a result that asks for input', () => {
  const params = { messages: [{ role: 'user', content: [{ type: 'tool_result', content: [link('a:1')] }] }] }
  const mapped = { messages: [{ role: 'user', content: [{ type: 'tool_result', content: [link('m+a:1')] }] }] }
  expect(mapQuestionUris(params, map)).toEqual(mapped)
  const asks = (given: object) => ({ inputRequests: { q: { method: 'sampling/createMessage', params: given } } })
  expect(mapResultUris(asks(params), map)).toEqual(asks(mapped))
})

test('questions: a result of a tool within another', () => {
  const nested = (uri: string) => ({
    messages: [{ content: { type: 'tool_result', content: [{ type: 'tool_result', content: [link(uri)] }] } }],
  })
  expect(mapQuestionUris(nested('a:1'), map)).toEqual(nested('m+a:1'))
})

test('items of lists: resources and templates', () => {
  expect(mapResource({ uri: 'a:1', name: 'a:2' }, map)).toEqual({ uri: 'm+a:1', name: 'a:2' })
  expect(mapResource({ uriTemplate: 'a:{x}' }, map)).toEqual({ uriTemplate: 'm+a:{x}' })
})

test.each([
  [mapResultUris, { content: [{ type: 'text', text: 'x' }], isError: false, structuredContent: { uri: 'a:1' } }],
  [mapResultUris, { content: null, contents: 7, messages: [null, 'x', { content: 1 }], _meta: [], inputRequests: [] }],
  [mapResultUris, null],
  [mapResultUris, 'x'],
  [mapResultUris, { content: [{ type: 'resource_link' }, { type: 'resource', resource: null }, null] }],
  [mapQuestionUris, { message: 'Who?', requestedSchema: {} }],
  [mapQuestionUris, undefined],
  [mapMeta, { ui: 'x', other: 1 }],
  [mapMeta, undefined],
])('%# without a URI it is the very same value', (fn, value) => {
  expect(fn(value, map)).toBe(value)
})

test('results of tools in each other are followed to a limit, not without end', () => {
  let block: object = link('a:1')
  for (let depth = 0; depth < 10_000; depth += 1) block = { type: 'tool_result', content: [block] }
  expect(mapQuestionUris({ messages: [{ content: block }] }, map)).toEqual({ messages: [{ content: block }] })
})

test.each([
  ['{"result":{"content":[{"type":"text","text":"x"}]}}', false],
  ['{"result":{"contents":[{"uri":"a:1"}]}}', true],
  ['{"_meta":{"ui":{"resourceUri":"a:1"}}}', true],
  ['{"\\u0075ri":"a:1"}', true],
])('%j may have a URI: %p', (text, expected) => {
  expect(mayHaveUris(Buffer.from(text))).toBe(expected)
})
