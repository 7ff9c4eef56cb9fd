// Streams on which nothing is said, in a time of their own: no timeout, undici's least of all, may end them.
import { jest } from '@jest/globals'
import { Client } from 'undici'
import { MemoryEventLog } from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { modernRequest, openModern } from '../../support/modern.ts'
import { initialize } from '../../support/rpc.ts'
import { startUpstream, type Upstream } from '../../support/upstream.ts'

const MINUTE = 60_000

// Sockets go on in real time; every timer is faked from before undici makes its first.
beforeAll(() => {
  jest.useFakeTimers({
    doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'performance', 'hrtime'],
  })
})
afterAll(() => {
  jest.useRealTimers()
})

let upstream: Upstream
let gateway: RunningGateway | undefined

beforeEach(async () => {
  upstream = await startUpstream()
})

afterEach(async () => {
  await gateway?.close()
  await upstream.close()
})

test.each([
  ['', () => undefined],
  [', with an event log neither', () => new MemoryEventLog()],
])(
  'pain 14: a quiet call and a quiet listener are not cut after 300 s, nor after an hour%s (SE17, LC8)',
  async (_, log) => {
    gateway = await startGateway({ servers: { a: { url: upstream.url } }, events: log() })
    const session = await initialize(gateway.url('a'))
    upstream.once('tools/call', (exchange) => void exchange.stream())
    upstream.once('subscriptions/listen', (exchange) => void exchange.stream())
    const subscription = await openModern(gateway.url('a'), modernRequest('subscriptions/listen', {}, 'subscription'))
    const subscribed = await upstream.nextRequest('subscriptions/listen')
    const listener = await session.listen()
    const listening = await upstream.nextRequest('GET')
    const calling = await session.stream({ jsonrpc: '2.0', id: 'call-1', method: 'tools/call' })
    const called = await upstream.nextRequest('tools/call')
    for (let minute = 0; minute < 60; minute += 1) {
      jest.advanceTimersByTime(MINUTE)
      expect((await session.request('ping')).status).toBe(200)
    }
    expect([listening.overAt, called.overAt, subscribed.overAt]).toEqual([undefined, undefined, undefined])
    called.stream().finish({ patient: true })
    expect(await calling.nextMessage()).toMatchObject({ result: { patient: true } })
    await listening.stream().send({ method: 'notifications/message' })
    expect(await listener.nextMessage()).toMatchObject({ method: 'notifications/message' })
    await subscribed.stream().send({ method: 'notifications/tools/list_changed' })
    expect(await subscription.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
  },
)

test('the same silence ends a stream of undici as it comes: the clock of these tests is the one it goes by', async () => {
  upstream.on('GET', (exchange) => void exchange.stream())
  const client = new Client(upstream.origin)
  let begin: () => void
  const begun = new Promise<void>((resolve) => (begin = resolve))
  const failure = new Promise<Error>((resolve) => {
    client.dispatch(
      { path: '/mcp', method: 'GET' },
      {
        onRequestStart: () => {},
        onResponseStart: () => begin(),
        onResponseData: () => {},
        onResponseEnd: () => {},
        onResponseError: (_, reason) => resolve(reason),
      },
    )
  })
  await begun
  jest.advanceTimersByTime(6 * MINUTE)
  expect(await failure).toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' })
  await client.destroy()
})
