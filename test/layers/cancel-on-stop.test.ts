// The layer that says `notifications/cancelled`, alone: for what, to whom, in which session, and when it is silent.
import { GatewayError, type GatewayErrorCode } from '../../lib/errors.ts'
import type { ClientSession } from '../../lib/exchange/exchange.ts'
import { notificationOf } from '../../lib/exchange/message.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import {
  batchOf,
  type Fixture,
  fixture,
  handshake,
  legacyCall,
  modernCall,
  PROGRESS,
  responseOf,
  settled,
} from '../support/fixture.ts'

let gateway: Fixture
let session: ClientSession

beforeEach(async () => {
  gateway = fixture({ layers: ['cancel'] })
  session = await gateway.session()
})
afterEach(() => gateway.close())

const accepted: Promise<Reply> = Promise.resolve({ kind: 'empty', status: 202, headers: {} })
const stopWith = (code: GatewayErrorCode): GatewayError => new GatewayError(code, `because of ${code}`)

/** Starts an exchange that the server leaves unanswered, and gives what stops it. */
function hang(message: Parameters<Fixture['exchange']>[0], options: Parameters<Fixture['exchange']>[1] = {}) {
  gateway.upstream.on('tools/call', () => {}).on('batch', () => {})
  const exchange = gateway.exchange(message, options)
  const handled = gateway.pipeline.handleOf(gateway.config, 'client')(exchange)
  return { exchange, handled: handled.then(undefined, (error: unknown) => error) }
}

describe('a legacy call that is stopped', () => {
  test('LC8 is cancelled at the server with its id and the reason, in its session and revision', async () => {
    const { exchange, handled } = hang(legacyCall(), { session })
    exchange.life.stop(stopWith('unauthorized'))
    await expect(handled).resolves.toMatchObject({ code: 'unauthorized' })
    const [, said] = gateway.upstream.asked.entries
    expect(said?.words).toBe('cancelled 7 in s1')
    expect(said?.exchange).toMatchObject({
      verb: 'POST',
      headers: { 'mcp-protocol-version': '2025-11-25' },
      message: { era: 'legacy', params: { requestId: 7, reason: 'because of unauthorized' } },
    })
  })

  test('LC8 is cancelled in the middle of its stream, too', async () => {
    gateway.upstream.on('tools/call', (asked) => asked.events().say(PROGRESS))
    const client = gateway.send(legacyCall(), { session })
    await client.events.next()
    gateway.expireTokens()
    await client.over
    expect(gateway.upstream.told).toEqual(['tools/call in s1', 'cancelled 7 in s1'])
  })

  test('LC8 has its notification outlive what was stopped', async () => {
    const { exchange } = hang(legacyCall(), { session })
    exchange.life.stop(stopWith('not_found'))
    expect(gateway.upstream.asked.entries[1]?.exchange.life.stopped).toBeUndefined()
  })

  test.each<GatewayErrorCode>(['session_not_found', 'closing'])(
    'says nothing when its session has ended or the gateway closes (%s)',
    async (code) => {
      const { exchange, handled } = hang(legacyCall(), { session })
      exchange.life.stop(stopWith(code))
      await handled
      await settled()
      expect(gateway.upstream.told).toEqual(['tools/call in s1'])
    },
  )

  test('ST18 a batch is cancelled request by request, and its notifications are not', async () => {
    const message = batchOf(
      legacyCall(),
      notificationOf('legacy', 'notifications/progress'),
      legacyCall('tools/call', {}, 'b'),
    )
    const { exchange } = hang(message, { session })
    exchange.life.stop(stopWith('unauthorized'))
    await settled()
    expect(gateway.upstream.told).toEqual(['batch in s1', 'cancelled 7 in s1', 'cancelled b in s1'])
  })
})

describe('a call that the server does not answer', () => {
  test('LC8 in time is cancelled, and fails with the 504', async () => {
    gateway.upstream.on('tools/call', (asked) => asked.fail('upstream_timeout'))
    const client = gateway.send(legacyCall(), { session })
    await client.over
    expect(client.refused).toMatchObject({ code: 'upstream_timeout', status: 504 })
    expect(gateway.upstream.told).toEqual(['tools/call in s1', 'cancelled 7 in s1'])
    expect(gateway.upstream.asked.entries[1]?.exchange.message).toMatchObject({
      params: { reason: 'No answer in time' },
    })
  })

  test.each<GatewayErrorCode>(['session_not_found', 'upstream_broken', 'upstream_unreachable'])(
    'but refuses or breaks (%s) is not cancelled, and no stop cancels it later',
    async (code) => {
      gateway.upstream.on('tools/call', (asked) => asked.fail(code))
      const exchange = gateway.exchange(legacyCall(), { session })
      await expect(gateway.pipeline.handleOf(gateway.config, 'client')(exchange)).rejects.toMatchObject({ code })
      exchange.life.stop(stopWith('unauthorized'))
      await settled()
      expect(gateway.upstream.told).toEqual(['tools/call in s1'])
    },
  )

  test('is reported, not thrown, when the server does not take the notification either', async () => {
    gateway.upstream.on('notifications/cancelled', (asked) => asked.fail('upstream_unreachable'))
    const { exchange } = hang(legacyCall(), { session })
    exchange.life.stop(stopWith('unauthorized'))
    await settled()
    expect(gateway.reported.entries).toMatchObject([{ code: 'upstream_unreachable' }])
  })

  test('keeps a gateway that closes waiting until the server has heard of it', async () => {
    let accept = (): void => {}
    gateway.upstream.on('notifications/cancelled', (asked) => void (accept = () => asked.empty()))
    const { exchange } = hang(legacyCall(), { session })
    exchange.life.stop(stopWith('unauthorized'))
    let isDone = false
    const done = gateway.upstreamSessions.done().then(() => (isDone = true))
    await settled()
    expect(isDone).toBe(false)
    accept()
    await done
  })
})

describe('a modern request that is stopped', () => {
  test('SE5 is not cancelled by a message where closing the connection says it', () => {
    const { exchange } = hang(modernCall('tools/call'))
    exchange.life.stop(stopWith('bad_request'))
    expect(gateway.upstream.told).toEqual(['tools/call'])
  })

  test('ST18 is cancelled by a message where the upstream needs that', () => {
    gateway.upstream.quits = 'cancelled'
    const { exchange } = hang(modernCall('tools/call'))
    exchange.life.stop(stopWith('bad_request'))
    expect(gateway.upstream.told).toEqual(['tools/call', 'cancelled 7'])
    expect(gateway.upstream.asked.entries[1]?.exchange).toMatchObject({ headers: {}, message: { era: 'modern' } })
  })
})

test('LC6 a handshake, and what nobody waits for an answer to, goes on untouched', () => {
  const exchanges = [
    gateway.exchange(handshake()),
    // Outside a session nobody knows whose request an id is.
    gateway.exchange(legacyCall()),
    // Also in a session, where it is for the server to refuse.
    gateway.exchange(handshake(), { session }),
    gateway.exchange(notificationOf('legacy', 'notifications/initialized'), { session }),
    gateway.exchange(responseOf(), { session }),
    gateway.exchange(undefined, { session }),
    gateway.exchange(undefined, { session, verb: 'DELETE' }),
    gateway.exchange(modernCall()),
  ]
  for (const exchange of exchanges) {
    const next = (sent: unknown): Promise<Reply> =>
      sent === exchange ? accepted : Promise.reject(new Error('another'))
    expect(gateway.layers.cancel.handle(exchange, next)).toBe(accepted)
    exchange.life.stop(stopWith('unauthorized'))
  }
  expect(gateway.upstream.told).toEqual([])
})

test('the reply to a call is the very one from below', async () => {
  const reply: Reply = await gateway.upstream.send(gateway.exchange(legacyCall(), { session }))
  const exchange = gateway.exchange(legacyCall(), { session })
  await expect(gateway.layers.cancel.handle(exchange, () => Promise.resolve(reply))).resolves.toBe(reply)
})
