// Messages: what they are, and what they say.
import {
  messageOf,
  notificationOf,
  requestIdsOf,
  requestOf,
  type RequestMessage,
  responseText,
  withString,
} from '../../lib/exchange/message.ts'

const parsed = (text: string): ReturnType<typeof messageOf> => messageOf(JSON.parse(text), text, 'legacy')

describe('a message of a server', () => {
  test.each([
    ['{"jsonrpc":"2.0","id":1,"method":"ping"}', { kind: 'request', id: 1, method: 'ping', params: undefined }],
    [
      '{"id":"a","method":"roots/list","params":{"x":1}}',
      { kind: 'request', id: 'a', method: 'roots/list', params: { x: 1 } },
    ],
    ['{"jsonrpc":"2.0","id":0,"method":"ping"}', { kind: 'request', id: 0, method: 'ping', params: undefined }],
    [
      '{"method":"notifications/progress","params":{}}',
      { kind: 'notification', method: 'notifications/progress', params: {} },
    ],
    ['{"id":null,"method":"ping"}', { kind: 'notification', method: 'ping', params: undefined }],
    ['{"id":1,"result":{"a":1}}', { kind: 'response', id: 1, result: { a: 1 } }],
    ['{"id":1,"result":null}', { kind: 'response', id: 1, result: null }],
    ['{"id":1,"error":null}', { kind: 'response', id: 1, error: null }],
    ['{"id":1,"error":{"code":-1,"message":"no"}}', { kind: 'response', id: 1, error: { code: -1, message: 'no' } }],
    [
      '{"id":null,"error":{"code":-32700,"message":"?"}}',
      { kind: 'response', id: null, error: { code: -32700, message: '?' } },
    ],
    ['{"error":{"code":-32700,"message":"?"}}', { kind: 'response', id: null, error: { code: -32700, message: '?' } }],
  ])('%s is read', (text, message) => {
    expect(parsed(text)).toEqual({ era: 'legacy', text, ...message })
  })

  test.each([
    '{}',
    '{"id":1}',
    '[]',
    '[]',
    '[1]',
    '[[]]',
    '[[{"id":1,"result":{}}]]',
    'null',
    '1',
    '"ping"',
    '{"method":1,"result":{}}',
  ])('%s is none', (text) => {
    expect(parsed(text)).toBeUndefined()
  })

  test('has its text as it stood on the wire, and the era of the one who reads it', () => {
    const text = ' { "method" : "a\\u0062c", "params": {"n": 1.0} } '
    expect(messageOf(JSON.parse(text), text, 'modern')).toMatchObject({ text, era: 'modern', method: 'abc' })
  })
})

describe('a message of our own', () => {
  test('says in its text what it says in its fields', () => {
    const request = requestOf('legacy', 7, 'tools/call', { name: 'forecast' })
    expect(parsed(request.text)).toEqual(request)
    const notification = notificationOf('legacy', 'notifications/cancelled', { requestId: 7 })
    expect(parsed(notification.text)).toEqual(notification)
  })

  test('leaves params out that there are not', () => {
    expect(requestOf('modern', 'a', 'ping').text).toBe('{"jsonrpc":"2.0","id":"a","method":"ping"}')
    expect(notificationOf('legacy', 'notifications/initialized').text).toBe(
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    )
  })

  test('answers with a result or an error, also where the id could not be read', () => {
    expect(responseText(1, { result: {} })).toBe('{"jsonrpc":"2.0","id":1,"result":{}}')
    expect(responseText(null, { error: { code: -32700, message: '?' } })).toBe(
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}',
    )
  })
})

describe('the requests in a message', () => {
  const [one, two] = [requestOf('legacy', 1, 'ping'), requestOf('legacy', '2', 'ping')]
  const said = notificationOf('legacy', 'notifications/initialized')

  test('are itself, those of a batch in order, or none', () => {
    const answered = { kind: 'response', era: 'legacy', id: 3, result: {}, text: '' } as const
    expect(requestIdsOf(one)).toEqual([1])
    expect(requestIdsOf({ kind: 'batch', era: 'legacy', items: [two, said, one, answered], text: '' })).toEqual([
      '2',
      1,
    ])
    for (const none of [undefined, said, answered]) expect(requestIdsOf(none)).toEqual([])
  })
})

describe('another string in a request', () => {
  const ODD =
    ' { "id" : 7, "method" : "tools/call", "params" : {"n":12345678901234567890, "ref":{"x":[1e2],"name":"o\\u006ee__a"}, "name": "one__a"} } '
  const odd = parsed(ODD) as RequestMessage

  test('HD9 changes that string in the text and in what it was parsed to, and nothing else', () => {
    const renamed = withString({ ...odd, era: 'modern' }, ['params', 'name'], 'a "b"\ud800')
    expect(renamed.text).toBe(ODD.replace('"one__a"', String.raw`"a \"b\"\ud800"`))
    expect(parsed(renamed.text)).toEqual({ ...renamed, era: 'legacy' })
    expect(renamed.era).toBe('modern')
    expect(renamed.params!['ref']).toBe(odd.params!['ref'])
    expect(odd).toEqual(parsed(ODD))
  })

  test('is found below others, however it is written', () => {
    const renamed = withString(odd, ['params', 'ref', 'name'], 'a')
    expect(renamed.text).toBe(ODD.replace('"o\\u006ee__a"', '"a"'))
    expect(parsed(renamed.text)).toEqual(renamed)
  })

  test('is the same request if it is the same string', () => {
    expect(withString(odd, ['params', 'name'], 'one__a')).toBe(odd)
    expect(withString(odd, ['params', 'ref', 'name'], 'one__a')).toBe(odd)
  })

  test('is found among members that differ by what every object has', () => {
    const text = '{"id":1,"method":"tools/call","params":{"__proto__":{"name":"c"},"name":"one__a"}}'
    const renamed = withString(parsed(text) as RequestMessage, ['params', 'name'], 'a')
    expect(parsed(renamed.text)).toEqual(renamed)
    expect(Object.keys(renamed.params!)).toEqual(['__proto__', 'name'])
  })

  test('is a TypeError where there is none', () => {
    expect(() => withString(odd, ['params', 'uri'], 'x')).toThrow(TypeError)
    expect(() => withString(requestOf('legacy', 1, 'ping'), ['params', 'name'], 'x')).toThrow(TypeError)
  })
})
