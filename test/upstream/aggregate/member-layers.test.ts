// What a member has of its own, in pairs with its aggregate: interceptors, scopes, audit records, spans.
import { tools } from '../../../lib/layers/interceptors/tools.ts'
import { openTelemetry } from '../../../lib/opentelemetry/index.ts'
import { type AuditRecord, type Interceptor, RpcError } from '../../../lib/index.ts'
import { startSdk } from '../../opentelemetry/setup.ts'
import { aggregated, member, modernMember } from '../../support/aggregated.ts'
import { createJournal } from '../../support/journal.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { type Answer, initialize, type Session } from '../../support/rpc.ts'
import { startUpstream, type Upstream } from '../../support/upstream.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

const call = (name: string, id: number | string = 1) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } })
const namesOf = ({ message }: Answer): string[] =>
  (message!.result as { tools: { name: string }[] }).tools.map(({ name }) => name)

/** Clients of both eras at an aggregate of one member, and what they ask for. */
const ERAS = ['legacy', 'modern'] as const

async function open(era: (typeof ERAS)[number], upstream: Upstream, own: object, aggregate: object = {}) {
  const gateway = await aggregated({ members: { one: { url: upstream.url, ...own } }, config: aggregate })
  if (era === 'modern') {
    return (method: string, params: object = {}) => postModern(gateway.url('desk'), modernRequest(method, params))
  }
  const session = await initialize(gateway.url('desk'))
  return (method: string, params: object = {}) => session.request(method, params)
}
const upstreamOf = (era: (typeof ERAS)[number], names: readonly string[]) =>
  era === 'modern' ? modernMember(names) : member(names)

describe.each(ERAS)('a %s client', (era) => {
  test('tools() of a member and of its aggregate both hold: in lists, and in calls', async () => {
    const one = await upstreamOf(era, ['read', 'write', 'drop'])
    const own = { intercept: tools({ deny: ['drop'] }) }
    const request = await open(era, one, own, { intercept: tools({ deny: ['one__write'] }) })
    expect(namesOf(await request('tools/list'))).toEqual(['one__read'])
    for (const name of ['one__write', 'one__drop', 'drop']) {
      expect((await request('tools/call', { name })).message!.error).toMatchObject({ code: -32602 })
    }
    expect(one.requests('tools/call')).toEqual([])
    expect((await request('tools/call', { name: 'one__read' })).message!.result).toBeDefined()
  })

  test('a member that renames or adds tools in its list has them called by the names that it gave', async () => {
    const one = await upstreamOf(era, ['a'])
    const intercept: Interceptor = {
      async 'tools/list'(_, next) {
        const result = await next()
        return { ...result, tools: [...result.tools, { name: 'added', inputSchema: { type: 'object' as const } }] }
      },
      'tools/call': ({ params }, next) => next({ ...params, name: params.name.replace('added', 'a') }),
    }
    const request = await open(era, one, { intercept })
    expect(namesOf(await request('tools/list'))).toEqual(['one__a', 'one__added'])
    await request('tools/call', { name: 'one__added' })
    expect(one.requests('tools/call')[0]!.message!.params!['name']).toBe('a')
  })

  test('a result that a member’s interceptor changes is what its aggregate’s sees, with URIs that name the member', async () => {
    const one = await upstreamOf(era, ['a'])
    const seen: unknown[] = []
    const link = { type: 'resource_link' as const, uri: 'a:1', name: 'a' }
    const own: Interceptor = { 'tools/call': async (_, next) => ({ ...(await next()), content: [link] }) }
    const outer: Interceptor = {
      async 'tools/call'(_, next) {
        const result = await next()
        seen.push(result.content)
        return result
      },
    }
    const request = await open(era, one, { intercept: own }, { intercept: outer })
    const shown = [{ ...link, uri: 'one+a:1' }]
    expect((await request('tools/call', { name: 'one__a' })).message!.result).toMatchObject({ content: shown })
    expect(seen).toEqual([shown])
  })

  test('a member that refuses its list is missing from it, with the reason, and the other is not', async () => {
    const one = await upstreamOf(era, ['a'])
    const intercept: Interceptor = {
      'tools/list'() {
        throw new RpcError(-32099, 'Not today')
      },
    }
    const gateway = await aggregated({
      members: { one: { url: one.url, intercept }, two: await upstreamOf(era, ['b']) },
    })
    const listed =
      era === 'modern'
        ? await postModern(gateway.url('desk'), modernRequest('tools/list'))
        : await (await initialize(gateway.url('desk'))).request('tools/list')
    expect(namesOf(listed)).toEqual(['two__b'])
    expect(listed.message!.result).toMatchObject({
      _meta: { 'express-mcp-gateway/missing': { one: 'The server says: Not today' } },
    })
  })
})

const elicits = (upstream: Upstream): void =>
  upstream.on('tools/call', async (exchange) => {
    await exchange.stream().send({ id: 1, method: 'elicitation/create', params: { message: 'Who?' } })
  })
/** Finishes the call of a member once its question has been answered. */
async function answered(upstream: Upstream): Promise<unknown> {
  const { message } = await upstream.nextRequest('response')
  upstream.requests('tools/call').at(-1)!.stream().finish({ content: [] })
  return message!.result
}

test('an elicitation that a member’s interceptor answers never reaches the client; another member’s does', async () => {
  const [one, two] = [await member(), await member()]
  elicits(one)
  elicits(two)
  const intercept: Interceptor = { 'elicitation/create': () => ({ action: 'decline' }) }
  const gateway = await aggregated({ members: { one: { url: one.url, intercept }, two } })
  const session = await initialize(gateway.url('desk'), { capabilities: { elicitation: {} } })
  const [quiet, asked] = await Promise.all([session.stream(call('one__echo', 1)), session.stream(call('two__echo', 2))])
  expect(await asked.nextMessage()).toMatchObject({ id: 'two~1', method: 'elicitation/create' })
  expect(await answered(one)).toEqual({ action: 'decline' })
  expect(await quiet.nextMessage()).toMatchObject({ id: 1, result: { content: [] } })
  await session.post({ jsonrpc: '2.0', id: 'two~1', result: { action: 'cancel' } })
  expect(await answered(two)).toEqual({ action: 'cancel' })
  expect(await asked.nextMessage()).toMatchObject({ id: 2, result: { content: [] } })
})

test('an elicitation passes the member’s interceptor first, then the aggregate’s', async () => {
  const one = await member()
  elicits(one)
  const note = (who: string): Interceptor => ({
    'elicitation/create': ({ params }, next) => next({ ...params, message: `${params.message} (${who})` }),
  })
  const gateway = await aggregated({
    members: { one: { url: one.url, intercept: note('member') } },
    config: { intercept: note('aggregate') },
  })
  const session = await initialize(gateway.url('desk'), { capabilities: { elicitation: {} } })
  const stream = await session.stream(call('one__echo'))
  const { id, params } = await stream.nextMessage()
  expect([id, params]).toEqual(['one~1', { message: 'Who? (member) (aggregate)' }])
  await session.post({ jsonrpc: '2.0', id: id!, result: { action: 'accept', content: {} } })
  expect(await answered(one)).toMatchObject({ action: 'accept' })
  stream.close()
})

test('scopes of a member are asked for by its name, whatever its aggregate’s interceptor has made of it', async () => {
  const one = await member(['read', 'write'])
  const intercept: Interceptor = { 'tools/call': ({ params }, next) => next({ ...params, name: 'one__write' }) }
  const gateway = await aggregated({
    members: { one: { url: one.url, scopes: { tools: { write: ['write'] } } } },
    config: { intercept },
    gateway: { authenticate: () => ({ id: 'ada', scopes: ['read'] }) },
  })
  const session = await initialize(gateway.url('desk'))
  expect((await session.post(call('one__read'))).status).toBe(403)
  expect(one.requests('tools/call')).toEqual([])
})

describe('audit', () => {
  async function watched(upstream: Upstream) {
    const records = createJournal<AuditRecord>()
    const gateway = await aggregated({
      members: { one: { url: upstream.url } },
      gateway: { audit: (record) => records.record(record) },
    })
    return { records, gateway }
  }

  test('a call is one record, with the name that the client said', async () => {
    const { records, gateway } = await watched(await member())
    const session: Session = await initialize(gateway.url('desk'))
    await session.post(call('one__echo', 7))
    const record = await records.next(({ method }) => method === 'tools/call')
    expect(record).toMatchObject({ server: 'desk', target: 'one__echo', id: 7, outcome: 'ok', from: 'client' })
    await session.request('ping')
    await records.next(({ method }) => method === 'ping')
    expect(records.entries.filter(({ method }) => method === 'tools/call')).toHaveLength(1)
  })

  test('a question of a member is a record with the member’s name', async () => {
    const one = await member()
    elicits(one)
    const { records, gateway } = await watched(one)
    const session = await initialize(gateway.url('desk'), { capabilities: { elicitation: {} } })
    const stream = await session.stream(call('one__echo'))
    await stream.nextMessage()
    await session.post({ jsonrpc: '2.0', id: 'one~1', result: { action: 'cancel' } })
    expect(await records.next(({ from }) => from === 'server')).toMatchObject({ method: 'elicitation/create' })
    stream.close()
  })

  test('RT3 SS4 a member that does not let itself be listened to, nor its sessions be ended, is no error', async () => {
    const mute = await use(startUpstream({ early: true }))
    for (const method of ['GET', 'DELETE']) mute.on(method, ({ status }) => status(405))
    const { records, gateway } = await watched(mute)
    const session = await initialize(gateway.url('desk'))
    const stream = await session.listen()
    expect(stream.status).toBe(200)
    await session.end()
    for (const method of ['GET', 'DELETE']) {
      const own = await records.next((record) => record.method === method && record.from === 'gateway')
      expect(own).toMatchObject({ server: 'desk/one', outcome: 'ok', code: 405 })
    }
    await stream.over
    expect(records.entries.filter(({ outcome }) => outcome === 'error')).toEqual([])
  })
})

test('a member’s call is one tree of spans: the client’s message, and below it what the member was asked', async () => {
  const sdk = await use(startSdk())
  const one = await member()
  const gateway = await aggregated({ members: { one }, gateway: { telemetry: openTelemetry() } })
  const session = await initialize(gateway.url('desk'))
  await session.post(call('one__echo'))
  const inbound = await sdk.spans.next(({ name }) => name === 'tools/call one__echo')
  const sent = await sdk.spans.next(({ name }) => name === 'tools/call echo')
  expect(sent.parentSpanContext?.spanId).toBe(inbound.spanContext().spanId)
  expect(sent.spanContext().traceId).toBe(inbound.spanContext().traceId)
  const ofTrace = sdk.spans.entries.filter((span) => span.spanContext().traceId === inbound.spanContext().traceId)
  expect(ofTrace.map(({ name }) => name).toSorted()).toEqual(['tools/call echo', 'tools/call one__echo'])
  const traceparent = one.requests('tools/call')[0]!.headers['traceparent']
  expect(traceparent).toContain(sent.spanContext().spanId)
})
