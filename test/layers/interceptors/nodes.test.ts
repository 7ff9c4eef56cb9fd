// What interceptors know is at one node: what becomes of their calls at another. (seam C21, C23)
import { type EventLog, MemoryEventLog, SealedSessionStore } from '../../../lib/index.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { initialize, openStream } from '../../support/rpc.ts'
import { startUpstream, type Upstream } from '../../support/upstream.ts'
import { layer } from './setup.ts'

const KEYS = ['a secret of 32 characters or more, the same on each node']

let upstream: Upstream
let log: MemoryEventLog
let gateways: RunningGateway[]

afterEach(async () => {
  for (const gateway of gateways) await gateway.close()
  log.close()
  await upstream.close()
})

function viewOf(shared: MemoryEventLog): EventLog {
  return {
    append: (name, events) => shared.append(name, events),
    read: (name, after, waitMs) => shared.read(name, after, waitMs),
    last: (name) => shared.last(name),
    claim: (name, writer, leaseMs) => shared.claim(name, writer, leaseMs),
    release: (name, writer) => shared.release(name, writer),
  }
}

async function start(intercept: ReturnType<typeof layer>, keys?: readonly string[]): Promise<void> {
  upstream = await startUpstream()
  log = new MemoryEventLog()
  gateways = await Promise.all(
    [1, 2].map(() =>
      startGateway({
        servers: { a: { url: upstream.url } },
        sessions: new SealedSessionStore({ keys: KEYS }),
        // A gateway closes its own log, but this one is another's, too.
        events: viewOf(log),
        intercept,
        ...(keys && { keys }),
      }),
    ),
  )
}

test('C21 a call that goes on at another node ends there in an error: nobody there has its layers', async () => {
  const runs: string[] = []
  await start(
    layer({
      'tools/call': async (_, next) => {
        runs.push('in')
        const result = await next()
        runs.push('out')
        return { ...result, content: [] }
      },
    }),
  )
  upstream.on('tools/call', async (exchange) => {
    const stream = exchange.stream()
    await stream.send({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }, { id: 'e1' })
  })
  // The other node has nobody to ask for the rest but the server, who would give it.
  upstream.on('GET', async (exchange) => {
    const stream = exchange.stream()
    if (exchange.headers['last-event-id'] === undefined) return
    await stream.send({ id: 7, result: { content: ['secret'] } }, { id: 'e2' })
    stream.end()
  })
  const session = await initialize(gateways[0]!.url('a'))
  const client = await session.stream({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'x' } })
  let last: string | undefined
  for (;;) {
    const { id, data } = await client.next()
    last = id ?? last
    if (data !== '') break
  }
  await gateways[0]!.gateway.close({ graceMs: 0 })
  await client.over
  const headers = { ...session.headers, 'last-event-id': last! }
  const again = await openStream(gateways[1]!.url('a'), { headers })
  expect(await again.nextMessage()).toMatchObject({ id: 7, error: {} })
  await again.over
  expect(again.bytes().toString()).not.toContain('secret')
  expect(runs).toEqual(['in'])
})

test.each([
  ['comes to any node that has the same keys', KEYS, undefined],
  ['has to come to the same node without keys', undefined, -32602],
])('C23 the rest of a round of questions, of which layers answered some, %s', async (_, keys, code) => {
  await start(layer({ 'elicitation/create': ({ params }, next) => (params.message === 'no' ? {} : next()) }), keys)
  const ask = (message: string) => ({ method: 'elicitation/create', params: { message } })
  upstream.on('tools/call', (exchange) =>
    exchange.result({ resultType: 'input_required', inputRequests: { a: ask('no'), b: ask('yes') } }),
  )
  const [one, two] = gateways.map((gateway) => gateway.url('a'))
  const { message } = await postModern(one!, modernRequest('tools/call', { name: 'x' }))
  const { requestState } = message!.result as { requestState: string }
  const retry = modernRequest('tools/call', { name: 'x', inputResponses: { b: { action: 'accept' } }, requestState }, 2)
  expect((await postModern(two!, retry)).message?.error?.code).toBe(code)
  await postModern(one!, retry)
  const sent = upstream.requests('tools/call').map(({ message: said }) => said!.params!['inputResponses'])
  const all = { a: {}, b: { action: 'accept' } }
  expect(sent).toEqual(keys ? [undefined, all, all] : [undefined, all])
})
