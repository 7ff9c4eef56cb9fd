// How an error leaves the gateway.
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { GatewayError } from '../../lib/errors.ts'
import { AnswerWriter } from '../../lib/outbound/answer-writer.ts'
import { Heartbeat } from '../../lib/outbound/heartbeat.ts'
import { refuse } from '../../lib/outbound/refusal.ts'
import type { RequestId } from '../../lib/types.ts'
import { listen, type Listening } from '../support/listen.ts'
import { openStream, post, send as ask } from '../support/rpc.ts'

const { send } = new AnswerWriter({ heartbeat: new Heartbeat(), stallMs: 60_000, report: () => {} })

let server: Listening
let error: GatewayError
let id: RequestId | undefined
let before: 'nothing' | 'a head'
let unsent: unknown

beforeEach(async () => {
  error = new GatewayError('upstream_unreachable', 'The server cannot be reached')
  id = undefined
  before = 'nothing'
  server = await listen((req, res) => {
    if (before === 'a head') res.writeHead(200).write('begun')
    unsent = refuse(send, req, res, error, id)
  })
})

afterEach(() => server.close())

test('is a JSON-RPC error with status, length and content type (ER9)', async () => {
  const answer = await ask('GET', server.origin)
  expect(answer.status).toBe(502)
  expect(answer.headers['content-type']).toBe('application/json')
  expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(answer.body)))
  expect(JSON.parse(answer.body)).toEqual({
    jsonrpc: '2.0',
    error: { code: 502, message: 'The server cannot be reached' },
  })
})

test.each([[0], [''], ['1'], [-7], ['ü'], [Number.MAX_SAFE_INTEGER]])(
  'names the id %j with its type (RPC3, ER9)',
  async (given) => {
    id = given
    const answer = await ask('GET', server.origin)
    expect(answer.message?.id).toBe(given)
  },
)

test('never shows what lies behind it', async () => {
  error = new GatewayError('internal', 'Internal error', { cause: new Error('password=hunter2') })
  const answer = await ask('GET', server.origin)
  expect(answer.body + JSON.stringify(answer.headers)).not.toContain('hunter2')
})

test.each([
  ['method_not_allowed', 405, 'allow', 'POST, GET, DELETE'],
  ['unauthorized', 401, 'www-authenticate', 'Bearer'],
  ['unavailable', 503, 'retry-after', '1'],
] as const)('%s carries its own header (RT7, ER9)', async (code, status, name, value) => {
  error = new GatewayError(code, 'No')
  const answer = await ask('GET', server.origin)
  expect(answer.status).toBe(status)
  expect(answer.headers[name]).toBe(value)
})

test('headers of the error beat those of its code, and never its content type (ER9)', async () => {
  error = new GatewayError('unavailable', 'No', { headers: { 'retry-after': '120', 'content-type': 'text/html' } })
  const answer = await ask('GET', server.origin)
  expect(answer.headers).toMatchObject({ 'retry-after': '120', 'content-type': 'application/json' })
})

test('headers of the error replace those of the answer whatever their case (SC10)', async () => {
  error = new GatewayError('forbidden', 'No', { headers: { 'Content-Type': 'text/html', 'Retry-After': '7' } })
  const answer = await ask('GET', server.origin)
  expect(answer.headers).toMatchObject({ 'retry-after': '7', 'content-type': 'application/json' })
})

test('names no request in the 404 of a session, as SDK servers do (SS3)', async () => {
  error = new GatewayError('session_not_found', 'Session not found')
  id = 1
  expect(JSON.parse((await ask('GET', server.origin)).body)).toMatchObject({ id: null, error: { code: 404 } })
})

test.each<[string, (changed: Record<string, unknown>) => void]>([
  ['status', (changed) => (changed['status'] = 99)],
  ['headers', (changed) => (changed['headers'] = { 'x-name': '\u65E5' })],
  ['message', (changed) => (changed['message'] = 1n)],
])('is a bare 500 for an error that cannot be sent, since its %s was changed (ER9)', async (_, change) => {
  change(error as unknown as Record<string, unknown>)
  const answer = await ask('GET', server.origin)
  expect(answer.status).toBe(500)
  expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 500, message: 'Internal error' } })
  expect(unsent).toMatchObject({ message: expect.any(String) })
})

test('cuts the connection where a host lets no head be written at all', async () => {
  await server.close()
  server = await listen((req, res) => {
    res.writeHead = () => {
      throw new Error('a host that fails')
    }
    unsent = refuse(send, req, res, error)
  })
  await expect(ask('GET', server.origin)).rejects.toThrow('socket hang up')
  expect(unsent).toMatchObject({ message: 'a host that fails' })
})

test('closes the connection over which the rest of a refused body would come (SC6)', async () => {
  const req = request(server.origin, { method: 'POST', agent: false, headers: { 'content-length': 1_000_000 } })
  const answered = new Promise<string>((resolve, reject) => {
    req.on('error', reject).on('response', (res) => {
      expect(res.headers.connection).toBe('close')
      resolve(text(res))
    })
  })
  req.write('the beginning')
  expect(JSON.parse(await answered)).toMatchObject({ error: { code: 502 } })
  req.on('error', () => {}).destroy()
})

test('keeps the connection of a request that has been read', async () => {
  await server.close()
  server = await listen((req, res) => {
    req.resume().on('end', () => refuse(send, req, res, error))
  })
  const answer = await post(server.origin, { jsonrpc: '2.0' }, { connection: 'keep-alive' })
  expect(answer.headers.connection).toBe('keep-alive')
})

test('cuts an answer that has begun: half of it must not look whole', async () => {
  before = 'a head'
  const outcome = openStream(server.origin).then(
    ({ over }) => over,
    () => 'cut',
  )
  expect(await outcome).toBe('cut')
})

test('says nothing to a client that is gone', async () => {
  await server.close()
  let refused: () => void
  const isRefused = new Promise<void>((resolve) => (refused = resolve))
  const thrown: unknown[] = []
  server = await listen((req, res) => {
    res.once('close', () => {
      try {
        refuse(send, req, res, error)
      } catch (fault) {
        thrown.push(fault)
      }
      refused()
    })
    res.socket?.destroy()
  })
  await expect(ask('GET', server.origin)).rejects.toThrow('socket hang up')
  await isRefused
  expect(thrown).toEqual([])
})
