// What a server or a client may write so that another parser than ours reads another message past a layer. (governance 12, 19-23)
import { type OpenStream, post, type Session } from '../../support/rpc.ts'
import type { Exchange } from '../../support/exchange.ts'
import { tools } from '../../../lib/index.ts'
import { cleanUp, layer, world } from './setup.ts'

afterEach(cleanUp)

/** Withholds all results of tools, and asks nobody anything. */
const guard = layer({
  'tools/call': async (_, next) => {
    await next()
    return { content: [] }
  },
  'elicitation/create': () => ({ action: 'decline' }),
})

const call = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'x' } }
const ping = { jsonrpc: '2.0', id: 8, method: 'ping' }
const end = { method: 'notifications/message', params: { level: 'info', data: 'the end' } }

describe.each(['tools/call', 'ping', 'GET'])('in an event of the answer to %s', (asked) => {
  test.each([
    ['a number that JSON has not', '{"jsonrpc":"2.0","id":7,"result":{"content":["secret"],"n":NaN}}'],
    ['a comment', '/**/{"jsonrpc":"2.0","id":7,"result":{"content":["secret"]}}'],
    ['more behind it', '{"jsonrpc":"2.0","id":7,"result":{"content":["secret"]}} {}'],
    ['a byte order mark', '\uFEFF{"jsonrpc":"2.0","id":7,"result":{"content":["secret"]}}'],
    ['an array in an array', '[[{"jsonrpc":"2.0","id":7,"result":{"content":["secret"]}}]]'],
    ['an array of other things, too', '[{"jsonrpc":"2.0","id":7,"result":{"content":["secret"]}},1]'],
    ['a key in another case', '{"jsonrpc":"2.0","id":7,"Result":{"content":["secret"]}}'],
    ['a key with a letter that folds', '{"jsonrpc":"2.0","id":7,"re\u017Fult":{"content":["secret"]}}'],
    ['a result and a method', '{"jsonrpc":"2.0","id":7,"method":"x/y","result":{"content":["secret"]}}'],
    ['two ids, the first foreign', '{"jsonrpc":"2.0","id":7,"result":{"content":["secret"]},"id":8}'],
    ['two ids, the last foreign', '{"jsonrpc":"2.0","id":8,"result":{"content":["secret"]},"id":7}'],
    ['the id of another call', '{"jsonrpc":"2.0","id":"7","result":{"content":["secret"]}}'],
    [
      'a question in another case',
      '{"jsonrpc":"2.0","id":1,"Method":"elicitation/create","params":{"message":"secret"}}',
    ],
    [
      'a question with two methods',
      '{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"secret"},"method":"x/y"}',
    ],
    [
      'a question with a number that JSON has not',
      '{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"secret","n":Infinity}}',
    ],
  ])('%s reaches no client', async (_, data) => {
    const { upstream, open } = await world({ intercept: guard })
    upstream.on(asked, async (exchange) => {
      const stream = exchange.stream()
      await stream.write(`data: ${data}\n\n`)
      await stream.send(end)
      stream.finish({})
    })
    const session = await open()
    const stream = await opened(asked, session)
    await stream.over
    expect(stream.bytes().toString()).toContain('the end')
    expect(stream.bytes().toString()).not.toContain('secret')
  })
})

describe.each(['tools/call', 'ping', 'GET'])(
  'for a client that splits the answer to %s at every line end of Unicode',
  (asked) => {
    const evil = '{"jsonrpc":"2.0","id":7,"result":{"content":["secret"]}}'
    const noted = (data: string) =>
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"${data}"}}`

    test.each([
      [
        'a line separator in a text',
        `data: ${noted(`\u2028\u2028data: ${evil.replaceAll('"', String.raw`\"`)}\u2028\u2028`)}`,
      ],
      ['a next line in a text', `data: ${noted(`\x85\x85data: ${evil.replaceAll('"', String.raw`\"`)}\x85\x85`)}`],
      ['a line separator in a comment', `: \u2028\u2028data: ${evil}\u2028\u2028`],
      ['a line separator in an id', `id: 1\u2028data: ${evil}\u2028\u2028\ndata: ${noted('x')}`],
      ['a line separator in a type', `event: message\u2029data: ${evil}\u2029\u2029\ndata: ${noted('x')}`],
      ['a form feed in an unknown field', `x: \fdata: ${evil}\f\f`],
      ['white space before a field', ` data: ${evil}`],
      ['a byte order mark before a field', `\uFEFFdata: ${evil}`],
    ])('%s is no event', async (_, lines) => {
      const { upstream, open } = await world({ intercept: guard })
      upstream.on(asked, async (exchange) => {
        const stream = exchange.stream()
        await stream.write(': hello\n\n')
        await stream.write(`${lines}\n\n`)
        await stream.send(end)
        stream.finish({})
      })
      const stream = await opened(asked, await open())
      await stream.over
      const text = stream.bytes().toString()
      // oxlint-disable-next-line no-control-regex
      const data = text.split(/[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/).filter((line) => /^[\s\uFEFF]*data:/.test(line))
      const messages = data.map((line) => line.replace(/^.*?data: ?/, '')).filter((each) => each !== '')
      expect(
        messages
          .map((each) => JSON.parse(each) as { result?: object })
          .filter(({ result }) => result && JSON.stringify(result).includes('secret')),
      ).toEqual([])
      expect(text).toContain('the end')
    })
  },
)

test('what a text says of line ends is escaped, and says the same', async () => {
  const { upstream, open } = await world({ intercept: guard })
  const data = 'a\u2028b\u2029c\x85d'
  upstream.on('ping', async (exchange) => {
    const stream = exchange.stream()
    await stream.write(
      `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"${data}"}}\n\n`,
    )
    stream.finish({})
  })
  const { messages, body } = await (await open()).post(ping)
  expect(messages[0]!.params).toEqual({ level: 'info', data })
  expect(body).toContain(String.raw`"a\u2028b\u2029c\u0085d"`)
})

function opened(asked: string, session: Session): Promise<OpenStream> {
  if (asked === 'GET') return session.listen()
  return session.stream(asked === 'ping' ? ping : call)
}

test('a response to another request, and a second one, are not relayed on the stream of a method that no layer names', async () => {
  const { upstream, open } = await world({ intercept: guard })
  upstream.on('ping', async (exchange) => {
    const stream = exchange.stream()
    await stream.send({ id: 7, result: { content: ['secret'] } })
    await stream.send({ id: 8, result: { pong: true } })
    await stream.send({ id: 8, result: { content: ['secret'] } })
    stream.end()
  })
  const answered = await (await open()).post(ping)
  expect(answered.messages).toEqual([{ jsonrpc: '2.0', id: 8, result: { pong: true } }])
})

test('where a response was dropped, the client is told that none came', async () => {
  const { upstream, open } = await world({ intercept: guard })
  upstream.on('ping', async (exchange) => {
    const stream = exchange.stream()
    await stream.write('data: {"jsonrpc":"2.0","id":8,"Result":{},"result":{}}\n\n')
    stream.end()
  })
  const { message } = await (await open()).post(ping)
  expect(message).toMatchObject({ id: 8, error: { code: 502 } })
})

describe('a document that answers a method which no layer names', () => {
  const json = { 'content-type': 'application/json' }
  const long = 'x'.repeat(300_000)

  test.each([
    ['is the response to another request', '{"jsonrpc":"2.0","id":7,"result":{"content":["secret"]}}'],
    ['is a question', '{"method":"elicitation/create","params":{"message":"secret"},"jsonrpc":"2.0","id":8}'],
    ['is an array', '[{"jsonrpc":"2.0","id":8,"result":{}},{"jsonrpc":"2.0","id":7,"result":{"content":["secret"]}}]'],
    ['has two ids', '{"result":{"content":["secret"]},"id":7,"jsonrpc":"2.0","id":8}'],
    ['has a key in another case', '{"ID":7,"result":{"content":["secret"]},"jsonrpc":"2.0","id":8}'],
    ['has its id behind much else', `{"x":"${'x'.repeat(20_000)}","id":7,"result":{"content":["secret"]}}`],
    [
      'is a question under the status of an error',
      '{"id":8,"method":"elicitation/create","params":{"message":"secret"}}',
      400,
    ],
    ['is long', `{"jsonrpc":"2.0","id":7,"result":{"content":["secret"],"x":"${long}"}}`],
  ])('and %s is refused', async (_, text, status = 200) => {
    const { upstream, open } = await world({ intercept: guard })
    upstream.on('ping', (exchange) => exchange.status(status, text, json))
    const session = await open()
    const answered = await session.post(ping).catch((error: Error) => error.message)
    // One whose beginning had left when its end came is cut.
    if (typeof answered === 'string') expect([answered, text.length > long.length]).toEqual(['aborted', true])
    else expect([answered.status, answered.body.includes('secret')]).toEqual([502, false])
  })

  test.each([
    ['a result', `{"jsonrpc":"2.0","id":8,"result":{"a":[{"id":7}]}}`],
    ['a long result, with its id at the end', `{"result":{"x":"${long}"},"jsonrpc":"2.0","id":8}`],
    ['other members and white space', ' { "id" : 8 , "extra" : [ 1 ], "result" : { } , "jsonrpc" : "2.0" } '],
    ['an error', '{"jsonrpc":"2.0","id":8,"error":{"code":-32601,"message":"no"}}'],
    ['an error without an id', '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}', 400],
    ['what is no JSON-RPC message, under the status of an error', '{"detail":"no"}', 422],
  ])('and has %s is relayed as it is', async (_, text, status = 200) => {
    const { upstream, open } = await world({ intercept: guard })
    upstream.on('ping', (exchange) => exchange.status(status, text, json))
    const answered = await (await open()).post(ping)
    expect([answered.status, answered.body]).toEqual([status, text])
  })

  test('in a batch is checked, too', async () => {
    const { upstream, open } = await world({ intercept: guard })
    const evil = (exchange: Exchange): void =>
      exchange.json([{ jsonrpc: '2.0', id: 7, result: { content: ['secret'] } }])
    upstream.on('batch', evil)
    upstream.on('ping', evil)
    const session = await open({ version: '2025-03-26' })
    expect((await session.post([ping, { ...ping, id: 9 }])).body).not.toContain('secret')
  })
})

test('a session whose handshake is refused ends at its server', async () => {
  const { upstream, url } = await world({ intercept: guard })
  const opening = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } }
  upstream.on('initialize', (exchange) => {
    upstream.sessions.add('s1')
    exchange.status(200, `{"ID":1,"result":${JSON.stringify(opening)},"jsonrpc":"2.0","id":1}`, {
      'content-type': 'application/json',
      'mcp-session-id': 's1',
    })
  })
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }
  const refused = await post(url, { jsonrpc: '2.0', id: 1, method: 'initialize', params })
  expect([refused.status, refused.headers['mcp-session-id']]).toEqual([502, undefined])
  await upstream.nextRequest('DELETE')
})

describe('a call that the rules of tools() or of scopes refuse, however a client writes it, reaches no server', () => {
  const RULES: readonly Parameters<typeof world>[0][] = [
    { intercept: tools({ deny: ['admin'] }) },
    { authenticate: () => ({ id: 'ada', scopes: [] }), server: { scopes: { tools: { admin: ['root'] } } } },
  ]

  test.each([
    ['as a notification', '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"admin"}}'],
    ['with null for an id', '{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"admin"}}'],
    ['that is a response, too', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"admin"},"result":{}}'],
    [
      'that is a response in this case',
      '{"jsonrpc":"2.0","id":1,"result":{},"Method":"tools/call","params":{"name":"admin"}}',
    ],
    [
      'with a name in two cases',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ok","Name":"admin"}}',
    ],
    ['with a name up to a NUL', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"admin\\u0000"}}'],
    [
      'with a key up to a NUL',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ok","name\\u0000":"admin"}}',
    ],
    ['with escapes', '{"jsonrpc":"2.0","id":1,"m\\u0065thod":"tools\\/call","params":{"n\\u0061me":"\\u0061dmin"}}'],
    [
      'with parameters twice',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ok"},"params":{"name":"admin"}}',
    ],
    ['with an array of parameters', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["admin"]}'],
    ['with an array for a name', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["admin"]}}'],
    ['in a batch', '[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"admin"}}]'],
    ['as a notification in a batch', '[{"jsonrpc":"2.0","method":"tools/call","params":{"name":"admin"}}]'],
    ['in a batch in a batch', '[[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"admin"}}]]'],
    ['behind a byte order mark', '\uFEFF{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"admin"}}'],
    ['in another prototype', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"__proto__":{"name":"admin"}}}'],
    ['as a task', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"admin","task":{}}}'],
  ])('%s', async (_, text) => {
    for (const rules of RULES) {
      const { upstream, open } = await world(rules)
      for (const version of ['2025-03-26', '2025-11-25']) {
        const session = await open({ version })
        await session.post(text)
        await session.post(Buffer.from(text, 'utf16le'))
      }
      expect(upstream.requests().filter(({ body }) => body.toString('latin1').includes('admin'))).toEqual([])
    }
  })
})
