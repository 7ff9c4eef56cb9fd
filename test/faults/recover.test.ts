// What becomes of a message after `recover` has opened the upstream's session anew: from then on it belongs to the new
// session, whatever happens to its stream, its time, its access or its client's session.
import { MemoryEventLog, type GatewayOptions } from '../../lib/index.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, type Session } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type Exchange, type Handler, type Upstream } from '../support/upstream.ts'
import { bearer, byToken, call, note, plainStore } from './support-seam.ts'

let upstream: Upstream
let gateway: RunningGateway
let session: Session
/** The upstream's id of the session that it has forgotten. */
let dead: string | undefined

beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

/** Opens a session, which the upstream then forgets. */
async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  const servers = { a: { url: upstream.url, recover: true } }
  gateway = await startGateway({ servers, authenticate: byToken, ...options })
  session = await initialize(gateway.url('a'), { headers: bearer('ann') })
  ;[dead] = upstream.sessions
  upstream.sessions.clear()
}

/** Takes over a kind of request in sessions that the upstream knows; in any other it is 404. */
function on(kind: string, handler: Handler): void {
  upstream.on(kind, (exchange) =>
    upstream.sessions.has(sessionOf(exchange)) ? handler(exchange) : exchange.error(-32_001, 'Session not found', 404),
  )
}

function sessionOf({ headers }: Exchange): string {
  return String(headers['mcp-session-id'])
}

/** The upstream's id of the session that was opened anew. */
function alive(): string {
  const [id] = upstream.sessions
  expect(upstream.sessions.size).toBe(1)
  expect(id).not.toBe(dead)
  return id!
}

/** The next request of a kind that the upstream sees in the session that was opened anew, or in the dead one. */
async function sessionOfNext(kind: string): Promise<string> {
  return sessionOf(await soon(upstream.nextRequest(kind), `the upstream gets ${kind}`))
}

/** A call that the upstream refused at first and answers with a stream now; the client has its first event. */
async function callOn(headers: Record<string, string> = {}) {
  on('tools/call', async (exchange) => {
    await exchange.stream().write('retry: 1\n\n')
    await exchange.stream().send(note, { id: 's-1' })
  })
  const client = await soon(session.stream(call, headers), 'the call is answered')
  expect(await soon(client.nextMessage(), 'the first event')).toMatchObject(note)
  await upstream.nextRequest('tools/call')
  const answering = await upstream.nextRequest('tools/call')
  expect(sessionOf(answering)).toBe(alive())
  return { client, answering }
}

describe('after a recovery, a stream that breaks', () => {
  async function breakOff(): Promise<void> {
    const { client, answering } = await callOn()
    on('GET', async (exchange) => {
      await exchange.stream().send({ id: 'c', result: { resumed: exchange.headers['last-event-id'] } })
      exchange.stream().end()
    })
    answering.cut()
    expect(await soon(client.nextMessage(), 'the answer')).toMatchObject({ id: 'c', result: { resumed: 's-1' } })
    expect(upstream.requests('GET').map(sessionOf)).toEqual([alive()])
    expect(gateway.reported.entries).toEqual([])
  }

  test('is resumed in the new session, and the client has its answer (SE7, UC6, SS8)', async () => {
    await start()
    await breakOff()
  })

  test('is resumed in the new session with an event log, too (SE7, UC6, SS8)', async () => {
    await start({ events: new MemoryEventLog() })
    await breakOff()
  })
})

describe('after a recovery, an answer that nobody waits for any more', () => {
  test('is cancelled in the new session when it comes too late (LC8, UC8)', async () => {
    await start({ timeouts: { responseMs: 700 } })
    on('tools/call', () => {})
    expect(await soon(session.post(call), 'the 504')).toMatchObject({ status: 504 })
    expect(await sessionOfNext('notifications/cancelled')).toBe(alive())
  })

  test('is cancelled in the new session when the access expires (LC8, AU11)', async () => {
    await start()
    const { client } = await callOn(bearer('ann', 1_500))
    expect(await soon(client.nextMessage(), 'the error')).toMatchObject({ error: { code: 401 } })
    expect(await sessionOfNext('notifications/cancelled')).toBe(alive())
  })

  test('is cancelled in the new session when the lookup withdraws the server (LC8, SS6)', async () => {
    let isAllowed = true
    const config = { url: upstream.url, recover: true }
    await start({ servers: () => (isAllowed ? config : undefined), recheckMs: 100 })
    const { client } = await callOn()
    isAllowed = false
    expect(await soon(client.nextMessage(), 'the error')).toMatchObject({ error: { code: 404 } })
    expect(await sessionOfNext('notifications/cancelled')).toBe(alive())
  })

  test('has the new session ended at the upstream when the session has ended elsewhere (SS3, UC5)', async () => {
    const sessions = plainStore()
    await start({ sessions, recheckMs: 100 })
    const { client } = await callOn()
    const opened = alive()
    sessions.records.clear()
    expect(await soon(client.nextMessage(), 'the error')).toMatchObject({ error: { code: 404 } })
    expect(await sessionOfNext('DELETE')).toBe(opened)
  })
})

describe('after a recovery, with an event log, an access that expires', () => {
  test('ends the stream without an error, and whoever brings a new one resumes it (AU11, SE4)', async () => {
    await start({ events: new MemoryEventLog() })
    const { client, answering } = await callOn(bearer('ann', 1_500))
    expect(await soon(client.over, 'the end of the stream')).toBe('complete')
    expect(client.bytes().toString()).not.toContain('error')
    const id = Array.from(
      client
        .bytes()
        .toString()
        .matchAll(/^id: (.*)$/gm),
      ([, each]) => each,
    ).at(-1)
    await answering.stream().send({ id: 'c', result: {} })
    const again = await soon(session.listen({ 'last-event-id': id }), 'the rest of the stream')
    expect(await soon(again.nextMessage(), 'the answer')).toEqual({ jsonrpc: '2.0', id: 'c', result: {} })
    expect(upstream.requests('notifications/cancelled')).toEqual([])
  })
})

describe('while a session is opened anew', () => {
  test('an access that expires ends the call, which does not wait for the handshake (AU11)', async () => {
    await start()
    upstream.on('initialize', () => {})
    const answer = await soon(session.post(call, bearer('ann', 1_500)), 'the refusal')
    expect(answer).toMatchObject({ status: 401, message: { id: 'c' } })
  })

  test('a client that ends its session ends the call, which does not wait for the handshake (SS4)', async () => {
    await start()
    upstream.on('initialize', () => {})
    const answering = session.post(call)
    await upstream.nextRequest('initialize')
    await soon(upstream.nextRequest('initialize'), 'the second handshake')
    expect(await soon(session.end(), 'the end')).toMatchObject({ status: 200 })
    expect(await soon(answering, 'the refusal')).toMatchObject({ status: 404, message: { id: null } })
  })
})
