// Requests that a client sends before it has the answer to the last one: node:http answers them in turn.
import { connect, type Socket } from 'node:net'
import { jest } from '@jest/globals'
import type { GatewayError, GatewayOptions } from '../../lib/index.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { modernRequest, standardHeaders } from '../support/modern.ts'
import { initialize } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const KiB = 1024
const STALL_MS = 30_000
const TICK_MS = 7_500

let upstream: Upstream
let gateway: RunningGateway
const sockets: Socket[] = []

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  upstream = await startUpstream()
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, limits: { stallMs: STALL_MS }, ...options })
}

afterEach(async () => {
  jest.useRealTimers()
  for (const socket of sockets.splice(0)) socket.destroy()
  await gateway.close()
  await upstream.close()
})

function bytesOf(method: string, headers: Record<string, string>, message?: object): string {
  const body = message === undefined ? '' : JSON.stringify(message)
  const all = {
    host: 'localhost',
    accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} /a/mcp HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

function say(bytes: string): Socket {
  const { hostname, port } = new URL(gateway.origin)
  const socket = connect({ host: hostname, port: Number(port) }).on('error', () => {})
  sockets.push(socket)
  socket.resume().write(bytes)
  return socket
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const list = { jsonrpc: '2.0', id: 'list-1', method: 'tools/list' }

describe('behind a call without an answer, on a connection that closes,', () => {
  test.each(['destroy', 'end'] as const)('a listener ends at its server: %s (SE16, SC6)', async (how) => {
    await start()
    upstream.on('tools/call', () => {})
    upstream.on('GET', (exchange) => void exchange.stream())
    const { headers } = await initialize(gateway.url('a'))
    const socket = say(bytesOf('POST', headers, call) + bytesOf('GET', headers))
    const listener = await upstream.nextRequest('GET')
    await turns(20)
    socket[how]()
    expect(await listener.over).toBe('cut')
  })

  test('a listener whose server has not answered yet ends there (SE16, SC6)', async () => {
    await start()
    upstream.on('tools/call', () => {})
    upstream.on('GET', () => {})
    const { headers } = await initialize(gateway.url('a'))
    const socket = say(bytesOf('POST', headers, call) + bytesOf('GET', headers))
    const listener = await upstream.nextRequest('GET')
    socket.destroy()
    expect(await listener.over).toBe('cut')
  })

  test('a modern call is cancelled (SE5)', async () => {
    await start()
    upstream.on('tools/call', () => {})
    upstream.on('tools/list', () => {})
    const [first, second] = [modernRequest('tools/call', { name: 'slow' }), modernRequest('tools/list')]
    const bytes = [first, second].map((message) => bytesOf('POST', standardHeaders(message), message))
    const socket = say(bytes.join(''))
    const exchange = await upstream.nextRequest('tools/list')
    socket.destroy()
    expect(await exchange.over).toBe('cut')
  })
})

describe('behind a listener that is quiet, an answer that nobody can read yet', () => {
  /** A connection with a listener, and behind it a list of so many bytes. */
  async function startQueue(bytes: number): Promise<Socket> {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'performance'] })
    await start()
    upstream.on('GET', (exchange) => void exchange.stream())
    upstream.on('tools/list', (exchange) => exchange.result({ tools: [], text: 'x'.repeat(bytes) }))
    const { headers } = await initialize(gateway.url('a'))
    const socket = say(bytesOf('GET', headers) + bytesOf('POST', headers, list))
    await upstream.nextRequest('tools/list')
    await turns(50)
    for (let tick = 0; tick < STALL_MS / TICK_MS + 3; tick += 1) {
      jest.advanceTimersByTime(TICK_MS)
      await turns(10)
    }
    return socket
  }

  test('is not held for ever when it is long (SC6)', async () => {
    const socket = await startQueue(512 * KiB)
    expect(socket.closed).toBe(true)
    const told = gateway.reported.entries.map(({ error, context }) => [(error as GatewayError).code, context?.server])
    expect(told).toEqual([['client_stalled', 'a']])
  })

  test('waits when it is short: the client is not to blame (SE16)', async () => {
    const socket = await startQueue(KiB)
    expect(socket.closed).toBe(false)
    expect(gateway.reported.entries).toEqual([])
  })
})
