// Clients that read late or not at all, pipeline behind a closing connection, or forge the headers that name a message.
import { connect, type Socket } from 'node:net'
import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { deflate } from 'node:zlib'
import { jest } from '@jest/globals'
import compression from 'compression'
import express from 'express'
import { GatewayError, type GatewayOptions } from '../../lib/index.ts'
import { serverDirectory } from '../../lib/directory/index.ts'
import { bareHttp, type Host, startGateway, type RunningGateway } from '../support/gateway.ts'
import { createJournal, type Journal } from '../support/journal.ts'
import { modernNotification, modernRequest, standardHeaders } from '../support/modern.ts'
import { initialize, initializeMessage, post } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'
import { wire } from '../support/wire.ts'
import { call, noise } from './support-edges.ts'

const deflated = promisify<string, Buffer>(deflate)
const KiB = 1024
const MiB = 1024 * KiB
const STALL_MS = 30_000
const TICK_MS = 7_500

let upstream: Upstream
let gateway: RunningGateway
let responses: Journal<ServerResponse>
const sockets: Socket[] = []

beforeEach(async () => {
  upstream = await startUpstream()
  responses = createJournal()
})

afterEach(async () => {
  jest.useRealTimers()
  for (const socket of sockets.splice(0)) socket.destroy()
  await gateway.close()
  await upstream.close()
})

async function start(options: Partial<GatewayOptions> = {}, { mount }: Host = bareHttp): Promise<void> {
  const recorded: Host = {
    prefix: '',
    mount(handle) {
      const listener = mount(handle)
      return (request, response) => {
        responses.record(response)
        listener(request, response)
      }
    },
  }
  const servers = { a: { url: upstream.url } }
  gateway = await startGateway({ servers, timeouts: { stallMs: STALL_MS }, ...options }, recorded)
}

const handshake = initializeMessage()

/** The bytes of a request as they go over the wire. */
function bytesOf(method: string, path: string, message?: object, headers: Record<string, string> = {}): string {
  const body = message === undefined ? '' : JSON.stringify(message)
  const all = {
    host: 'localhost',
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

/** A client that says this and reads nothing. */
function sendUnread(bytes: string): Socket {
  const { hostname, port } = new URL(gateway.origin)
  const socket = connect({ host: hostname, port: Number(port) })
  sockets.push(socket.pause().on('error', () => {}))
  socket.write(bytes)
  return socket
}

async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Only timers and clocks are faked: sockets go on in real time. */
function fakeTimers(): void {
  jest.useFakeTimers({
    doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'performance', 'hrtime'],
  })
}

/** Time goes by until after a client that reads nothing must have been cut off. */
async function passStall(): Promise<void> {
  for (let tick = 0; tick < STALL_MS / TICK_MS + 3; tick += 1) {
    jest.advanceTimersByTime(TICK_MS)
    await turns()
  }
}

describe('under compression(), a client', () => {
  /** How often the gateway has written. */
  let writes = 0
  const count: express.RequestHandler = (_request, response, next) => {
    const compress = response.write.bind(response) as (chunk: unknown) => boolean
    response.write = (chunk: unknown) => {
      writes += 1
      return compress(chunk)
    }
    next()
  }
  const compressed: Host = {
    prefix: '',
    mount: (handle) => express().use(compression(), count).use(handle),
  }
  /** Smaller than what zlib takes at a time, and nothing that it has seen before within its window. */
  const PIECE_BYTES = 4 * KiB
  const text = noise(128 * KiB)

  /** A call that the upstream answers with a document in small pieces, by a client that does not read yet. */
  async function startCall(): Promise<{ socket: Socket; exchange: Exchange }> {
    const session = await initialize(gateway.url('a'))
    upstream.once('tools/call', ({ res }) => {
      res.writeHead(200, { 'content-type': 'application/json' })
      res.write('{"jsonrpc":"2.0","id":"call-1","result":{"text":"')
    })
    const headers = { ...session.headers, 'accept-encoding': 'gzip', connection: 'close' }
    const socket = sendUnread(bytesOf('POST', '/a/mcp', call, headers))
    return { socket, exchange: await upstream.nextRequest('tools/call') }
  }

  /** Writes piece by piece, each when zlib is done with the one before, until the gateway takes no more. */
  async function write({ res }: Exchange, most: number): Promise<void> {
    for (let at = 0, quiet = 0; at < most && quiet < 50; at += PIECE_BYTES) {
      const before = writes
      const piece = text.slice(at % text.length, (at % text.length) + PIECE_BYTES)
      res.write(piece)
      for (quiet = 0; writes === before && quiet < 50; quiet += 1) await turns(1)
      await deflated(piece)
    }
    res.end('"}}')
  }

  test('R2: that reads late gets all of a document in small pieces (SE16)', async () => {
    await start({}, compressed)
    const { socket, exchange } = await startCall()
    await write(exchange, 32 * MiB)
    socket.resume()
    await soon(once(socket, 'end'), 'The document does not come to its end')
  })

  test('R2: that reads at once gets all of a document in small pieces (SE16)', async () => {
    await start({}, compressed)
    const { socket, exchange } = await startCall()
    socket.resume()
    await write(exchange, MiB)
    await soon(once(socket, 'end'), 'The document does not come to its end')
  })
})

describe('a client that reads nothing of what is written whole', () => {
  const text = 'x'.repeat(3 * MiB)
  const modern = modernRequest('tools/list')
  const large = { resultType: 'complete', tools: [], text, ttlMs: 600_000, cacheScope: 'public' }

  beforeEach(() => fakeTimers())

  async function expectCut(bytes: string): Promise<void> {
    const before = responses.entries.length
    sendUnread(bytes)
    while (responses.entries.length < before + 1) await turns(1)
    // Requests that are pipelined are served one behind the other: until the client's buffers are full.
    const finished = (): number => responses.entries.filter(({ writableFinished }) => writableFinished).length
    for (let served = -1; served < finished();) {
      served = finished()
      await turns(100)
    }
    const unread = responses.entries.slice(before)
    // The kernel has taken what it takes, the rest is ours.
    expect(unread.some(({ writableFinished }) => !writableFinished)).toBe(true)
    await passStall()
    expect(unread[0]!.req.socket.destroyed).toBe(true)
  }

  test('07: is cut off after stallMs: handshakes (SE16)', async () => {
    await start()
    upstream.on('initialize', (exchange) =>
      exchange.result({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {}, instructions: text }),
    )
    await expectCut(bytesOf('POST', '/a/mcp', handshake).repeat(4))
  })

  test('07: is cut off after stallMs: answers out of the cache (SE16)', async () => {
    await start({ cache: true })
    upstream.on('tools/list', (exchange) => exchange.result(large))
    await post(gateway.url('a'), modern, standardHeaders(modern))
    await expectCut(bytesOf('POST', '/a/mcp', modern, standardHeaders(modern)).repeat(4))
    expect(upstream.requests('tools/list')).toHaveLength(1)
  })

  test('07: is cut off after stallMs: short documents, one behind the other (SE16)', async () => {
    await start()
    const session = await initialize(gateway.url('a'))
    upstream.on('tools/call', (exchange) => exchange.result({ text: 'x'.repeat(48 * KiB) }))
    await expectCut(bytesOf('POST', '/a/mcp', call, session.headers).repeat(200))
  })

  test('07: is cut off after stallMs: the directory (SE16)', async () => {
    const mount: Host['mount'] = (handle) => {
      const directory = serverDirectory({ gateway: handle })
      return (request, response) => handle(request, response, () => directory(request, response))
    }
    await start({ servers: { a: { url: upstream.url, description: text.repeat(4) } } }, { prefix: '', mount })
    await expectCut(bytesOf('GET', '/', undefined, { accept: 'application/json' }))
  })

  test('07: is cut off after stallMs: errors (SE16)', async () => {
    const authenticate = (): never => {
      throw new GatewayError('forbidden', text)
    }
    await start({ authenticate })
    await expectCut(bytesOf('GET', '/a/mcp').repeat(4))
    const stall = gateway.reported.entries.find(({ error }) => (error as GatewayError).code === 'client_stalled')
    expect(stall).toMatchObject({ context: { server: 'a' } })
  })
})

describe('a call pipelined behind', () => {
  const one = { ...call, id: 'one' }
  const two = { ...call, id: 'two' }

  /** Either both sides know of it, or neither does. */
  async function expectConsistent(bytes: string): Promise<void> {
    const { body } = await soon(wire(gateway.origin, bytes).answer, 'The connection stays open')
    await turns(50)
    const isAnswered = body.includes('"id":"two"')
    expect(upstream.requests('tools/call').some(({ message }) => message?.id === 'two')).toBe(isAnswered)
  }

  test('19: "connection: close" is answered, or not carried out (RFC 9112, section 9.6)', async () => {
    await start()
    const { headers } = await initialize(gateway.url('a'))
    const last = bytesOf('POST', '/a/mcp', one, { ...headers, connection: 'close' })
    await expectConsistent(last + bytesOf('POST', '/a/mcp', two, { ...headers, connection: 'close' }))
  })

  test('19: HTTP/1.0 is answered, or not carried out (RFC 9112, section 9.3)', async () => {
    await start()
    const { headers } = await initialize(gateway.url('a'))
    const last = bytesOf('POST', '/a/mcp', one, headers).replace('HTTP/1.1', 'HTTP/1.0')
    await expectConsistent(last + bytesOf('POST', '/a/mcp', two, { ...headers, connection: 'close' }))
  })

  test('19: a refusal that closes the connection is answered, or not carried out', async () => {
    await start({ authenticate: ({ headers }) => (headers.authorization ? { id: 'ada' } : undefined) })
    const authorized = { authorization: 'Bearer ada' }
    const session = await initialize(gateway.url('a'), { headers: authorized })
    const refused = bytesOf('POST', '/a/mcp', { ...one, params: { text: 'x'.repeat(128 * KiB) } })
    await expectConsistent(refused + bytesOf('POST', '/a/mcp', two, { ...session.headers, connection: 'close' }))
  })

  test('19: an answer that the host closes the connection with is answered, or not carried out', async () => {
    const mount: Host['mount'] = (handle) => (request, response) => {
      if (request.url === '/a/mcp?last') response.setHeader('connection', 'close')
      handle(request, response)
    }
    await start({}, { prefix: '', mount })
    const { headers } = await initialize(gateway.url('a'))
    const last = bytesOf('POST', '/a/mcp?last', one, headers)
    await expectConsistent(last + bytesOf('POST', '/a/mcp', two, { ...headers, connection: 'close' }))
  })

  test('19: another call is answered, and carried out', async () => {
    await start()
    const { headers } = await initialize(gateway.url('a'))
    const last = bytesOf('POST', '/a/mcp', one, headers)
    await expectConsistent(last + bytesOf('POST', '/a/mcp', two, { ...headers, connection: 'close' }))
    expect(upstream.requests('tools/call')).toHaveLength(2)
  })
})

describe('forged headers', () => {
  const forged = { 'mcp-method': 'tools/list', 'mcp-name': 'harmless' }
  const legacy: ReadonlyArray<[what: string, kind: string, message: object, version: string]> = [
    ['a call', 'tools/call', call, '2025-11-25'],
    ['a notification', 'notifications/x', { jsonrpc: '2.0', method: 'notifications/x' }, '2025-11-25'],
    ['a response', 'response', { jsonrpc: '2.0', id: 9, result: {} }, '2025-11-25'],
    ['a batch', 'batch', [call], '2025-03-26'],
  ]

  /** Where they reach the upstream they say what the body says. */
  function expectTrue(kind: string): void {
    for (const { headers, message } of upstream.requests(kind)) {
      expect([undefined, message?.method]).toContain(headers['mcp-method'])
      expect([undefined, message?.params?.['name']]).toContain(headers['mcp-name'])
    }
  }

  test.each(legacy)('20: of %s in a legacy session do not cross (HD14, HD15)', async (_, kind, message, version) => {
    await start()
    const session = await initialize(gateway.url('a'), { version })
    await session.post(message, forged)
    expectTrue(kind)
  })

  test('20: of a handshake do not cross (HD14, HD15)', async () => {
    await start()
    await post(gateway.url('a'), handshake, forged)
    expectTrue('initialize')
  })

  test('20: of a listener do not cross (HD14, HD15)', async () => {
    await start()
    const session = await initialize(gateway.url('a'))
    const client = await session.listen(forged)
    client.close()
    expectTrue('GET')
  })

  test('20: of a DELETE do not cross (HD14, HD15)', async () => {
    await start()
    const session = await initialize(gateway.url('a'))
    await session.end(forged)
    expectTrue('DELETE')
  })

  test.each([
    ['Mcp-Method', { 'mcp-method': 'tools/list' }],
    ['Mcp-Name', { 'mcp-method': 'notifications/x', 'mcp-name': 'harmless' }],
  ])('20: of a modern notification do not cross: %s (HD9, HD15)', async (_, headers) => {
    await start()
    const message = modernNotification('notifications/x')
    await post(gateway.url('a'), message, { ...standardHeaders(message), ...headers })
    expectTrue('notifications/x')
  })

  test('20: that name the tool of a modern request without a name do not cross (HD9, HD15)', async () => {
    await start()
    const message = modernRequest('tools/list')
    await post(gateway.url('a'), message, { ...standardHeaders(message), 'mcp-name': 'harmless' })
    expectTrue('tools/list')
  })

  test('20: do not keep a client out whose headers are true (CL3)', async () => {
    await start()
    const opening = await post(gateway.url('a'), handshake, { 'mcp-method': 'initialize' })
    expect(opening.status).toBe(200)
    const session = await initialize(gateway.url('a'))
    expect((await session.post(call, { 'mcp-method': 'tools/call', 'mcp-name': 'echo' })).status).toBe(200)
  })
})
