// Streams that two gateways on one event log open before the client does: each message is for the client's own connection.
import { MemoryEventLog, SealedSessionStore } from '../../lib/index.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { initializeMessage, openStream, type OpenStream, post } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { type Exchange, type RpcMessage, startUpstream, type Upstream } from '../support/upstream.ts'

const KEYS = ['a secret of 32 characters or more, the same on each node']

let upstream: Upstream
let log: MemoryEventLog
let gateways: RunningGateway[]
let headers: Record<string, string>

beforeEach(async () => {
  upstream = await startUpstream({ early: true })
  log = new MemoryEventLog()
  gateways = await Promise.all(
    [0, 1].map(() => {
      const sessions = new SealedSessionStore({ keys: KEYS })
      return startGateway({ servers: { a: { url: upstream.url } }, events: log, sessions })
    }),
  )
  const opened = await post(gateways[0]!.url('a'), initializeMessage())
  headers = { 'mcp-session-id': String(opened.headers['mcp-session-id']), 'mcp-protocol-version': '2025-11-25' }
})

afterEach(async () => {
  await Promise.all(gateways.map((gateway) => gateway.close()))
  log.close()
  await upstream.close()
})

const said = (step: number): RpcMessage => ({ jsonrpc: '2.0', method: 'notifications/progress', params: { step } })

function confirmAt(node: number): Promise<unknown> {
  return post(gateways[node]!.url('a'), { jsonrpc: '2.0', method: 'notifications/initialized' }, headers)
}

function listenAt(node: number): Promise<OpenStream> {
  return openStream(gateways[node]!.url('a'), { headers })
}

/** The server's end of the one listening stream. */
async function accepted(): Promise<Exchange> {
  const listening = await upstream.nextRequest('GET')
  await listening.stream().write(': hello\n\n')
  return listening
}

test('a client that listens at another node goes on, when the gateway would open a stream early (SE10)', async () => {
  const opening = listenAt(1)
  const listening = await accepted()
  const client = await opening
  await confirmAt(0)
  await listening.stream().send(said(1))
  expect(await soon(client.nextMessage(), 'the message')).toEqual(said(1))
  expect(upstream.requests('GET')).toHaveLength(1)
  client.close()
})

test('a stream that was opened early is not given to a client that has read on at another node (SE10)', async () => {
  const confirmed = confirmAt(0)
  const listening = await accepted()
  await confirmed
  const there = await listenAt(1)
  await listening.stream().send(said(1))
  expect(await soon(there.nextMessage(), 'the first message')).toEqual(said(1))
  const here = await listenAt(0)
  await listening.stream().send(said(2))
  expect(await soon(here.nextMessage(), 'the second message')).toEqual(said(2))
  expect(await soon(there.over, 'the end of the first connection')).toBe('complete')
  here.close()
})
