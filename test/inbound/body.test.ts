// The body of a POST as a real socket brings it, and as parsers of a host leave it.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { GatewayError } from '../../lib/errors.ts'
import { type BodyMeter, readContent, type RequestBody } from '../../lib/inbound/body.ts'
import type { GatewayRequest } from '../../lib/types.ts'
import { createJournal } from '../support/journal.ts'
import { listen } from '../support/listen.ts'

const LIMIT = 100
const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

type Prepare = (request: GatewayRequest) => void | Promise<void>

interface Sent {
  readonly socket: Socket
  /** What readContent made of it; a rejection is its value. */
  readonly content: Promise<RequestBody | (Error & { code?: string })>
}

const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((close) => close()))
})

/** Sends the bytes of a request to a server that does `prepare` and then reads the body. */
async function send(bytes: string | Buffer, prepare: Prepare = () => {}): Promise<Sent> {
  const read = createJournal<RequestBody | Error>()
  const listening = await listen(async (request: GatewayRequest) => {
    await prepare(request)
    const reading = async (): Promise<RequestBody> => readContent(request, LIMIT)
    read.record(await reading().catch((error: Error) => error))
  })
  const socket = connect(Number(new URL(listening.origin).port), '127.0.0.1')
  opened.push(async () => {
    socket.destroy()
    await listening.close()
  })
  socket.on('error', () => {})
  socket.write(bytes)
  return { socket, content: read.next() }
}

function http(body: string | Buffer, headers: Record<string, string | number> = {}): Buffer {
  const all = {
    host: 'localhost',
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`POST / HTTP/1.1\r\n${lines.join('')}\r\n`), Buffer.from(body)])
}

function chunked(...chunks: string[]): string {
  const head =
    'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n'
  return head + chunks.map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`).join('')
}

test('RPC14 a body comes as the bytes that were sent, as their text and as JSON', async () => {
  const body = '{"jsonrpc":"2.0", "id":12345678901234567890,"method":"é"}'
  const content = await (await send(http(body))).content
  expect(content).toEqual({ bytes: Buffer.from(body), text: body, json: JSON.parse(body) as unknown })
})

test('SE18 a body comes in chunks that split characters', async () => {
  const body = Buffer.from('{"k":"é漢\u{1f511}"}')
  const { socket, content } = await send(http('', { 'content-length': body.length }))
  socket.setNoDelay()
  for (const byte of body) {
    socket.write(Buffer.of(byte))
    await new Promise(setImmediate)
  }
  expect(await content).toEqual({ bytes: body, text: body.toString(), json: { k: 'é漢\u{1f511}' } })
})

test('a body comes without a length', async () => {
  const { content } = await send(`${chunked(ping.slice(0, 10), ping.slice(10))}0\r\n\r\n`)
  expect(await content).toMatchObject({ bytes: Buffer.from(ping) })
})

test.each([
  'application/json',
  'application/json; charset=utf-8',
  'APPLICATION/JSON',
  'application/json ;charset="utf-8"',
])('HD2 the content type %j is JSON', async (type) => {
  expect(await (await send(http(ping, { 'content-type': type }))).content).toMatchObject({
    json: JSON.parse(ping) as unknown,
  })
})

test.each(['text/plain', 'application/json-rpc', 'application/jsonx', 'application/x-www-form-urlencoded', ''])(
  'HD2 the content type %j is unsupported_media_type',
  async (type) => {
    expect(await (await send(http(ping, { 'content-type': type }))).content).toMatchObject({
      code: 'unsupported_media_type',
    })
  },
)

test('HD2 a body that is compressed is unsupported_media_type', async () => {
  const { content } = await send(http(ping, { 'content-encoding': 'gzip' }))
  expect(await content).toMatchObject({ code: 'unsupported_media_type' })
})

const unreadable: [what: string, body: string | Buffer][] = [
  ['nothing', ''],
  ['half a message', ping.slice(0, -1)],
  ['a message and more', `${ping}${ping}`],
  ['a single quote', "{'a':1}"],
  ['a byte order mark', `\ufeff${ping}`],
  ['UTF-16', Buffer.from(ping.slice(0, 20), 'utf16le')],
  ['bytes that are no UTF-8', Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff, 0xc3), Buffer.from('"}')])],
  ['an overlong encoding', Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xc0, 0xaf), Buffer.from('"}')])],
]

test.each(unreadable)('RPC1 %s is a parse_error', async (_, body) => {
  expect(await (await send(http(body))).content).toMatchObject({ code: 'parse_error' })
})

test('SC9 a key that stands twice is an invalid_request', async () => {
  const { content } = await send(http('{"method":"a","method":"b"}'))
  expect(await content).toMatchObject({ code: 'invalid_request' })
})

test('SC6 ER9 a body of the limit passes, one byte more is body_too_large', async () => {
  const fits = `"${'x'.repeat(LIMIT - 2)}"`
  expect(await (await send(http(fits))).content).toMatchObject({ bytes: Buffer.from(fits) })
  expect(await (await send(http(`${fits} `))).content).toMatchObject({ code: 'body_too_large' })
})

test('SC6 a length that is too large is refused before the body comes', async () => {
  const { content } = await send(http('', { 'content-length': LIMIT + 1 }))
  expect(await content).toMatchObject({ code: 'body_too_large' })
})

test('SC6 a body without a length is refused as soon as it is too large, however it goes on', async () => {
  const { content } = await send(chunked('x'.repeat(LIMIT), 'x'))
  expect(await content).toMatchObject({ code: 'body_too_large' })
})

test('a client that goes away in the middle of its body is a bad_request', async () => {
  const { socket, content } = await send(http(ping.slice(0, 10), { 'content-length': ping.length }), (request) => {
    request.once('data', () => socket.destroy())
  })
  expect(await content).toMatchObject({ code: 'bad_request' })
})

test('a client that has gone away before its body is asked for is a bad_request', async () => {
  const { content, socket } = await send(
    http(ping.slice(0, 10), { 'content-length': ping.length }),
    async (request) => {
      setImmediate(() => socket.destroy())
      await new Promise<void>((resolve) => request.once('close', resolve))
    },
  )
  expect(await content).toMatchObject({ code: 'bad_request' })
})

/** Sends the bytes of a request, and resolves with what `use` makes of it at the server. */
async function withRequest<T>(bytes: string | Buffer, use: (request: GatewayRequest) => Promise<T>): Promise<T> {
  const used = createJournal<T>()
  const listening = await listen(async (request: GatewayRequest) => used.record(await use(request)))
  const socket = connect(Number(new URL(listening.origin).port), '127.0.0.1')
  opened.push(async () => {
    socket.destroy()
    await listening.close()
  })
  socket.write(bytes)
  return used.next()
}

test('SC6 what still comes of a body that was refused is not counted', async () => {
  const counted: number[] = []
  const meter: BodyMeter = {
    add(length) {
      counted.push(length)
      if (counted.length === 2) throw new GatewayError('too_many_requests', 'Too much')
    },
  }
  const headers = { 'content-type': 'application/json' }
  const request = Object.assign(new PassThrough(), { headers }) as unknown as GatewayRequest & PassThrough
  const content = readContent(request, LIMIT, meter) as Promise<RequestBody>
  for (const chunk of ['x', 'xx', 'xxx']) request.write(chunk)
  await expect(content).rejects.toMatchObject({ code: 'too_many_requests' })
  request.resume()
  request.end()
  await once(request, 'end')
  expect(counted).toEqual([1, 2])
})

test('a body is not kept for as long as its request is', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const [request, content] = await withRequest(
    http(ping),
    async (asked) => [asked, new WeakRef(await readContent(asked, LIMIT))] as const,
  )
  for (let round = 0; round < 20 && content.deref(); round += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
  expect(content.deref()).toBeUndefined()
  expect(request.complete).toBe(true)
})

describe('RT11 after a parser of the host', () => {
  /** Reads the stream away, as a parser does, and leaves `body` behind. */
  const leaving =
    (body: unknown): Prepare =>
    async (request) => {
      request.resume()
      await once(request, 'end')
      request.body = body
    }

  const left: [what: string, body: unknown, json: unknown][] = [
    ['an object', { method: 'ping' }, { method: 'ping' }],
    ['an array', [{ method: 'ping' }], [{ method: 'ping' }]],
    ['text', '{"method":"ping"}', { method: 'ping' }],
    ['bytes', Buffer.from('{"method":"ping"}'), { method: 'ping' }],
  ]

  test.each(left)('%s it left is used', async (_, body, json) => {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    expect(await (await send(http(ping), leaving(body))).content).toEqual({ bytes, text: bytes.toString(), json })
  })

  test('a parser that says so in _body, as those of Express 4 do, is believed', async () => {
    const { content } = await send(
      http(ping),
      (request) => void Object.assign(request, { _body: true, body: { a: 1 } }),
    )
    expect(await content).toMatchObject({ json: { a: 1 } })
  })

  test('a body that was not read is read, whatever stands in request.body', async () => {
    const { content } = await send(http(ping), (request) => void (request.body = {}))
    expect(await content).toMatchObject({ bytes: Buffer.from(ping) })
  })

  test('what it has decompressed is used', async () => {
    const { content } = await send(http('not read here', { 'content-encoding': 'gzip' }), leaving({ a: 1 }))
    expect(await content).toMatchObject({ json: { a: 1 } })
  })

  test.each([
    ['text that is no JSON', 'nonsense', 'parse_error'],
    ['bytes that are no UTF-8', Buffer.of(0x22, 0xff, 0x22), 'parse_error'],
    ['text with a key twice', '{"id":1,"id":2}', 'invalid_request'],
    ['text that is too long', `"${'x'.repeat(LIMIT)}"`, 'body_too_large'],
    ['an object that is too long', { text: 'x'.repeat(LIMIT) }, 'body_too_large'],
  ])('%s is refused', async (_, body, code) => {
    expect(await (await send(http(ping), leaving(body))).content).toMatchObject({ code })
  })

  test.each([undefined, null, 1])('%p is a fault of the host, whose cure is said', async (body) => {
    const fault = await (await send(http(ping), leaving(body))).content
    expect(fault).toBeInstanceOf(Error)
    expect(fault).not.toHaveProperty('code')
    expect((fault as Error).message).toMatch(/Mount the gateway before whatever reads it/)
  })
})
