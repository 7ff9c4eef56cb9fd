// The layer that asks for connections: in the client's era, to every kind of message, and what it does with the retry.
import type { AskToConnect } from '../../../lib/layers/ask-to-connect/ask-to-connect.ts'
import { GatewayError } from '../../../lib/errors.ts'
import { type RequestMessage, notificationOf, requestOf } from '../../../lib/exchange/message.ts'
import type { AuditRecord } from '../../../lib/types.ts'
import { type Answered, answeredTo, callOf, request } from '../../support/bridged-modern.ts'
import { askingUpstream, type FakeConnections, fakeConnections } from '../../support/fake-connections.ts'
import {
  batchOf,
  type Fixture,
  fixture,
  type FixtureOptions,
  handshake,
  legacyCall,
  settled,
} from '../../support/fixture.ts'

const ADA = { id: 'ada' }
const KEYS = ['0123456789abcdef0123456789abcdef']
const ELICITATION = { mode: 'url', url: 'https://app.test/connections/link-1', message: expect.any(String) }

let connections: FakeConnections
let gateway: Fixture

function start(options: FixtureOptions = {}): Fixture {
  connections = fakeConnections()
  gateway = fixture({
    principal: ADA,
    layers: ['open', 'askToConnect', 'cancel'],
    upstream: askingUpstream(),
    ...options,
    config: { headers: connections.headers, ...options.config } as NonNullable<FixtureOptions['config']>,
  })
  return gateway
}

beforeEach(() => void start())
afterEach(() => gateway.close())

async function ask(message: RequestMessage, options: Parameters<Fixture['send']>[1] = {}): Promise<Answered> {
  const client = gateway.send(message, options)
  await client.over
  return answeredTo(client)
}

const stateIn = ({ result }: Answered): string => result['requestState'] as string

function retryOf(
  message: RequestMessage,
  requestState: unknown,
  answer: object = { action: 'accept' },
  more: object = {},
): RequestMessage {
  const params = { ...message.params, ...more, requestState, inputResponses: { connection_1: answer } }
  return requestOf('modern', 8, message.method, params)
}

const layer = (): AskToConnect => gateway.askToConnect

describe('a client of 2025-11-25', () => {
  test.each([
    ['the handshake', handshake()],
    ['a list', legacyCall('tools/list', {})],
    ['a call', legacyCall()],
  ])('ER12 gets for %s a response with the link, in its data and in its message', async (_, message) => {
    const client = gateway.send(message, message.method === 'initialize' ? {} : { session: await gateway.session() })
    await client.over
    expect(client.response.status).toBe(200)
    const elicitations = [{ ...ELICITATION, elicitationId: 'link-1' }]
    expect(client.json).toEqual({
      jsonrpc: '2.0',
      id: 7,
      error: { code: -32042, message: expect.stringContaining(ELICITATION.url), data: { elicitations } },
    })
    expect(client.sessionId).toBeUndefined()
    expect(gateway.upstream.told).toEqual([])
  })

  test('gets the same link while it is open, and the result once the account is connected', async () => {
    const session = await gateway.session()
    const first = await ask(legacyCall(), { session })
    expect((await ask(legacyCall(), { session })).message).toBe(first.message)
    expect(connections.made).toBe(1)
    connections.connect('ada')
    expect((await ask(legacyCall(), { session })).result).toEqual({ echoed: { name: 'echo' } })
  })

  test('RPC10 gets 403 for a notification, which has no response', async () => {
    const client = gateway.send(notificationOf('legacy', 'notifications/initialized'), {
      session: await gateway.session(),
    })
    await client.over
    expect(client.refused).toMatchObject({ code: 'connection_required', status: 403 })
    expect(client.refused!.message).toContain(ELICITATION.url)
  })

  test('gets an error for each request of a batch', async () => {
    const batch = batchOf(legacyCall('tools/call', { name: 'a' }, 1), legacyCall('tools/list', {}, 2))
    const client = gateway.send(batch, { session: await gateway.session() })
    await client.over
    expect(client.json).toMatchObject([
      { id: 1, error: { code: -32042 } },
      { id: 2, error: { code: -32042 } },
    ])
  })

  test('PU5 has a listening stream that waits for the account, hears of it, and goes on as the server’s', async () => {
    const session = await gateway.session()
    const client = gateway.send(undefined, { session })
    await connections.waiting.next()
    await settled()
    expect(client.response.status).toBe(200)
    gateway.upstream.on('GET', (asked) => asked.events().say({ method: 'notifications/tools/list_changed' }))
    connections.connect('ada')
    await client.events.next(({ data }) => data.includes('list_changed'))
    expect(client.says.filter((word) => !word.startsWith('comment'))).toEqual([
      'notifications/elicitation/complete',
      'notifications/tools/list_changed',
    ])
    client.leave()
  })

  test('is told on its stream that a link was used which a call got', async () => {
    const session = await gateway.session()
    connections.connect('ada')
    const listener = gateway.send(undefined, { session })
    await gateway.upstream.asked.next(({ kind }) => kind === 'GET')
    await settled()
    connections.lose('ada')
    await ask(legacyCall(), { session })
    expect(layer().load).toEqual({ waiting: 1, watched: 1, sessions: 1 })
    connections.connect('ada')
    const { data } = await listener.events.next()
    expect(JSON.parse(data)).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/elicitation/complete',
      params: { elicitationId: 'link-1' },
    })
    connections.lose('ada')
    await ask(legacyCall(), { session })
    expect(layer().load).toEqual({ waiting: 1, watched: 1, sessions: 1 })
    listener.leave()
    await settled()
    expect(layer().load).toEqual({ waiting: 0, watched: 0, sessions: 0 })
  })

  test('whose revision does not have it is told nothing', async () => {
    const session = await gateway.session()
    const older = { ...session, record: { ...session.record } }
    const upstream = { ...session.record.upstream, protocolVersion: '2025-06-18' }
    const listener = gateway.send(undefined, { session: older, state: upstream })
    await connections.waiting.next()
    await ask(legacyCall(), { session: older, state: upstream })
    expect(layer().load.watched).toBe(0)
    listener.leave()
  })
})

describe('a client of 2026-07-28', () => {
  test('ST21 ST22 that opens URLs is asked to, with a sealed state', async () => {
    const { result, status } = await ask(callOf())
    expect(status).toBe(200)
    expect(result).toEqual({
      resultType: 'input_required',
      inputRequests: { connection_1: { method: 'elicitation/create', params: ELICITATION } },
      requestState: expect.stringMatching(/^mcpgw-connect\./),
    })
    expect(stateIn({ result } as Answered)).not.toContain('link-1')
  })

  test.each([
    ['does not say that it opens URLs', callOf('echo', {}, { capabilities: { elicitation: {} } })],
    ['says nothing', callOf('echo', {}, { capabilities: {} })],
    ['lists, which no server may ask during', request('tools/list')],
    ['discovers, which no server may ask during', request('server/discover')],
    ['listens', request('subscriptions/listen', { notifications: {} })],
  ])('that %s gets the error', async (_, message) => {
    const { status, code, message: words } = await ask(message)
    expect([status, code]).toEqual([200, -32042])
    expect(words).toContain(ELICITATION.url)
  })

  test('ST23 has its retry held until the account is connected, and sent on as it was first asked', async () => {
    const state = stateIn(await ask(callOf('echo', { arguments: { a: 1 } })))
    const client = gateway.send(retryOf(callOf('echo', { arguments: { a: 1 } }), state))
    const { link, user, timeoutMs } = await connections.waiting.next()
    expect([link, user, timeoutMs]).toEqual(['link-1', 'ada', 25_000])
    expect(gateway.upstream.told).toEqual([])
    connections.connect('ada')
    await client.over
    const { echoed } = answeredTo(client).result as { echoed: object }
    expect(Object.keys(echoed).toSorted()).toEqual(['_meta', 'arguments', 'name'])
    expect(layer().load.waiting).toBe(0)
  })

  test('is asked again with a new state when its user takes longer, ten times, and nothing is left of it', async () => {
    const states = [stateIn(await ask(callOf()))]
    for (let round = 0; round < 10; round += 1) {
      const client = gateway.send(retryOf(callOf(), states.at(-1)))
      await connections.waiting.next()
      connections.runOutOfTime()
      await client.over
      const asked = answeredTo(client)
      expect(asked.result['inputRequests']).toEqual({
        connection_1: { method: 'elicitation/create', params: ELICITATION },
      })
      states.push(stateIn(asked))
    }
    expect(new Set(states).size).toBe(11)
    expect(Math.max(...states.map(({ length }) => length))).toBe(states[0]!.length)
    expect(connections.made).toBe(1)
    expect(layer().load).toEqual({ waiting: 0, watched: 0, sessions: 0 })
  })

  test('whose link is used up gets a new one', async () => {
    const state = stateIn(await ask(callOf()))
    connections.connect('ada')
    connections.lose('ada')
    const { result } = await ask(retryOf(callOf(), state))
    expect(result).toMatchObject({ inputRequests: { connection_1: { params: { url: /link-2$/ } } } } as never)
  })

  test.each([
    ['at the client', { action: 'decline' }],
    ['by leaving it', { action: 'cancel' }],
  ])('whose user declines %s gets an error without a link, and the next call a link', async (_, answer) => {
    const state = stateIn(await ask(callOf()))
    const { code, message } = await ask(retryOf(callOf(), state, answer))
    expect([code, message]).toEqual([-32042, expect.stringContaining('declined')])
    expect(gateway.upstream.told).toEqual([])
    expect((await ask(callOf())).result['resultType']).toBe('input_required')
  })

  test('whose user declines on the page gets the error, too', async () => {
    const client = gateway.send(retryOf(callOf(), stateIn(await ask(callOf()))))
    await connections.waiting.next()
    connections.decline('ada')
    await client.over
    expect(answeredTo(client)).toMatchObject({ code: -32042, message: expect.stringContaining('declined') })
  })

  test('that leaves while it is held is waited for no longer', async () => {
    const client = gateway.send(retryOf(callOf(), stateIn(await ask(callOf()))))
    await connections.waiting.next()
    client.leave()
    await settled()
    expect(layer().load.waiting).toBe(0)
    expect(gateway.upstream.told).toEqual([])
  })

  test('ST24 may retry at another node, which has the same keys', async () => {
    start({ keys: KEYS })
    const state = stateIn(await ask(callOf()))
    const first = gateway
    start({ keys: KEYS })
    connections.connect('ada')
    expect((await ask(retryOf(callOf(), state))).result).toHaveProperty('echoed')
    await first.close()
  })

  test('answers questions of its server all the same, when the account is lost in between', async () => {
    connections.connect('ada')
    gateway.upstream.on('tools/call', (asked) => {
      const params = (asked.exchange.message as RequestMessage).params!
      const { requestState, inputResponses } = params
      if (requestState === undefined) asked.json({ resultType: 'input_required', requestState: 'own' })
      else asked.json({ requestState, inputResponses })
    })
    expect(stateIn(await ask(callOf()))).toBe('own')
    connections.lose('ada')
    const own = { requestState: 'own', inputResponses: { name: { action: 'accept', content: { a: 1 } } } }
    const asked = await ask(callOf('echo', own))
    connections.connect('ada')
    expect((await ask(retryOf(callOf(), stateIn(asked)))).result).toEqual(own)
  })

  test('whose own answers are too long for a state gets the error', async () => {
    const long = { inputResponses: { name: { action: 'accept', content: { a: 'x'.repeat(70_000) } } } }
    expect((await ask(callOf('echo', long))).code).toBe(-32042)
  })

  describe('ST23 ST25 has its retry refused with -32602', () => {
    const refused = { status: 200, code: -32602, message: expect.stringContaining('requestState') }

    test.each([
      ['that is forged', () => 'mcpgw-connect.AAAA'],
      ['that is changed', (state: string) => `${state.slice(0, -2)}${state.endsWith('AA') ? 'BB' : 'AA'}`],
      ['that is cut', (state: string) => state.slice(0, -8)],
      ['that is too long', (state: string) => state + 'A'.repeat(70_000)],
    ])('with a state %s', async (_, change) => {
      const state = stateIn(await ask(callOf()))
      connections.connect('ada')
      expect(await ask(retryOf(callOf(), change(state)))).toMatchObject(refused)
      expect(gateway.upstream.told).toEqual([])
    })

    test('with a state of another principal, another tool or another method', async () => {
      const state = stateIn(await ask(callOf()))
      connections.connect('ada')
      connections.connect('eve')
      expect(await ask(retryOf(callOf(), state), { as: { id: 'eve' } })).toMatchObject(refused)
      expect(await ask(retryOf(callOf('other'), state))).toMatchObject(refused)
      expect(await ask(retryOf(request('prompts/get', { name: 'echo' }), state))).toMatchObject(refused)
      expect(gateway.upstream.told).toEqual([])
    })

    test('with a state of another server', async () => {
      start({ keys: KEYS })
      const state = stateIn(await ask(callOf()))
      const first = gateway
      const upstream = Object.defineProperty(askingUpstream(), 'id', { value: 'memory:other' })
      start({ keys: KEYS, upstream })
      connections.connect('ada')
      expect(await ask(retryOf(callOf(), state))).toMatchObject(refused)
      await first.close()
    })

    test('with a state that has expired, and not a moment before', async () => {
      const { jest } = import.meta
      const now = Date.now()
      const clock = jest.spyOn(Date, 'now').mockReturnValue(now)
      const state = stateIn(await ask(callOf()))
      connections.connect('ada')
      clock.mockReturnValue(now + 15 * 60_000 - 1)
      expect((await ask(retryOf(callOf(), state))).result).toHaveProperty('echoed')
      clock.mockReturnValue(now + 15 * 60_000)
      expect(await ask(retryOf(callOf(), state))).toMatchObject(refused)
      clock.mockRestore()
    })
  })

  test('has a state of its server relayed, whatever it looks like', async () => {
    connections.connect('ada')
    const { result } = await ask(callOf('echo', { requestState: 'mcpgw-other.x' }))
    expect(result).toMatchObject({ echoed: { requestState: 'mcpgw-other.x' } })
  })
})

describe('a headers function of your own', () => {
  const throwing = (data?: object): FixtureOptions['config'] => ({
    headers: () => Promise.reject(new GatewayError('connection_required', 'Connect first', { data })),
  })

  test('may throw the error, and the message has each link that it has not', async () => {
    const link = { mode: 'url', elicitationId: 'a', url: 'https://app.test/a', message: 'Open it' }
    start({ config: throwing({ elicitations: [link] })! })
    const { code, message } = await ask(legacyCall(), { session: await gateway.session() })
    expect([code, message]).toEqual([-32042, 'Connect first https://app.test/a'])
    // Nobody can tell when it is connected, so the client is asked again at once.
    const state = stateIn(await ask(callOf()))
    expect((await ask(retryOf(callOf(), state))).result['resultType']).toBe('input_required')
  })

  test.each([undefined, {}, { elicitations: 'x' }, { elicitations: [null, { url: 1 }] }])(
    'whose data is %j leads to an error without links',
    async (data) => {
      start({ config: throwing(data)! })
      const { code, message } = await ask(callOf())
      expect([code, message]).toEqual([-32042, 'Connect first'])
    },
  )

  test('that throws another error is not touched', async () => {
    start({ config: { headers: () => Promise.reject(new GatewayError('forbidden', 'No')) } as never })
    expect(await ask(callOf())).toMatchObject({ status: 403, code: 403 })
  })
})

test('a server with plain headers does not pass the layer', () => {
  for (const config of [{ url: 'http://a' }, { url: 'http://a', headers: { a: 'b' } }]) {
    expect(layer().applies(config)).toBe(false)
  }
  expect(layer().applies({ url: 'http://a', headers: connections.headers })).toBe(true)
})

test('a broker that fails is reported, and its user asked again', async () => {
  connections.broker.waitFor = () => Promise.reject(new Error('store down'))
  const { result } = await ask(retryOf(callOf(), stateIn(await ask(callOf()))))
  expect(result['resultType']).toBe('input_required')
  expect(gateway.reported.entries).toEqual([new Error('store down')])
})

test('audit says that it was refused for want of a connection', async () => {
  const records: AuditRecord[] = []
  start({ audit: (record) => void records.push(record) })
  await ask(legacyCall(), { session: await gateway.session() })
  await ask(callOf())
  const facts = records.filter(({ from }) => from === 'client').map(({ outcome, by, code }) => [outcome, by, code])
  expect(facts).toEqual([
    ['refused', 'connection', -32042],
    ['ok', 'connection', undefined],
  ])
})
