// Cancelling reaches exactly what it names: by the client, by the gateway's own patience, by disconnecting.
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { modernRequest, openModern, sendModern } from '../support/modern.ts'
import { initialize, initializeMessage, post, type OpenStream, type Session } from '../support/rpc.ts'
import { startSdkV1Server } from '../support/servers.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'

/** Enough for every answer that comes at all. */
const RESPONSE_MS = 700

let upstream: Upstream
let gateway: RunningGateway

async function start(responseMs = 0): Promise<void> {
  upstream = await startUpstream()
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, timeouts: { responseMs } })
}

afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const cancelled = (requestId: string | number) => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId, reason: 'enough' },
})

const call = (id: string | number) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'slow' } })

interface Call {
  readonly session: Session
  readonly id: string | number
  readonly client: OpenStream
  readonly exchange: Exchange
  readonly isNamed: boolean
}

function sessionOf({ headers }: Exchange): unknown {
  return headers['mcp-session-id']
}

function notices(): unknown[] {
  return upstream.requests('notifications/cancelled').map(({ message }) => message?.params)
}

/** Enough turns of the one event loop that all sides share for whatever can happen to have happened. */
async function settle(session: Session, turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await session.request('ping')
}

describe("a client's notifications/cancelled", () => {
  test('ends the one call it names, in its own session, among many calls with the same ids (UT4)', async () => {
    await start()
    const ids = [1, '1', 2]
    const calls: Call[] = []
    for (let count = 0; count < 8; count += 1) {
      const session = await initialize(gateway.url('a'))
      for (const id of ids) {
        upstream.once('tools/call', (exchange) => void exchange.stream())
        const [client, exchange] = await Promise.all([session.stream(call(id)), upstream.nextRequest('tools/call')])
        calls.push({ session, id, client, exchange, isNamed: count % 3 === ids.indexOf(id) })
      }
    }
    upstream.on('notifications/cancelled', (notice) => {
      const named = calls.filter(
        ({ id, exchange }) => sessionOf(exchange) === sessionOf(notice) && id === notice.message?.params?.['requestId'],
      )
      for (const { exchange } of named) exchange.stream().finish({ stopped: true })
      notice.status(202)
    })
    const named = calls.filter(({ isNamed }) => isNamed)
    const answers = await Promise.all(named.map(({ session, id }) => session.post(cancelled(id))))
    expect(answers.map(({ status }) => status)).toEqual(named.map(() => 202))
    for (const { id, client } of named)
      expect(await client.nextMessage()).toMatchObject({ id, result: { stopped: true } })
    expect(calls.filter(({ exchange }) => exchange.res.writableEnded)).toHaveLength(named.length)
    expect(new Set(upstream.requests('notifications/cancelled').map(sessionOf)).size).toBe(8)
    for (const { client } of calls) client.close()
  })

  test('stops the tool of a real server, which then owes no answer (UT4)', async () => {
    const server = await startSdkV1Server()
    await start()
    const real = await startGateway({ servers: { a: { url: server.url } } })
    const [one, other] = [await initialize(real.url('a')), await initialize(real.url('a'))]
    const streams = [await one.stream(call(1)), await other.stream(call(1))]
    await server.happened('slow started')
    await server.happened('slow started')
    await one.post(cancelled(1))
    await server.happened('slow cancelled')
    expect(server.happenings.entries.filter((what) => what === 'slow cancelled')).toHaveLength(1)
    for (const stream of streams) stream.close()
    await real.close()
    await server.close()
  })

  test('for what is not running is for the upstream to ignore (UT4)', async () => {
    await start()
    const session = await initialize(gateway.url('a'))
    expect((await session.post(cancelled('nothing'))).status).toBe(202)
    expect((await upstream.nextRequest('notifications/cancelled')).message).toEqual(cancelled('nothing'))
  })
})

describe('an answer that does not come in time', () => {
  test('is cancelled at the upstream, each id in its own session, once (LC8)', async () => {
    await start(RESPONSE_MS)
    upstream.on('tools/call', () => {})
    const late = [1, '1', 'ü', 1].map(async (id) => {
      const session = await initialize(gateway.url('a'))
      expect(await session.post(call(id))).toMatchObject({ status: 504, message: { id, error: { code: 504 } } })
      await settle(session)
    })
    await Promise.all(late)
    const named = (exchange: Exchange, id: unknown): string => `${String(sessionOf(exchange))} ${JSON.stringify(id)}`
    const calls = upstream.requests('tools/call')
    const sent = upstream.requests('notifications/cancelled')
    expect(sent.map((notice) => named(notice, notice.message?.params?.['requestId'])).toSorted()).toEqual(
      calls.map((each) => named(each, each.message?.id)).toSorted(),
    )
    for (const { message, headers } of sent) {
      expect(message).not.toHaveProperty('id')
      expect(headers['mcp-protocol-version']).toBe('2025-11-25')
    }
    expect(await Promise.all(calls.map(({ over }) => over))).toEqual(['cut', 'cut', 'cut', 'cut'])
  })

  test('of a batch is cancelled for each id (LC8)', async () => {
    await start(RESPONSE_MS)
    const session = await initialize(gateway.url('a'), { version: '2025-03-26' })
    upstream.on('batch', () => {})
    const { status } = await session.post([call(1), call('1'), { jsonrpc: '2.0', method: 'notifications/x' }])
    expect(status).toBe(504)
    await settle(session)
    expect(notices()).toMatchObject([{ requestId: 1 }, { requestId: '1' }])
  })

  test('to initialize is never cancelled, nor to a second one in a live session (LC6, LC7)', async () => {
    await start(RESPONSE_MS)
    const session = await initialize(gateway.url('a'))
    upstream.on('initialize', () => {})
    const answers = await Promise.all([post(gateway.url('a'), initializeMessage()), session.post(initializeMessage())])
    expect(answers.map(({ status }) => status)).toEqual([504, 504])
    await settle(session)
    expect(notices()).toEqual([])
  })

  test('to a notification or a response is nothing that can be cancelled (UT4)', async () => {
    await start(RESPONSE_MS)
    const session = await initialize(gateway.url('a'))
    upstream.on('notifications/progress', () => {})
    upstream.on('response', () => {})
    const answers = await Promise.all([
      session.post({ jsonrpc: '2.0', method: 'notifications/progress', params: {} }),
      session.post({ jsonrpc: '2.0', id: 1, result: {} }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([504, 504])
    await settle(session)
    expect(notices()).toEqual([])
  })

  test('of the stateless revision is cancelled by closing the stream, with no message (SE5, UT5)', async () => {
    await start(RESPONSE_MS)
    upstream.on('tools/list', () => {})
    const client = await openModern(gateway.url('a'), modernRequest('tools/list'))
    expect(client.status).toBe(504)
    expect(await (await upstream.nextRequest('tools/list')).over).toBe('cut')
    const session = await initialize(gateway.url('a'))
    await settle(session)
    expect(notices()).toEqual([])
  })

  test('that begins in time is not cancelled, however long it goes on (SE17)', async () => {
    await start(RESPONSE_MS)
    const session = await initialize(gateway.url('a'))
    upstream.once('tools/call', (exchange) => void exchange.stream())
    const [client, exchange] = await Promise.all([session.stream(call(1)), upstream.nextRequest('tools/call')])
    // Another one that is late measures the time.
    upstream.on('tools/call', () => {})
    expect((await session.post(call(2))).status).toBe(504)
    exchange.stream().finish({})
    expect(await client.nextMessage()).toMatchObject({ id: 1, result: {} })
    expect((await upstream.nextRequest('notifications/cancelled')).message?.params?.['requestId']).toBe(2)
    expect(notices()).toHaveLength(1)
  })

  test('is told to the client even when the upstream does not want to hear of it', async () => {
    await start(RESPONSE_MS)
    const session = await initialize(gateway.url('a'))
    upstream.on('tools/call', () => {})
    upstream.on('notifications/cancelled', (exchange) => exchange.cut())
    expect((await session.post(call(1))).status).toBe(504)
    expect((await session.request('ping')).status).toBe(200)
  })
})

describe('a client of the stateless revision that disconnects', () => {
  test('cancels its own call, with or without a head, and none beside it (SE5)', async () => {
    await start()
    const url = gateway.url('a')
    const clients = []
    for (let count = 0; count < 6; count += 1) {
      const isOpen = count % 2 === 0
      if (isOpen) upstream.once('tools/call', (exchange) => void exchange.stream())
      else upstream.once('tools/call', () => {})
      const message = modernRequest('tools/call', { name: 'slow' }, 1)
      const client = isOpen ? await openModern(url, message) : sendModern(url, message)
      clients.push({
        leave: 'leave' in client ? client.leave : client.close,
        exchange: await upstream.nextRequest('tools/call'),
      })
    }
    const leaving = clients.slice(0, 4)
    for (const { leave, exchange } of leaving) {
      leave()
      expect(await exchange.over).toBe('cut')
    }
    await settle(await initialize(url))
    expect(clients.slice(4).map(({ exchange }) => exchange.overAt)).toEqual([undefined, undefined])
    expect(notices()).toEqual([])
    for (const { leave } of clients.slice(4)) leave()
  })
})
