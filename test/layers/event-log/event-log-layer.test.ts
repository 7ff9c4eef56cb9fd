// With an event log: a client that loses a stream gets what it missed and what comes, each event once and in order.
import { MemoryEventLog } from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { initialize, type OpenStream, type Session } from '../../support/rpc.ts'
import {
  startUpstream,
  type EventStream,
  type Exchange,
  type RpcMessage,
  type Upstream,
} from '../../support/upstream.ts'

let upstream: Upstream
let gateway: RunningGateway

beforeEach(async () => {
  upstream = await startUpstream()
  upstream.on('tools/call', () => {})
  gateway = await startGateway({
    servers: { a: { url: upstream.url }, b: { url: upstream.url } },
    authenticate: ({ headers }) => ({ id: headers.authorization ?? 'nobody' }),
    events: new MemoryEventLog(),
  })
})

afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const progress = (step: number): RpcMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { step },
})
const answer: RpcMessage = { jsonrpc: '2.0', id: 'call-1', result: { content: [] } }

interface Running {
  readonly session: Session
  readonly client: OpenStream
  readonly asked: Exchange
  readonly stream: EventStream
}

/** A call whose answer has begun with one event. */
async function begin(version = '2025-11-25', open?: Session): Promise<Running> {
  const session = open ?? (await initialize(gateway.url('a'), { version }))
  const opening = session.stream(call)
  const asked = await upstream.nextRequest('tools/call')
  const stream = asked.stream()
  await stream.send(progress(1))
  return { session, client: await opening, asked, stream }
}

/** The next message, and the id to come back with. */
async function take(client: OpenStream): Promise<[id: string, message: RpcMessage]> {
  let event = await client.next()
  while (event.data === '') event = await client.next()
  return [event.id!, JSON.parse(event.data) as RpcMessage]
}

const resume = (session: Session, id: string): Promise<OpenStream> => session.listen({ 'last-event-id': id })

/** All messages to the end of the stream. */
async function rest(client: OpenStream): Promise<RpcMessage[]> {
  expect(client.status).toBe(200)
  expect(await client.over).toBe('complete')
  const messages: RpcMessage[] = []
  for (;;) {
    try {
      messages.push(await client.nextMessage())
    } catch {
      return messages
    }
  }
}

test('a client that dropped a call gets what it missed and what comes (SE4, SE7)', async () => {
  const { session, client, stream } = await begin()
  const [id, message] = await take(client)
  expect(message).toEqual(progress(1))
  client.close()
  await client.over
  await stream.send(progress(2))
  await stream.send(progress(3))
  const again = await resume(session, id)
  expect(await again.nextMessage()).toEqual(progress(2))
  expect(await again.nextMessage()).toEqual(progress(3))
  await stream.send(progress(4))
  expect(await again.nextMessage()).toEqual(progress(4))
  await stream.send(answer)
  stream.end()
  expect(await rest(again)).toEqual([answer])
})

test('a stream can be resumed after its end, from any of its events (SE7)', async () => {
  const { session, client, stream } = await begin()
  const { id: before } = await client.next()
  const [first] = await take(client)
  await stream.send(progress(2))
  const [second] = await take(client)
  await stream.send(answer)
  stream.end()
  await client.over
  expect(await rest(await resume(session, before!))).toEqual([progress(1), progress(2), answer])
  expect(await rest(await resume(session, first))).toEqual([progress(2), answer])
  expect(await rest(await resume(session, second))).toEqual([answer])
})

test('2025-11-25 clients get an id before the first message, older ones do not (SE2)', async () => {
  const { client } = await begin()
  expect(await client.next()).toMatchObject({ data: '', id: expect.stringMatching(/^[\w-]+\.1$/) as string })
  const { client: older } = await begin('2025-06-18')
  expect(JSON.parse((await older.next()).data)).toEqual(progress(1))
})

test('ids are unique in the session, and say which stream they are of (SE6)', async () => {
  const { session, client, stream } = await begin()
  const listener = await session.listen()
  await (await upstream.nextRequest('GET')).stream().send(progress(9), { id: 'theirs' })
  await stream.send(progress(2), { id: 'theirs too' })
  const ids = [await client.next(), await client.next(), await client.next()].map(({ id }) => id)
  ids.push((await listener.next()).id, (await listener.next()).id)
  expect(new Set(ids).size).toBe(5)
  expect(new Set(ids.map((id) => id!.split('.')[0])).size).toBe(2)
})

test('a stream is replayed to nobody but its own session, principal and server (SE7, SE8)', async () => {
  const { session, client } = await begin()
  const [id] = await take(client)
  const another = await initialize(gateway.url('a'))
  expect(await resume(another, id)).toMatchObject({ status: 400 })
  expect(await resume({ ...session, listen: another.listen }, id)).toMatchObject({ status: 400 })
  const thief = { headers: { authorization: 'thief', 'mcp-session-id': session.id } }
  expect((await initialize(gateway.url('a'), thief)).id).not.toBe(session.id)
  expect(await session.listen({ authorization: 'thief', 'last-event-id': id })).toMatchObject({ status: 404 })
})

test.each(['nonsense', 'unknown.1', 'listen.x', '0'])(
  'Last-Event-ID %j, never given out, is a clear error',
  async (id) => {
    const { session } = await begin()
    const client = await resume(session, id)
    expect(client.status).toBe(400)
    await client.over
    expect(JSON.parse(client.bytes().toString())).toMatchObject({
      error: { code: 400, message: expect.stringContaining('Last-Event-ID') as string },
    })
  },
)

test('a position ahead of the stream is a clear error, not a stream that says nothing', async () => {
  const { session, client } = await begin()
  const [id] = await take(client)
  expect(await resume(session, id.replace(/\d+$/, '77'))).toMatchObject({ status: 400 })
})

test('the upstream is read on after the client has left, and keeps no stream open for it afterwards (SE4)', async () => {
  const { client, asked, stream } = await begin()
  await take(client)
  client.close()
  await client.over
  await stream.send(answer)
  stream.end()
  expect(await asked.over).toBe('complete')
})

test('a client that comes back while its old connection still seems open has the stream to itself (SE10)', async () => {
  const { session, client, stream } = await begin()
  const [id] = await take(client)
  const again = await resume(session, id)
  expect(await client.over).toBe('complete')
  await stream.send(progress(2))
  expect(await again.nextMessage()).toEqual(progress(2))
  expect(client.bytes().toString()).not.toContain('"step":2')
})

test('comments of the upstream stay on their hop, and its retry time is passed on', async () => {
  const { client, stream } = await begin()
  await take(client)
  await stream.write(': still here\n\nretry: 1234\n\nid: x\nretry: 2345\ndata: \n\n')
  expect(await client.next()).toMatchObject({ retry: '1234', id: undefined })
  expect(await client.next()).toMatchObject({ retry: '2345', id: undefined })
  await stream.send(answer)
  expect(await client.nextMessage()).toEqual(answer)
  expect(client.bytes().toString()).not.toContain('still here')
})

test.each([
  ['LF', '\n'],
  ['CRLF', '\r\n'],
  ['CR', '\r'],
])('whatever the upstream ends its lines with (%s), a resumed event says the same', async (_, end) => {
  const { session, client, stream } = await begin()
  const [id] = await take(client)
  client.close()
  const lines = ['\uFEFF: hi', 'event: message', 'id: 1', 'data: {"jsonrpc":"2.0",', 'data:"method":"für €"}', '', '']
  await stream.write(lines.slice(1).join(end))
  await stream.send(answer)
  const again = await resume(session, id)
  expect(await again.next()).toMatchObject({ event: 'message', data: '{"jsonrpc":"2.0",\n"method":"für €"}' })
  expect(await again.nextMessage()).toEqual(answer)
})

describe('an upstream that breaks off', () => {
  test('without event ids brings an error for the waiting id, which can be resumed to as well (ER14)', async () => {
    const { session, client, asked } = await begin()
    const [id] = await take(client)
    asked.cut()
    const failed = { id: 'call-1', error: { code: 502 } }
    expect(await rest(client)).toMatchObject([failed])
    expect(await rest(await resume(session, id))).toMatchObject([failed])
  })

  test('with event ids is resumed under the live stream (SE7)', async () => {
    const { client, asked, stream } = await begin()
    await take(client)
    await stream.write('retry: 1\n\n')
    await stream.send(progress(2), { id: 'u-2' })
    expect(await client.nextMessage()).toEqual(progress(2))
    asked.cut()
    const again = await upstream.nextRequest('GET')
    expect(again.headers['last-event-id']).toBe('u-2')
    await again.stream().send(progress(3), { id: 'u-3' })
    await again.stream().send(answer, { id: 'u-4' })
    expect(await rest(client)).toEqual([progress(3), answer])
    expect(await again.over).toBe('cut')
  })

  test('with event ids is resumed behind a client that has gone as well (SE4, SE7)', async () => {
    const { session, client, asked, stream } = await begin()
    await stream.send(progress(2), { id: 'u-2' })
    await stream.write('retry: 1\n\n')
    const [id] = await take(client)
    client.close()
    await client.over
    asked.cut()
    const again = await upstream.nextRequest('GET')
    await again.stream().send(answer, { id: 'u-3' })
    expect(await rest(await resume(session, id))).toEqual([progress(2), answer])
  })

  test('in good order wants to be polled: so does the stream of the client, and both are (SE3)', async () => {
    const { session, client, stream } = await begin()
    await stream.send(progress(2), { id: 'u-2' })
    await stream.write('retry: 20\n\n')
    const [id] = await take(client)
    stream.end()
    expect(await rest(client)).toEqual([progress(2)])
    const again = await resume(session, id)
    const polled = await upstream.nextRequest('GET')
    expect(polled.headers['last-event-id']).toBe('u-2')
    await polled.stream().send(answer, { id: 'u-3' })
    expect(await rest(again)).toEqual([progress(2), answer])
  })
})

describe('a session that listens', () => {
  async function listening(): Promise<{ session: Session; client: OpenStream; get: Exchange }> {
    const session = await initialize(gateway.url('a'))
    const client = await session.listen()
    return { session, client, get: await upstream.nextRequest('GET') }
  }

  test('gets after a pause what came meanwhile, from an upstream that was listened to all the time', async () => {
    const { session, client, get } = await listening()
    await get.stream().send(progress(1))
    const [id] = await take(client)
    client.close()
    await client.over
    await get.stream().send(progress(2))
    const again = await resume(session, id)
    expect(await again.nextMessage()).toEqual(progress(2))
    await get.stream().send(progress(3))
    expect(await again.nextMessage()).toEqual(progress(3))
    expect(upstream.requests('GET')).toHaveLength(1)
  })

  test('reconnects without an id and gets only later events', async () => {
    const { session, client, get } = await listening()
    await get.stream().send(progress(1))
    await take(client)
    client.close()
    await client.over
    const again = await session.listen()
    await get.stream().send(progress(2))
    expect(await again.nextMessage()).toEqual(progress(2))
    expect(upstream.requests('GET')).toHaveLength(1)
  })

  test('has one stream: a client that opens it again takes it over (SE10)', async () => {
    const { session, client, get } = await listening()
    const again = await session.listen()
    expect(await rest(client)).toEqual([])
    await get.stream().send(progress(1))
    expect(await again.nextMessage()).toEqual(progress(1))
  })

  test('opens it once, however many ask at the same time', async () => {
    const session = await initialize(gateway.url('a'))
    const clients = await Promise.all([session.listen(), session.listen(), session.listen()])
    expect(clients.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(upstream.requests('GET')).toHaveLength(1)
  })

  test('does not wait for a withheld answer: the earlier request is answered after half a second (SE10)', async () => {
    const session = await initialize(gateway.url('a'))
    upstream.once('GET', () => {})
    const first = session.listen()
    const withheld = await upstream.nextRequest('GET')
    const [second, third] = [session.listen(), session.listen()]
    expect(await first).toMatchObject({ status: 409 })
    expect(await withheld.over).toBe('cut')
    expect([await second, await third]).toMatchObject([{ status: 200 }, { status: 200 }])
    expect(upstream.requests('GET')).toHaveLength(2)
  })

  test('listens again after the last event when the upstream has ended the stream', async () => {
    const { session, client, get } = await listening()
    await get.stream().send(progress(1), { id: 'u-1' })
    const [id] = await take(client)
    get.stream().end()
    expect(await rest(client)).toEqual([])
    const again = await resume(session, id)
    const next = await upstream.nextRequest('GET')
    expect(next.headers['last-event-id']).toBe('u-1')
    await next.stream().send(progress(2))
    expect(await again.nextMessage()).toEqual(progress(2))
  })

  test('gets the answer of an upstream that refuses the stream', async () => {
    upstream.on('GET', (exchange) => exchange.status(405))
    const session = await initialize(gateway.url('a'))
    expect(await session.listen()).toMatchObject({ status: 405 })
    expect(await session.listen()).toMatchObject({ status: 405 })
  })

  test('ends with its session, upstream as well (SS10)', async () => {
    const { session, client, get } = await listening()
    expect(await session.end()).toMatchObject({ status: 200 })
    await client.over
    expect(await get.over).toBe('cut')
  })
})

test('what is said in a session is forgotten with it', async () => {
  const { session, client } = await begin()
  const [id] = await take(client)
  await session.end()
  expect(await resume(session, id)).toMatchObject({ status: 404 })
})

test('a drain lets an answer finish behind a client that has moved on, then tells it to come back (SE2)', async () => {
  const { client, stream } = await begin()
  await take(client)
  const listening = await initialize(gateway.url('a')).then((other) => other.listen())
  const closing = gateway.gateway.close({ graceMs: 5_000 })
  expect(await listening.over).toBe('complete')
  expect(listening.bytes().toString()).toContain('retry: 1000')
  await stream.send(answer)
  stream.end()
  expect(await rest(client)).toEqual([answer])
  await closing
})

test('a drain lets an answer finish for a client that has come back for it as well', async () => {
  const { session, client, stream } = await begin()
  const [id] = await take(client)
  client.close()
  await client.over
  const again = await resume(session, id)
  const closing = gateway.gateway.close({ graceMs: 5_000 })
  await stream.send(progress(2))
  await stream.send(answer)
  stream.end()
  expect(await rest(again)).toEqual([progress(2), answer])
  await closing
})

test('modern requests and JSON answers are not touched', async () => {
  const session = await initialize(gateway.url('a'))
  upstream.on('tools/call', (exchange) => exchange.result({ content: [] }))
  expect((await session.post(call)).message).toEqual(answer)
})
