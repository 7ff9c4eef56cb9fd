// One gateway with an event log in front of a scripted upstream, for tests of one call or listener at a time.
import type { RequestListener, ServerResponse } from 'node:http'
import { jest } from '@jest/globals'
import { MemoryEventLog, type EventLog, type Gateway, type GatewayOptions } from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { createJournal, type Journal } from '../../support/journal.ts'
import { initialize, type OpenStream, type Session } from '../../support/rpc.ts'
import {
  startUpstream,
  type EventStream,
  type Exchange,
  type RpcMessage,
  type Upstream,
} from '../../support/upstream.ts'

export let upstream: Upstream
export let gateway: RunningGateway
/** The gateway's own ends. */
export let responses: Journal<ServerResponse>

export async function setUp(
  events: EventLog = new MemoryEventLog(),
  options: Partial<GatewayOptions> = {},
): Promise<void> {
  upstream = await startUpstream()
  upstream.on('tools/call', () => {})
  responses = createJournal()
  const host = {
    prefix: '',
    mount: (handle: Gateway): RequestListener => {
      return (req, res) => {
        responses.record(res)
        handle(req, res)
      }
    },
  }
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, events, ...options }, host)
}

/** Has every test end what it set up, in time. */
export function closeAfterEach(): void {
  afterEach(async () => {
    jest.useRealTimers()
    // A recorder or a replay that nobody ends would hold this up until the deadline.
    const startedAt = performance.now()
    await gateway.gateway.close({ graceMs: 20_000 })
    expect(performance.now() - startedAt).toBeLessThan(19_000)
    await gateway.close()
    await upstream.close()
  })
}

export const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
export const progress = (step: number, padding = ''): RpcMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { step, padding },
})
export const answer: RpcMessage = { jsonrpc: '2.0', id: 'call-1', result: { content: [] } }
export const gone = { id: 'call-1', error: { code: 400 } }

export interface Running {
  readonly session: Session
  readonly client: OpenStream
  readonly asked: Exchange
  readonly stream: EventStream
  /** Of the priming event. */
  readonly id: string
}

/** A call whose client knows one id. */
export async function begin(open?: Session): Promise<Running> {
  const session = open ?? (await initialize(gateway.url('a')))
  const opening = session.stream(call)
  const asked = await upstream.nextRequest('tools/call')
  const stream = asked.stream()
  const client = await opening
  return { session, client, asked, stream, id: (await client.next()).id! }
}

export const resume = (session: Session, id: string): Promise<OpenStream> => session.listen({ 'last-event-id': id })

/** All messages to the end of the stream. */
export async function rest(client: OpenStream): Promise<RpcMessage[]> {
  await client.over
  const messages: RpcMessage[] = []
  for (;;) {
    try {
      messages.push(await client.nextMessage())
    } catch {
      return messages
    }
  }
}

export async function leave(client: OpenStream): Promise<void> {
  client.close()
  await client.over
}

/** Enough turns of the one event loop that all sides share for whatever can happen to have happened. */
export async function settle(turns = 5): Promise<void> {
  const session = await initialize(gateway.url('a'))
  for (let turn = 0; turn < turns; turn += 1) await session.request('ping')
}

/** Only intervals and timeouts are faked: sockets go on in real time. */
export function fakeTimers(...more: Array<'Date'>): void {
  const real = ['hrtime', 'nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'] as const
  jest.useFakeTimers({ doNotFake: more.includes('Date') ? [...real] : [...real, 'Date', 'performance'] })
}
