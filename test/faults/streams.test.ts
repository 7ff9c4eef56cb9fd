// Faults of streams: how they are polled, whom they hold up, what of them is kept, and how many one client may leave behind.
import { jest } from '@jest/globals'
import { type GatewayRequest, MemoryEventLog } from '../../lib/index.ts'
import { fakeTime, inFakedTime, pass } from '../support/fake-time.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, initializeMessage, openStream, post, type OpenStream, type Session } from '../support/rpc.ts'
import { settles, soon } from '../support/soon.ts'
import { startUpstream, type Exchange, type RpcMessage, type Upstream } from '../support/upstream.ts'
import { head, wire } from '../support/wire.ts'
import { call, nextWithId } from './support-streams.ts'

// A machine that is busy counts and collects for longer; each of these takes about a second where it is not.
let upstream: Upstream
let gateway: RunningGateway | undefined
const clients: OpenStream[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await inFakedTime(Promise.resolve(gateway?.close()))
  await upstream?.close()
  gateway = undefined
  jest.useRealTimers()
})

/** Closed when the test is over. */
async function keep(opening: Promise<OpenStream>): Promise<OpenStream> {
  const client = await opening
  clients.push(client)
  return client
}

const byHeader = ({ headers }: GatewayRequest): { id: string } => ({ id: String(headers.authorization) })

const log = (text: string): RpcMessage => ({ method: 'notifications/message', params: { level: 'info', data: text } })

describe('an upstream that wants to be polled', () => {
  /** How often it may be asked within a second by a gateway that leaves it any pause. */
  const OFTEN = 25

  /** Begins to answer a call, and ends each stream behind an event with a new id. */
  async function poll(retryMs: number, end: (exchange: Exchange) => void): Promise<{ often: Promise<void> }> {
    let polls = 0
    let tell: () => void
    const often = new Promise<void>((resolve) => (tell = resolve))
    const say = async (exchange: Exchange): Promise<void> => {
      polls += 1
      if (polls === OFTEN) tell()
      await exchange.stream().write(`retry: ${retryMs}\nid: u-${polls}\ndata: \n\n`)
      end(exchange)
    }
    upstream = await startUpstream()
    upstream.on('tools/call', say)
    upstream.on('GET', say)
    return { often }
  }

  test('11: and says retry: 0 is left a pause between two polls, also where no client is there (UC6, SE3)', async () => {
    const { often } = await poll(0, (exchange) => exchange.stream().end())
    gateway = await startGateway({ servers: { a: { url: upstream.url } }, events: new MemoryEventLog() })
    const session = await initialize(gateway.url('a'))
    const client = await keep(session.stream(call))
    await soon(client.over, 'the stream ends for the client as it does for the gateway')
    expect(await settles(often, 1_000)).toBe(false)
  })

  test.each([
    ['with', () => ({ events: new MemoryEventLog() })],
    ['without', () => ({})],
  ])('11: and cuts each stream, saying retry: 0, is left a pause %s an event log (UC6)', async (_, options) => {
    // What has been written is out before the connection is cut.
    const { often } = await poll(0, ({ res }) => void setImmediate(() => res.socket?.destroySoon()))
    gateway = await startGateway({ servers: { a: { url: upstream.url } }, ...options() })
    const session = await initialize(gateway.url('a'))
    await keep(session.stream(call))
    expect(await settles(often, 1_000)).toBe(false)
  })

  test('11: is not polled any more when no client has come back as long as events are kept (SE3)', async () => {
    fakeTime()
    await poll(1_000, (exchange) => exchange.stream().end())
    gateway = await startGateway({ servers: { a: { url: upstream.url } }, events: new MemoryEventLog() })
    const session = await initialize(gateway.url('a'))
    const client = await keep(session.stream(call))
    await soon(client.over, 'the stream ends for the client as it does for the gateway')
    await pass(10 * 60_000, 5_000)
    const before = upstream.requests('GET').length
    await pass(60_000, 5_000)
    expect(upstream.requests('GET').length).toBe(before)
  })
})

describe('an upstream that withholds the head of a stream', () => {
  type Listening = Pick<Session, 'url' | 'headers' | 'listen'>

  beforeEach(async () => {
    upstream = await startUpstream({ early: true })
    upstream.once('GET', () => {})
  })

  /** A client listens, and the upstream has been asked. */
  async function listenInVain(session: Listening): Promise<AbortController> {
    const leaving = new AbortController()
    const headers = { ...session.headers, accept: 'text/event-stream' }
    void fetch(session.url, { headers, signal: leaving.signal }).catch(() => {})
    await upstream.nextRequest('GET')
    return leaving
  }

  async function startLogged(expiresAt: () => number = () => Infinity): Promise<Listening> {
    const authenticate = (): { id: string; expiresAt: number } => ({ id: 'ann', expiresAt: expiresAt() })
    gateway = await startGateway({ servers: { a: { url: upstream.url } }, events: new MemoryEventLog(), authenticate })
    const url = gateway.url('a')
    // Without "initialized", at which the gateway would listen by itself.
    const id = (await post(url, initializeMessage())).headers['mcp-session-id'] as string
    const headers = { 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' }
    return { url, headers, listen: () => openStream(url, { headers }) }
  }

  test('13: holds up no second stream of the session, with an event log either (SE10)', async () => {
    const session = await startLogged()
    const leaving = await listenInVain(session)
    const second = keep(session.listen())
    const isThere = await settles(second)
    leaving.abort()
    await soon(second, 'the second stream begins when the first client has left')
    expect(isThere).toBe(true)
  })

  test('13: does not keep who waits behind it past the end of its access (AU11)', async () => {
    let expiresAt = Infinity
    const session = await startLogged(() => expiresAt)
    const leaving = await listenInVain(session)
    expiresAt = Date.now() / 1_000 + 0.3
    const second = keep(session.listen())
    const isAnswered = await settles(second)
    leaving.abort()
    await soon(second, 'it is answered when the first client has left')
    expect(isAnswered).toBe(true)
  })

  test('13: is asked again when the first client has left', async () => {
    const session = await startLogged()
    const leaving = await listenInVain(session)
    leaving.abort()
    expect(await soon(keep(session.listen()), 'the second stream begins')).toMatchObject({ status: 200 })
  })
})

describe('a clock that steps back', () => {
  const name = { session: 's', stream: 't' }
  let events: MemoryEventLog
  beforeEach(() => {
    jest.useFakeTimers()
    events = new MemoryEventLog({ ttlMs: 10 * 60_000 })
  })
  afterEach(() => {
    events.close()
    jest.useRealTimers()
  })

  test('R7: does not make a lease last longer: another node goes on with the stream (SE7)', () => {
    events.claim(name, 'one', 15_000)
    jest.setSystemTime(Date.now() - 60 * 60_000)
    jest.advanceTimersByTime(16_000)
    expect(events.claim(name, 'other', 15_000)).toBe(true)
  })

  test('R7: does not make events be kept longer than "ttlMs" (SE8)', () => {
    events.append(name, [{ position: 1, text: 'one' }])
    jest.setSystemTime(Date.now() - 60 * 60_000)
    jest.advanceTimersByTime(12 * 60_000)
    expect(events.last(name)).toBeUndefined()
  })
})

test('Also: what one principal makes a memory event log keep pushes out nothing of another’s (SE8)', async () => {
  upstream = await startUpstream()
  upstream.on('tools/call', (exchange) => void exchange.stream())
  const events = new MemoryEventLog()
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, events, authenticate: byHeader })
  const ann = await initialize(gateway.url('a'), { headers: { authorization: 'ann' } })
  const client = await keep(ann.stream(call))
  const { stream } = await upstream.nextRequest('tools/call')
  await stream().send(log('one'))
  const { id } = await nextWithId(client)
  client.close()
  await stream().send(log('two'))
  // A session keeps 4 MiB, all together 64 MiB: 18 of them fill the log.
  const flood = log('x'.repeat(1_000_000))
  for (let sessions = 0; sessions < 18; sessions += 1) {
    const mallory = await initialize(gateway.url('a'), { headers: { authorization: 'mallory' } })
    const message = JSON.stringify(call)
    const headers = { ...mallory.headers, 'content-length': message.length }
    const { answer } = wire(gateway.origin, head(mallory.url, headers) + message)
    const flooding = await upstream.nextRequest('tools/call')
    await flooding.stream().send(flood)
    await flooding.stream().send(flood)
    flooding.stream().finish({})
    await answer
  }
  const back = await keep(openStream(ann.url, { headers: { ...ann.headers, 'last-event-id': id } }))
  expect(back.status).toBe(200)
  expect(await soon(back.nextMessage(), 'what was missed comes')).toMatchObject(log('two'))
})

describe('a legacy upstream without sessions, and no event log', () => {
  test.each([
    ['as its client saw it', (seen: string) => seen],
    ['as the upstream said it', () => 'secret-1'],
  ])('Also: the id of an event of another client does not cross, %s (SE7, SE8)', async (_, forge) => {
    upstream = await startUpstream({ sessions: false })
    gateway = await startGateway({
      servers: { a: { url: upstream.url } },
      authenticate: byHeader,
    })
    upstream.on('GET', (exchange) => void exchange.stream().send(log('for ann'), { id: 'secret-1' }))
    const url = gateway.url('a')
    const { id } = await keep(openStream(url, { headers: { authorization: 'ann' } })).then(nextWithId)
    await keep(openStream(url, { headers: { authorization: 'mallory', 'last-event-id': forge(id) } }))
    const crossed = upstream.requests('GET').map(({ headers }) => headers['last-event-id'])
    expect(crossed).not.toContain('secret-1')
  })
})

test('Also: calls that their clients abandoned keep no upstream stream each without a bound (SE4, SC6)', async () => {
  const MANY = 150
  upstream = await startUpstream()
  upstream.on('tools/call', (exchange) => void exchange.stream().send(log('begun')))
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, authenticate: () => ({ id: 'ann' }) })
  const session = await initialize(gateway.url('a'))
  const abandon = async (id: number): Promise<void> => {
    const client = await soon(session.stream({ ...call, id }), 'each call is answered, or refused')
    client.close()
    await client.over
  }
  for (let id = 0; id < MANY; id += 50) await Promise.all(Array.from({ length: 50 }, (_, more) => abandon(id + more)))
  const over = upstream.requests('tools/call').map((exchange) => exchange.over)
  expect(over.length < MANY || (await settles(Promise.race(over)))).toBe(true)
})
