// How long an interceptor is waited for: its client, its login, its session, with an event log and without. (governance 10)
import { GatewayError, type Interceptor } from '../../../lib/index.ts'
import { fixture, type Fixture, legacyCall, modernCall, PROGRESS, settled } from '../../support/fixture.ts'
import { deferred, layer } from './setup.ts'

let gateway: Fixture
afterEach(() => gateway.close())

const signals: AbortSignal[] = []
beforeEach(() => void (signals.length = 0))

/** A layer that never settles, before `next()` or behind it. */
function endless(when: 'before' | 'behind'): Interceptor {
  return layer({
    'tools/call': async ({ signal }, next) => {
      signals.push(signal)
      if (when === 'behind') await next()
      return new Promise(() => {})
    },
  })
}

const call = () => modernCall('tools/call', { name: 'x' })
const reasonOf = (signal: AbortSignal | undefined) => (signal?.reason as GatewayError | undefined)?.message
const codeOf = (signal: AbortSignal | undefined) => (signal?.reason as GatewayError | undefined)?.code

test.each(['before', 'behind'] as const)(
  '10. a modern client that leaves ends a layer that never settles %s next(), and nothing of it stays',
  async (when) => {
    gateway = fixture({ intercept: endless(when) })
    const client = gateway.send(call())
    await settled()
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
    client.leave()
    await gateway.inFlight.idle()
    expect(reasonOf(signals[0])).toBe('The client went away')
  },
)

test.each(['before', 'behind'] as const)(
  '10. a login that expires ends a layer that never settles %s next() with 401, and tells the server so',
  async (when) => {
    gateway = fixture({ intercept: endless(when), layers: ['open', 'intercept', 'cancel'] })
    if (when === 'behind') gateway.upstream.on('tools/call', (asked) => asked.events().say(PROGRESS))
    const client = gateway.send(legacyCall(), { session: await gateway.session() })
    await settled()
    gateway.expireTokens()
    await client.over
    await gateway.inFlight.idle()
    expect(client.says).toEqual(when === 'behind' ? ['progress', 'error 401'] : ['refused 401'])
    expect(codeOf(signals[0])).toBe('unauthorized')
    // A server that was never asked is told nothing.
    expect(gateway.upstream.told).toEqual(when === 'behind' ? ['tools/call in s1', 'cancelled 7 in s1'] : [])
  },
)

describe('C22 with an event log, once the call has a stream,', () => {
  let gate: ReturnType<typeof deferred<void>>
  beforeEach(() => void (gate = deferred()))
  const slow = layer({
    'tools/call': async ({ signal }, next) => {
      signals.push(signal)
      const result = await next()
      await gate.promise
      return { ...result, seen: true }
    },
  })

  async function begin() {
    gateway = fixture({ intercept: slow, layers: ['open', 'log', 'intercept', 'resume', 'cancel'] })
    gateway.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say(PROGRESS)
      stream.answer({ content: [] })
    })
    const session = await gateway.session()
    const client = gateway.send(legacyCall(), { session })
    await settled()
    return { session, client }
  }

  test('a login that expires ends the stream of its client, while the layer goes on for one that comes back', async () => {
    const { session, client } = await begin()
    gateway.expireTokens()
    await client.over
    expect([client.says, signals[0]!.aborted]).toEqual([['priming', 'progress'], false])
    const headers = { 'last-event-id': client.lastEventId! }
    const again = gateway.send(undefined, { session: await gateway.find(session.id), headers })
    gate.resolve()
    await again.over
    expect(again.events.entries.map(({ data }) => JSON.parse(data))).toEqual([
      { jsonrpc: '2.0', id: 7, result: { content: [], seen: true } },
    ])
  })

  test('the end of its session aborts the layer', async () => {
    const { session } = await begin()
    gateway.inFlight.stopSession(session.id, () => new GatewayError('session_not_found', 'Session not found'))
    expect(codeOf(signals[0])).toBe('session_not_found')
  })

  test('a gateway that closes aborts the layer', async () => {
    await begin()
    gateway.stopAll()
    expect(codeOf(signals[0])).toBe('closing')
  })
})

test('10. an event log has no stream yet: a login that expires ends the call', async () => {
  gateway = fixture({ intercept: endless('before'), layers: ['open', 'log', 'intercept'] })
  const client = gateway.send(legacyCall(), { session: await gateway.session() })
  await settled()
  gateway.expireTokens()
  await client.over
  expect([client.says, codeOf(signals[0])]).toEqual([['refused 401'], 'unauthorized'])
})
