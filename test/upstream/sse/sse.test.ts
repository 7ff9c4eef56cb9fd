// HTTP+SSE of 2024-11-05 behind the gateway: a real server of SDK v1 with real clients, and servers that misbehave.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { SseServer } from '../../../lib/index.ts'
import { connectSdkV1, connectSdkV2, textOf } from '../../support/clients.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'
import { createJournal, type Journal } from '../../support/journal.ts'
import { listen } from '../../support/listen.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { type Answer, initialize, initializeMessage, post } from '../../support/rpc.ts'
import { startSseServer } from '../../support/sse-server.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

const gatewayOf = (server: Omit<SseServer, 'type'>, rest: object = {}): Promise<RunningGateway> =>
  use(startGateway({ servers: { here: { type: 'sse', ...server } }, ...rest }))

describe.each([
  ['SDK v1', connectSdkV1],
  ['SDK v2', connectSdkV2],
])('a server of SDK v1 with a client of %s', (_client, connect) => {
  test('lists, calls, reports progress, asks, samples, and ends', async () => {
    const server = await use(startSseServer())
    const gateway = await gatewayOf({ url: server.url })
    const client = await use(connect(gateway.url('here')))
    expect((await client.tools()).map(({ name }) => name)).toContain('echo')
    expect(textOf(await client.call('echo', { text: 'häl\u2028lo' }))).toBe('häl\u2028lo')
    expect(textOf(await client.call('ask'))).toBe('accept: Ada')
    expect(textOf(await client.call('sample'))).toContain('Hello.')
    expect(textOf(await client.call('roots'))).toBe('file:///home/ada')
    expect(textOf(await client.call('echo', { text: 'x'.repeat(1_000_000) }))).toHaveLength(1_000_000)
    expect(server.open.size).toBe(1)
    await client.endSession()
    while (server.open.size > 0) await new Promise((resolve) => void setImmediate(resolve))
    expect(gateway.reported.entries).toEqual([])
  })
})

test('server-everything over HTTP+SSE', async () => {
  const program = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json')
  const server = await listen(() => {})
  const { port } = new URL(server.origin)
  await server.close()
  const child = spawn(process.execPath, [join(dirname(program), 'dist', 'index.js'), 'sse'], {
    env: { ...process.env, PORT: port },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  try {
    // It goes on telling, and ends when nobody reads it.
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk) => String(chunk).includes('running on port') && resolve())
    })
    const gateway = await gatewayOf({ url: `http://127.0.0.1:${port}/sse` })
    const client = await connectSdkV1(gateway.url('here'))
    expect((await client.tools()).map(({ name }) => name)).toContain('echo')
    expect(textOf(await client.call('echo', { message: 'hello' }))).toBe('Echo: hello')
    const progress: number[] = []
    const onprogress = (told: { progress: number }): void => void progress.push(told.progress)
    await client.call('trigger-long-running-operation', { duration: 0.3, steps: 3 }, { onprogress })
    expect(progress).toEqual([1, 2, 3])
    expect(textOf(await client.call('trigger-elicitation-request'))).toContain('Ada')
    await client.endSession()
    await client.close()
    expect(gateway.reported.entries).toEqual([])
  } finally {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
})

test('a modern client is sent back to the handshake, and no stream is opened for it', async () => {
  const server = await use(startSseServer())
  const gateway = await gatewayOf({ url: server.url })
  expect((await postModern(gateway.url('here'), modernRequest('tools/list'))).status).toBe(400)
  const client = await use(connectSdkV2(gateway.url('here'), { mode: 'auto' }))
  expect(client.sessionId).toBeDefined()
  expect(server.open.size).toBe(1)
})

test('closing the gateway ends the streams', async () => {
  const server = await use(startSseServer())
  const gateway = await gatewayOf({ url: server.url })
  await initialize(gateway.url('here'))
  await initialize(gateway.url('here'))
  expect(server.open.size).toBe(2)
  await gateway.gateway.close({ graceMs: 0 })
  while (server.open.size > 0) await new Promise((resolve) => void setImmediate(resolve))
})

interface Scripted {
  readonly url: string
  /** Streams that were opened. */
  readonly streams: Journal<Stream>
  /** Messages that were POSTed. */
  readonly posts: Journal<Posted>
  /** Stops it, so that nobody is there. */
  close(): Promise<void>
}

interface Stream {
  readonly headers: IncomingMessage['headers']
  readonly res: ServerResponse
  say(message: object | string): void
}

interface Posted {
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly message: { readonly id?: number; readonly method?: string }
  readonly res: ServerResponse
}

interface Script {
  /** What comes before the handshake. Defaults to an endpoint. */
  readonly begin?: (stream: Stream) => void
  /** Answers a message, and says whether it did. */
  readonly answer?: (posted: Posted, stream: Stream) => boolean
}

const RESULT = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 'scripted', version: '1' } }

const ENDPOINT = 'event: endpoint\ndata: /messages?s=1\n\n'

/** A server whose every byte is the test's. It answers handshakes by itself, and 202 to whatever else it is told. */
async function scripted({ begin = ({ res }) => void res.write(ENDPOINT), answer }: Script = {}): Promise<Scripted> {
  const streams: Journal<Stream> = createJournal()
  const posts: Journal<Posted> = createJournal()
  let stream: Stream | undefined
  const { origin, close } = await use(
    listen(async (req, res) => {
      const { headers, url = '' } = req
      if (req.method === 'GET') {
        const say = (message: object | string): void =>
          void res.write(
            typeof message === 'string'
              ? message
              : `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`,
          )
        stream = { headers, res, say }
        res.setHeader('content-type', 'text/event-stream')
        begin(stream)
        streams.record(stream)
        return
      }
      const posted = { url, headers, res, message: JSON.parse(await text(req)) as Posted['message'] }
      if (!answer?.(posted, stream!)) {
        res.writeHead(202).end()
        if (posted.message.method === 'initialize') stream!.say({ id: posted.message.id, result: RESULT })
      }
      posts.record(posted)
    }),
  )
  return { url: `${origin}/old/sse?tenant=a`, streams, posts, close }
}

const open = (gateway: RunningGateway): Promise<Answer> => post(gateway.url('here'), initializeMessage())

const isPing = ({ message }: Posted): boolean => message.method === 'ping'

test.each([
  ['relative to the root', () => '/messages?s=1', '/messages?s=1'],
  ['relative to the stream', () => 'messages', '/old/messages'],
  ['absolute', (origin: string) => `${origin}/m`, '/m'],
  ['without an own path', () => '?session=1', '/old/sse?session=1'],
])('the endpoint may be %s', async (_what, endpoint, path) => {
  const begin = ({ res }: Stream): void =>
    void res.write(`event: endpoint\ndata: ${endpoint(`http://${String(res.req.headers.host)}`)}\n\n`)
  const server = await scripted({ begin })
  expect((await open(await gatewayOf({ url: server.url }))).status).toBe(200)
  expect((await server.posts.next()).url).toBe(path)
})

test.each([
  ['another host', 'http://127.0.0.2:1/messages'],
  ['another port', 'http://127.0.0.1:1/messages'],
  ['another scheme', 'https://127.0.0.1/messages'],
  ['another host, without a scheme', '//evil.example/messages'],
  ['a file', 'file:///etc/passwd'],
  ['no URL', 'http://['],
])('an endpoint of %s is refused, and nothing is sent there', async (_what, endpoint) => {
  const server = await scripted({ begin: ({ res }) => void res.write(`event: endpoint\ndata: ${endpoint}\n\n`) })
  const gateway = await gatewayOf({ url: server.url })
  expect(await open(gateway)).toMatchObject({
    status: 502,
    message: { error: { message: expect.stringMatching(/another origin/) } },
  })
  expect(server.posts.entries).toEqual([])
})

test.each<[string, (stream: Stream) => void, number]>([
  ['never names an endpoint', ({ res }) => res.flushHeaders(), 504],
  ['never answers', () => {}, 504],
  ['says other things for ever', ({ res }) => void setInterval(() => res.write(':\n\n'), 20).unref(), 504],
  ['ends its stream first', ({ res }) => void res.end(), 502],
  ['breaks the connection', ({ res }) => void res.destroy(), 502],
  ['answers 405', ({ res }) => void res.writeHead(405).end(), 405],
  ['answers a page', ({ res }) => void res.setHeader('content-type', 'text/html').end('<p>'), 502],
  ['redirects', ({ res }) => void res.writeHead(302, { location: 'http://evil.example/' }).end(), 502],
])('a server that %s is an error at once, or after connectMs', async (_what, begin, status) => {
  const server = await scripted({ begin })
  const gateway = await gatewayOf({ url: server.url }, { timeouts: { connectMs: 300 } })
  expect((await open(gateway)).status).toBe(status)
  expect((await open(gateway)).status).toBe(status)
})

test('one that is not there is 502', async () => {
  const { url, close } = await scripted()
  await close()
  const gateway = await gatewayOf({ url })
  expect((await open(gateway)).status).toBe(502)
  expect(gateway.reported.entries).toHaveLength(1)
})

test('a stream that is cut answers all who wait, the session is 404, and recover opens another', async () => {
  const server = await scripted({ answer: isPing })
  const gateway = await gatewayOf({ url: server.url, recover: true })
  const session = await initialize(gateway.url('here'))
  let stream = await server.streams.next()
  for (let count = 0; count < 3; count += 1) {
    const waiting = session.request('ping')
    await server.posts.next(isPing)
    if (count % 2) stream.res.destroy()
    else stream.res.end()
    expect((await waiting).status).toBe(502)
    // It is opened again as often as it breaks: no program is at fault.
    const again = session.request('ping')
    stream = await server.streams.next()
    stream.say({ id: (await server.posts.next(isPing)).message.id, result: {} })
    expect((await again).status).toBe(200)
  }
})

test('without recover the session is 404 then', async () => {
  const server = await scripted()
  const gateway = await gatewayOf({ url: server.url })
  const session = await initialize(gateway.url('here'))
  const listener = await session.listen()
  ;(await server.streams.next()).res.destroy()
  await listener.over
  expect((await session.request('ping')).status).toBe(404)
})

test.each([403, 413, 500, 503])(
  'a message that is refused with %i is an error for its request alone',
  async (status) => {
    const refuse = ({ message, res }: Posted): boolean => {
      if (message.method === 'ping') res.writeHead(status).end('no')
      return message.method === 'ping'
    }
    const server = await scripted({ answer: refuse })
    const gateway = await gatewayOf({ url: server.url })
    const session = await initialize(gateway.url('here'))
    const { message } = await session.request('ping')
    expect(message).toMatchObject({ error: { code: -32603, message: `The server refused the message (${status})` } })
    const answer = session.request('tools/list')
    const { message: asked } = await server.posts.next((posted) => posted.message.method === 'tools/list')
    ;(await server.streams.next()).say({ id: asked.id, result: { tools: [] } })
    expect((await answer).status).toBe(200)
  },
)

test.each([404, 410])('a message that is answered %i says that the session is gone', async (status) => {
  const lost = ({ message, res }: Posted): boolean => {
    if (message.method === 'ping') res.writeHead(status).end()
    return message.method === 'ping'
  }
  const server = await scripted({ answer: lost })
  const gateway = await gatewayOf({ url: server.url })
  const session = await initialize(gateway.url('here'))
  expect((await session.request('ping')).status).toBe(502)
  expect((await session.request('ping')).status).toBe(404)
})

test("an answer may come before its POST is answered, and one that the POST brings is no one's", async () => {
  let late: ServerResponse | undefined
  const answer = ({ message, res }: Posted, stream: Stream): boolean => {
    if (message.method === 'tools/list')
      res.setHeader('content-type', 'application/json').end('{"jsonrpc":"2.0","id":1,"result":{"from":"POST"}}')
    if (message.method === 'ping') late = res
    if (message.method === 'ping' || message.method === 'tools/list')
      stream.say({ id: message.id, result: { from: 'GET' } })
    return message.method !== 'initialize' && message.id !== undefined
  }
  const server = await scripted({ answer })
  const gateway = await gatewayOf({ url: server.url })
  const session = await initialize(gateway.url('here'))
  expect((await session.request('ping')).message?.result).toEqual({ from: 'GET' })
  expect((await session.request('tools/list')).message?.result).toEqual({ from: 'GET' })
  late?.end()
})

test('nothing overtakes a notification, and requests wait for no other', async () => {
  const held: ServerResponse[] = []
  const hold = ({ message, res }: Posted): boolean => {
    const isHeld = message.method === 'notifications/initialized' || message.method === 'ping'
    if (isHeld) held.push(res)
    return isHeld
  }
  const server = await scripted({ answer: hold })
  const gateway = await gatewayOf({ url: server.url })
  const session = await initialize(gateway.url('here'))
  const pings = [session.request('ping'), session.request('ping')]
  await server.posts.next(({ message }) => message.method === 'notifications/initialized')
  await new Promise((resolve) => void setTimeout(resolve, 50))
  expect(server.posts.entries.filter(isPing)).toEqual([])
  held.shift()!.writeHead(202).end()
  const asked = [await server.posts.next(isPing), await server.posts.next(isPing)]
  const stream = await server.streams.next()
  for (const { message } of asked) stream.say({ id: message.id, result: {} })
  expect((await Promise.all(pings)).map(({ status }) => status)).toEqual([200, 200])
  for (const res of held) res.end()
})

test('comments, retry, ids, CRLF, several lines of data and bytes that arrive one by one are understood', async () => {
  const begin = ({ res }: Stream): void =>
    void res.write(': hello\r\n\r\nretry: 1\r\nid: 7\r\nevent: endpoint\r\ndata: /m\r\n\r\n')
  const server = await scripted({ begin, answer: isPing })
  const gateway = await gatewayOf({ url: server.url })
  const session = await initialize(gateway.url('here'))
  const answer = session.request('ping')
  const { message } = await server.posts.next(isPing)
  const { res } = await server.streams.next()
  const event = `:\n\ndata: {"jsonrpc":"2.0","id":${String(message.id)},\ndata: "result":{"a":"ä"}}\n\n`
  for (const byte of Buffer.from(event)) res.write(Buffer.of(byte))
  expect((await answer).message?.result).toEqual({ a: 'ä' })
})

test('an event of more than 16 MiB ends the session, and no more than that is kept of it', async () => {
  const server = await scripted({ answer: isPing })
  const gateway = await gatewayOf({ url: server.url })
  const session = await initialize(gateway.url('here'))
  const answer = session.request('ping')
  await server.posts.next(isPing)
  const { res } = await server.streams.next()
  res.write('data: ')
  for (let count = 0; count < 17; count += 1) res.write('x'.repeat(1024 * 1024))
  expect((await answer).status).toBe(502)
  expect(String(gateway.reported.entries[0]?.error.cause)).toContain('longer than 16 MiB')
})

describe('headers', () => {
  test('of the config stand in the stream and in each message', async () => {
    const server = await scripted()
    const gateway = await gatewayOf({ url: server.url, headers: { 'x-key': 'k' } })
    await initialize(gateway.url('here'))
    expect((await server.streams.next()).headers).toMatchObject({ 'x-key': 'k', accept: 'text/event-stream' })
    expect((await server.posts.next()).headers).toMatchObject({ 'x-key': 'k', 'content-type': 'application/json' })
  })

  test('that are refused with 401 are asked for once more, on either leg', async () => {
    const refuse = (res: ServerResponse): boolean => {
      const isRefused = res.req.headers['x-key'] !== 'new'
      if (isRefused) res.writeHead(401).end()
      return isRefused
    }
    const server = await scripted({
      begin: ({ res }) => refuse(res) || void res.write(ENDPOINT),
      answer: ({ res }) => refuse(res),
    })
    const asked: unknown[] = []
    const gateway = await gatewayOf({
      url: server.url,
      headers: ({ refused, request, url }) => {
        asked.push(refused, request, url)
        return { 'x-key': refused ? 'new' : 'old' }
      },
    })
    expect((await open(gateway)).status).toBe(200)
    const twice = [undefined, undefined, server.url, { 'x-key': 'old' }, undefined, server.url]
    expect(asked).toEqual([...twice, ...twice])
  })

  test('that stay refused are 502 at the stream, and an error for the message', async () => {
    const server = await scripted({ begin: ({ res }) => void res.writeHead(401).end() })
    const gateway = await gatewayOf({ url: server.url, headers: () => ({ 'x-key': 'old' }) })
    expect((await open(gateway)).message?.error?.message).toContain('refused the gateway')
    expect(server.streams.entries).toHaveLength(1)
  })
})

test('a gateway that is its own HTTP+SSE server is refused', async () => {
  const servers: Record<string, SseServer> = {}
  const gateway = await use(startGateway({ servers: (name: string) => servers[name] }))
  servers['here'] = { type: 'sse', url: gateway.url('here') }
  expect((await open(gateway)).status).toBe(502)
})

test.each([
  ['no URL', { url: 'nowhere' }, /^Server "here": "url" must be an absolute/],
  [
    'a protocol, of which there is one',
    { url: 'http://h/', protocol: 'auto' },
    /"protocol" is not a key of an HTTP\+SSE/,
  ],
  ['headers that cannot be sent', { url: 'http://h/', headers: { 'x y': '1' } }, /cannot be sent/],
  ['a recover that is neither', { url: 'http://h/', recover: 1 }, /"recover" must be true or false/],
])('a config with %s is a TypeError that names the fault', async (_what, config, fault) => {
  await expect(gatewayOf(config as never)).rejects.toThrow(fault)
})
