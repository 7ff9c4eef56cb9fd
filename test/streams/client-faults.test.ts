// Connections between client and gateway that break at any byte, either way: nothing falls over, nothing is left behind.
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, type Session } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { wire } from '../support/wire.ts'

let upstream: Upstream
let gateway: RunningGateway
let proxy: FaultProxy
let session: Session

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ servers: { a: { url: upstream.url } } })
  proxy = await startFaultProxy(gateway.origin)
  session = await initialize(gateway.url('a'))
})

afterAll(async () => {
  await proxy.close()
  await gateway.close()
  await upstream.close()
})

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const note = 'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n'

/** The call as bytes, on a connection of its own through the proxy; resolves when that is over. */
async function callThrough(): Promise<void> {
  const body = JSON.stringify(call)
  const headers = { ...session.headers, 'content-type': 'application/json', 'content-length': String(body.length) }
  const lines = Object.entries({
    host: new URL(proxy.origin).host,
    accept: 'application/json, text/event-stream',
    connection: 'close',
    ...headers,
  })
  const bytes = `POST /a/mcp HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
  wire(proxy.origin, bytes)
  await (
    await proxy.connections.next()
  ).closed
}

function answerInSteps(): void {
  upstream.on('tools/call', async (exchange) => {
    await exchange.stream().write(note)
    exchange.stream().finish({})
  })
}

test.each(['end', 'reset'] as const)(
  'an answer that is cut off at any byte (%s) does not disturb the upstream, which is not through yet (SE4)',
  async (how) => {
    answerInSteps()
    await callThrough()
    await upstream.nextRequest('tools/call')
    const { down } = proxy.connections.entries.at(-1)!.passed
    // Up to here it has come before the upstream is through; all of it is cut off before the rest is made.
    const length = down.indexOf(note) + note.length
    upstream.on('tools/call', (exchange) => exchange.stream().write(note))
    // At 0 there would be no call yet.
    for (let at = 1; at < length; at += 3) {
      proxy.plan({ down: [{ at, how }] })
      const [exchange] = await Promise.all([upstream.nextRequest('tools/call'), callThrough()])
      for (let turn = 0; turn < 3; turn += 1) await session.request('ping')
      await exchange.stream().write(note)
      exchange.stream().finish({})
      expect({ at, over: await exchange.over }).toEqual({ at, over: 'complete' })
    }
    expect(gateway.reported.entries).toEqual([])
  },
)

test.each(['end', 'reset'] as const)('a call that is cut off at any byte (%s) is never half a call', async (how) => {
  answerInSteps()
  await callThrough()
  const before = upstream.requests('tools/call').length
  const { length } = proxy.connections.entries.at(-1)!.passed.up
  for (let at = 1; at < length; at += 5) {
    proxy.plan({ up: [{ at, how }] })
    await callThrough()
  }
  expect((await session.request('ping')).status).toBe(200)
  expect(upstream.requests('tools/call')).toHaveLength(before)
  expect(upstream.requests('malformed')).toHaveLength(0)
  expect(gateway.reported.entries).toEqual([])
})

test('nothing is left running behind clients that broke off: close() has nobody to wait for', async () => {
  await gateway.gateway.close({ graceMs: 600_000 })
})
