// Streams on which nothing is said, in a time of their own: no timeout, undici's least of all, may end them.
import { jest } from '@jest/globals'
import { Client } from 'undici'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

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
let gateway: RunningGateway

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ servers: { a: { url: upstream.url } } })
})

afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

test('pain 14: a quiet call and a quiet listener are not cut after 300 s, nor after an hour (SE17, LC8)', async () => {
  const session = await initialize(gateway.url('a'))
  upstream.once('tools/call', (exchange) => void exchange.stream())
  const listener = await session.listen()
  const listening = await upstream.nextRequest('GET')
  const calling = await session.stream({ jsonrpc: '2.0', id: 'call-1', method: 'tools/call' })
  const called = await upstream.nextRequest('tools/call')
  for (let minute = 0; minute < 60; minute += 1) {
    jest.advanceTimersByTime(MINUTE)
    expect((await session.request('ping')).status).toBe(200)
  }
  expect([listening.overAt, called.overAt]).toEqual([undefined, undefined])
  called.stream().finish({ patient: true })
  expect(await calling.nextMessage()).toMatchObject({ result: { patient: true } })
  await listening.stream().send({ method: 'notifications/message' })
  expect(await listener.nextMessage()).toMatchObject({ method: 'notifications/message' })
})

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
