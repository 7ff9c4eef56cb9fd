// The bridge for clients with sessions beside each other layer: what one of them does, the other must not undo.
import type { ClientSession } from '../../../../lib/exchange/exchange.ts'
import { SealedSessionStore } from '../../../../lib/stores/sealed-session-store.ts'
import {
  agree,
  answerTo,
  asks,
  type Bridged,
  bridged,
  type BridgedOptions,
  elicitation,
  messagesOf,
  OFFERED,
  paramsOf,
  questionIdsOf,
} from '../../../support/bridged.ts'
import { closing, legacyCall, settled } from '../../../support/fixture.ts'
import type { MemoryClient } from '../../../support/memory-client.ts'

let gateway: Bridged
let session: ClientSession

async function start(options: BridgedOptions): Promise<void> {
  gateway = bridged(options)
  gateway.upstream.on('subscriptions/listen', (one) => void agree(one))
  gateway.upstream.on('tools/list', (one) =>
    one.json({ resultType: 'complete', tools: [], ttlMs: 60_000, cacheScope: 'public' }),
  )
  session = await gateway.open()
}

afterEach(() => gateway.close())

async function send(method: string, params: object = {}): Promise<MemoryClient> {
  const client = gateway.send(legacyCall(method, params), { session: await gateway.find(session.id) })
  await client.over
  return client
}

const times = (kind: string) => gateway.upstream.asked.entries.filter((one) => one.kind === kind).length

/** A call that waits for the answer to a question. */
async function askedCall(): Promise<MemoryClient> {
  gateway.upstream.on('tools/call', asks({ a: elicitation() }, 'state'))
  const client = gateway.send(legacyCall(), { session })
  await questionIdsOf(client)
  return client
}

test('ST10 ST14 cache: a list is asked for once for all sessions, until the server says that it has changed', async () => {
  await start({ layers: ['open', 'split', 'bridge', 'cache', 'cancel'] })
  await send('tools/list')
  session = await gateway.open()
  expect((await send('tools/list')).json).toEqual({ jsonrpc: '2.0', id: 7, result: { tools: [] } })
  expect(times('tools/list')).toBe(1)
  gateway.send(undefined, { session })
  await settled()
  const listening = gateway.upstream.asked.entries.find(({ kind }) => kind === 'subscriptions/listen')!
  listening.events().say({ method: 'notifications/tools/list_changed' })
  await settled()
  await send('tools/list')
  expect(times('tools/list')).toBe(2)
})

test('ST11 cache: what a call was asked for is never kept', async () => {
  await start({ layers: ['open', 'split', 'bridge', 'cache', 'cancel'] })
  gateway.upstream.on('resources/read', (one) => {
    if (paramsOf(one)['requestState'] === undefined) asks(undefined, 's')(one)
    else one.json({ resultType: 'complete', contents: [], ttlMs: 60_000, cacheScope: 'public' })
  })
  await send('resources/read', { uri: 'a' })
  await send('resources/read', { uri: 'a' })
  expect(times('resources/read')).toBe(4)
})

test('SS8 recover: there is nothing to open anew, and a 404 of the server is an answer', async () => {
  await start({ layers: ['open', 'split', 'bridge', 'recover', 'cancel'], config: { recover: true } })
  gateway.upstream.on('tools/call', (one) => one.fail('upstream_refused', 404))
  expect((await send('tools/call', { name: 'n' })).says).toEqual(['refused 404'])
  await send('logging/setLevel', { level: 'error' })
  await send('prompts/list')
  expect(paramsOf(gateway.upstream.asked.entries.at(-1)!)['_meta']).toMatchObject({
    'io.modelcontextprotocol/logLevel': 'error',
  })
  expect(times('initialize')).toBe(0)
})

test('AU7 authorize: the client is judged by its own words, the gateway by none', async () => {
  const scopes = { methods: { 'subscriptions/listen': ['watch'], 'tools/list': ['list'] } }
  await start({
    layers: ['open', 'said', 'sent', 'split', 'bridge', 'cancel'],
    config: { scopes },
    principal: { id: 'ada', scopes: [] },
  })
  expect((await send('resources/subscribe', { uri: 'a' })).says).toEqual(['refused 403'])
  expect((await send('tools/list')).says).toEqual(['refused 403'])
  expect((await send('tools/call', { name: 'n' })).says).toEqual(['result'])
  expect(times('tools/list')).toBe(1)
})

test('C13 sealed store: the log level is kept at this node, subscriptions are not offered', async () => {
  await start({ store: new SealedSessionStore({ keys: ['k'.repeat(32)] }) })
  expect((await send('logging/setLevel', { level: 'error' })).says).toEqual(['result'])
  expect((await send('resources/subscribe', { uri: 'a' })).says).toEqual(['error -32601'])
  await send('prompts/list')
  expect(paramsOf(gateway.upstream.asked.entries.at(-1)!)['_meta']).toMatchObject({
    'io.modelcontextprotocol/logLevel': 'error',
  })
})

test('AU11 a principal that expires while it is asked: the question is taken back, and nobody asks again', async () => {
  await start({ principal: { id: 'ada' } })
  const client = await askedCall()
  gateway.expireTokens()
  await client.over
  expect(client.says.at(-1)).toMatch(/^error/)
  expect(times('tools/call')).toBe(1)
})

test('AU11 SE7 with an event log the question outlives its principal’s proof, which may be renewed', async () => {
  await start({ layers: ['open', 'log', 'split', 'bridge', 'cancel'], principal: { id: 'ada' } })
  const client = await askedCall()
  const [question] = messagesOf(client, 'elicitation/create')
  gateway.expireTokens()
  await client.over
  gateway.upstream.on('tools/call', (one) => one.json({ content: [] }))
  await gateway.send(answerTo(question!['id'], { result: { action: 'accept' } }), { session }).over
  const back = gateway.send(undefined, { session, headers: { 'last-event-id': client.lastEventId! } })
  await back.over
  expect(messagesOf(back).at(-1)).toEqual({ jsonrpc: '2.0', id: 7, result: { content: [] } })
})

test('a gateway that closes while a client is asked tells it so', async () => {
  await start({})
  const client = await askedCall()
  gateway.inFlight.stop(closing(), () => true)
  await client.over
  expect(messagesOf(client).at(-1)).toMatchObject({ id: 7, error: { code: 503 } })
  expect(times('tools/call')).toBe(1)
})

test('PU2 early listening: a server that offers nothing to tell is not asked for it', async () => {
  await start({ offered: { tools: {} } })
  expect((await gateway.find(session.id)).record.upstream.silent).toBe(true)
  gateway = bridged({ offered: OFFERED })
  expect((await gateway.open()).record.upstream.silent).toBeUndefined()
})
