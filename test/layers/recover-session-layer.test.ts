// The layer that opens forgotten sessions anew, alone: what it tells the server, what it keeps, and when it gives up.
import { GatewayError, type GatewayErrorCode } from '../../lib/errors.ts'
import type { ClientSession, Exchange } from '../../lib/exchange/exchange.ts'
import { notificationOf } from '../../lib/exchange/message.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { type Fixture, fixture, handshake, legacyCall, modernCall, settled } from '../support/fixture.ts'
import type { MemoryClient } from '../support/memory-client.ts'
import type { Asked } from '../support/memory-upstream.ts'

let gateway: Fixture
let session: ClientSession

async function start(client = { handshake: { clientInfo: { name: 'test' } } }): Promise<void> {
  gateway = fixture({ layers: ['recover'] })
  session = await gateway.session(client)
}

beforeEach(() => start())
afterEach(() => gateway.close())

/** A server that is started again has no sessions. */
const forget = (): void => gateway.upstream.sessions.clear()

/** A request as its client sends it, in the session as the store has it now. */
async function ask(method = 'tools/call', params: object = {}): Promise<MemoryClient> {
  const client = gateway.send(legacyCall(method, params), { session: await gateway.find(session.id) })
  await client.over
  return client
}

const RENEWAL = ['initialize', 'notifications/initialized in s2']
const accepted: Promise<Reply> = Promise.resolve({ kind: 'empty', status: 202, headers: {} })

describe('a session that the server has forgotten', () => {
  test('SS8 UC4 is opened anew with the same handshake, and the call is sent again in it', async () => {
    forget()
    const client = await ask()
    expect(client.says).toEqual(['result'])
    expect(gateway.upstream.told).toEqual(['tools/call in s1', ...RENEWAL, 'tools/call in s2'])
    const [first, opening, , second] = gateway.upstream.asked.entries
    expect(opening?.exchange.message).toMatchObject({ params: { clientInfo: { name: 'test' } } })
    expect(second?.exchange.message).toBe(first?.exchange.message)
    await expect(gateway.behind(session)).resolves.toBe('s2')
  })

  test('the call goes on in the same lifetime, so that a stop of it reaches the new session', async () => {
    forget()
    gateway.upstream.on('tools/call', () => {})
    const exchange = gateway.exchange(legacyCall(), { session })
    const handled = gateway.pipeline.handleOf(gateway.config, 'client')(exchange)
    const again = await gateway.upstream.asked.next(({ words }) => words === 'tools/call in s2')
    expect(again.exchange.life).toBe(exchange.life)
    exchange.life.stop(new GatewayError('unauthorized', 'The access has expired'))
    await expect(handled).rejects.toMatchObject({ code: 'unauthorized' })
    await expect(again.stopped).resolves.toMatchObject({ code: 'unauthorized' })
  })

  test('SS8 is opened anew as often as it is forgotten', async () => {
    for (const expected of ['s2', 's3']) {
      forget()
      expect((await ask()).says).toEqual(['result'])
      await expect(gateway.behind(session)).resolves.toBe(expected)
    }
  })

  test('SS8 is listened to without the event id of the old one', async () => {
    forget()
    gateway.upstream.on('GET', (asked) => asked.events().end())
    const client = gateway.send(undefined, {
      session,
      headers: { 'last-event-id': 'e1', 'mcp-protocol-version': '2025-11-25' },
    })
    await client.over
    expect(gateway.upstream.told).toEqual(['GET after e1 in s1', ...RENEWAL, 'GET in s2'])
    expect(gateway.upstream.asked.entries.at(-1)?.exchange.headers).toEqual({ 'mcp-protocol-version': '2025-11-25' })
  })

  test('SS8 UT7 is told the log level and the subscriptions that the server had agreed to', async () => {
    await ask('logging/setLevel', { level: 'debug' })
    await ask('logging/setLevel', { level: 'error' })
    for (const uri of ['x://a', 'x://b']) await ask('resources/subscribe', { uri })
    await ask('resources/unsubscribe', { uri: 'x://b' })
    gateway.upstream.on('resources/subscribe', (asked) => asked.error(-32_002, 'no such resource'))
    await ask('resources/subscribe', { uri: 'x://c' })
    gateway.upstream.on('resources/subscribe')
    forget()
    const before = gateway.upstream.told.length
    await ask()
    const told = gateway.upstream.asked.entries.slice(before + 3, -1)
    expect(told.map(({ exchange: { message } }) => message)).toMatchObject([
      { method: 'logging/setLevel', params: { level: 'error' } },
      { method: 'resources/subscribe', params: { uri: 'x://a' } },
    ])
  })

  test('SS8 is opened all the same when the server does not want to hear again what it was told', async () => {
    await ask('resources/subscribe', { uri: 'x://a' })
    forget()
    gateway.upstream.on('resources/subscribe', (asked) => asked.error(-32_002, 'no such resource'))
    expect((await ask()).says).toEqual(['result'])
    await expect(gateway.behind(session)).resolves.toBe('s2')
  })

  test('SS8 is opened once for all requests that find it forgotten at the same time', async () => {
    forget()
    const clients = [1, 2, 3].map((id) => gateway.send(legacyCall('tools/call', {}, id), { session }))
    for (const client of clients) await client.over
    expect(clients.map(({ says }) => says)).toEqual([['result'], ['result'], ['result']])
    expect(gateway.upstream.told.filter((words) => words === 'initialize')).toHaveLength(1)
  })

  test('SS8 is not opened once more by a request that was sent in the old one', async () => {
    forget()
    const late = await gateway.find(session.id)
    await ask()
    const client = gateway.send(legacyCall(), { session: late })
    await client.over
    expect(client.says).toEqual(['result'])
    expect(gateway.upstream.told.slice(4)).toEqual(['tools/call in s1', 'tools/call in s2'])
  })
})

describe('a session that cannot be opened anew', () => {
  const failures: [string, (asked: Asked) => void, string[]][] = [
    ['refuses the handshake', (asked) => asked.error(-32_000, 'no'), []],
    ['breaks off', (asked) => asked.fail('upstream_broken'), []],
    [
      'agrees to another revision',
      (asked) => asked.json({ protocolVersion: '2025-06-18' }),
      [...RENEWAL.slice(1), 'DELETE in s2'],
    ],
  ]
  test.each(failures)('SS3 SS8 because the server %s is a 404 with the cause, and ends', async (_, fail, farewell) => {
    forget()
    gateway.upstream.on('initialize', fail)
    const client = await ask()
    expect(client.refused).toMatchObject({ code: 'session_not_found', status: 404 })
    expect(client.refused?.cause).toBeInstanceOf(Error)
    expect(gateway.upstream.told).toEqual(['tools/call in s1', 'initialize', ...farewell])
    await expect(gateway.behind(session)).resolves.toBe('ended')
  })

  test('UC5 because the server breaks off in the middle is ended there, so that nothing is left open', async () => {
    await ask('logging/setLevel', { level: 'debug' })
    forget()
    gateway.upstream.on('logging/setLevel', (asked) => asked.fail('upstream_broken'))
    expect((await ask()).says).toEqual(['refused 404'])
    expect(gateway.upstream.told.slice(1)).toEqual([
      'tools/call in s1',
      ...RENEWAL,
      'logging/setLevel in s2',
      'DELETE in s2',
    ])
  })

  test('SS3 because nothing is kept of its handshake is a 404', async () => {
    await session.keep(({ upstream, protocolVersion }) => ({ upstream, protocolVersion, id: 's1' }))
    forget()
    expect((await ask()).says).toEqual(['refused 404'])
    expect(gateway.upstream.told).toEqual(['tools/call in s1'])
  })

  test('SS3 because the server forgets the new one at once, too, is a 404 after one attempt', async () => {
    gateway.upstream.on('tools/call', (asked) => asked.fail('session_not_found'))
    expect((await ask()).says).toEqual(['refused 404'])
    expect(gateway.upstream.told).toEqual(['tools/call in s1', ...RENEWAL, 'tools/call in s2'])
  })
})

describe('a stop while the session is opened anew', () => {
  let agree: () => void

  beforeEach(() => {
    forget()
    gateway.upstream.on('initialize', (asked) => {
      agree = () => asked.json({ protocolVersion: '2025-11-25' })
    })
  })

  test('ends the call at once with the reason of the stop, and it is not sent again', async () => {
    const client = gateway.send(legacyCall(), { session })
    await gateway.upstream.asked.next(({ kind }) => kind === 'initialize')
    gateway.stopAll()
    await client.over
    expect(client.refused).toMatchObject({ code: 'closing' })
    agree()
    await settled()
    expect(gateway.upstream.told).not.toContain('tools/call in s2')
  })

  test('of the request that began with it takes nothing away from those that wait for the same session', async () => {
    const first = gateway.exchange(legacyCall(), { session })
    const handle = gateway.pipeline.handleOf(gateway.config, 'client')
    const stopped = handle(first).then(undefined, (error: unknown) => error)
    await gateway.upstream.asked.next(({ kind }) => kind === 'initialize')
    const second = gateway.send(legacyCall(), { session })
    await settled()
    first.life.stop(new GatewayError('unauthorized', 'The access has expired'))
    await expect(stopped).resolves.toMatchObject({ code: 'unauthorized' })
    agree()
    await second.over
    expect(second.says).toEqual(['result'])
    await expect(gateway.behind(session)).resolves.toBe('s2')
  })

  test('that came before the 404 opens nothing', async () => {
    const exchange = gateway.exchange(legacyCall(), { session })
    const next = (): Promise<Reply> => {
      exchange.life.stop(new GatewayError('closing', 'closing'))
      return Promise.reject(new GatewayError('session_not_found', 'Session not found'))
    }
    await expect(gateway.layers.recover.handle(exchange, next)).rejects.toMatchObject({ code: 'session_not_found' })
    expect(gateway.upstream.told).toEqual([])
  })
})

describe('what is left alone', () => {
  test.each<GatewayErrorCode>(['upstream_broken', 'upstream_timeout', 'upstream_refused'])(
    'SE14 UC10 a call that may have been carried out (%s) is not sent again',
    async (code) => {
      gateway.upstream.on('tools/call', (asked) => asked.fail(code))
      const client = await ask()
      expect(client.refused).toMatchObject({ code })
      expect(gateway.upstream.told).toEqual(['tools/call in s1'])
    },
  )

  test('whatever is in no session goes on untouched', () => {
    for (const exchange of [gateway.exchange(handshake()), gateway.exchange(modernCall())]) {
      const next = (sent: Exchange): Promise<Reply> =>
        sent === exchange ? accepted : Promise.reject(new Error('another'))
      expect(gateway.layers.recover.handle(exchange, next)).toBe(accepted)
    }
  })

  test('a reply in a live session is the very one from below', async () => {
    const reply = await accepted
    for (const message of [legacyCall(), notificationOf('legacy', 'notifications/roots/list_changed'), undefined]) {
      const exchange = gateway.exchange(message, { session })
      await expect(
        gateway.layers.recover.handle(exchange, (sent) =>
          sent === exchange ? accepted : Promise.reject(new Error('another')),
        ),
      ).resolves.toBe(reply)
    }
  })

  test('UT7 more subscriptions than can be kept are not kept, and the earlier ones stay', async () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`x://${at}`, { uri: `x://${at}` }]))
    await session.keep((state) => ({ ...state, client: { handshake: {}, subscriptions: many } }))
    expect((await ask('resources/subscribe', { uri: 'x://500' })).says).toEqual(['result'])
    const { record } = await gateway.find(session.id)
    expect(Object.keys(record.upstream.client?.subscriptions ?? {})).toHaveLength(500)
  })

  test('UT7 what is too long to be kept is not kept, and the server gets it all the same', async () => {
    const long = 'x'.repeat(70_000)
    expect((await ask('logging/setLevel', { level: 'error' })).says).toEqual(['result'])
    expect((await ask('logging/setLevel', { level: long })).json).toMatchObject({ result: { echoed: { level: long } } })
    const { record } = await gateway.find(session.id)
    expect(record.upstream.client?.logLevel).toEqual({ level: 'error' })
  })

  test('it applies to servers that ask for it, and to no other', () => {
    const { recover } = gateway.layers
    expect([true, false, undefined].map((given) => recover.applies({ url: 'http://x', recover: given }))).toEqual([
      true,
      false,
      false,
    ])
  })
})
