// Faults of the cache: who waits for whose answer, whether that can be stopped, and which questions count as the same.
import { jest } from '@jest/globals'
import type { GatewayOptions, GatewayRequest, Principal, HttpServer, ServerConfig } from '../../lib/index.ts'
import { fakeTime, inFakedTime, pass } from '../support/fake-time.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { META, modernRequest, standardHeaders } from '../support/modern.ts'
import { post, type Answer, type Headers } from '../support/rpc.ts'
import { settles, soon } from '../support/soon.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'
import { fakeClocks } from './support-streams.ts'

let upstream: Upstream
let gateway: RunningGateway

beforeEach(async () => {
  upstream = await startUpstream({ sessions: false })
  await start()
})

afterEach(async () => {
  await inFakedTime(gateway.close())
  jest.useRealTimers()
  await upstream.close()
})

/** Who it is, and of which tenant, is in a cookie. */
const byCookie = ({
  headers: { cookie = '' },
}: GatewayRequest): Principal & { readonly tenant: string | undefined } => {
  const [id = '', tenant] = cookie.split('@')
  return { id, tenant }
}

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  await gateway?.close()
  gateway = await startGateway({
    servers: { a: { url: upstream.url } },
    authenticate: byCookie,
    cache: true,
    ...options,
  })
}

const list = modernRequest('tools/list')

function ask(cookie: string, message: object | string = list, headers: Headers = {}): Promise<Answer> {
  return post(gateway.url('a'), message, { ...standardHeaders(list), cookie, ...headers })
}

const fresh = { resultType: 'complete', tools: [], ttlMs: 60_000, cacheScope: 'public' }
const answerFresh = (exchange: Exchange): void => exchange.result(fresh)

describe('who asks what somebody else is waiting for the answer to', () => {
  beforeEach(() => {
    upstream.once('tools/list', () => {})
    upstream.on('tools/list', answerFresh)
  })

  /** Ann has asked, and the upstream keeps her waiting until she leaves. */
  async function annWaits(): Promise<{ leave(): void }> {
    const leaving = new AbortController()
    const headers = {
      ...standardHeaders(list),
      cookie: 'ann',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    }
    const asking = fetch(gateway.url('a'), {
      method: 'POST',
      headers,
      body: JSON.stringify(list),
      signal: leaving.signal,
    })
    void asking.catch(() => {})
    await upstream.nextRequest('tools/list')
    return { leave: () => leaving.abort() }
  }

  /** Whether Bob is answered while Ann still waits. */
  async function isAnswered(answer: Promise<Answer>, ann: { leave(): void }): Promise<boolean> {
    const answered = await settles(answer)
    ann.leave()
    await soon(answer, 'he is answered when she has left')
    return answered
  }

  test('08: is let in no longer than the access lasts (AU11)', async () => {
    const expiring = (request: GatewayRequest): Principal => {
      const { id } = byCookie(request)
      return { id, ...(id === 'bob' && { expiresAt: Date.now() / 1_000 + 0.3 }) }
    }
    await start({ authenticate: expiring })
    const ann = await annWaits()
    const answer = ask('bob')
    expect(await isAnswered(answer, ann)).toBe(true)
    expect((await answer).status).toBe(401)
  })

  test('08: is let in no longer than "servers" answers (AU11)', async () => {
    let config: ServerConfig | undefined = { url: upstream.url }
    let lookups = 0
    const servers: GatewayOptions['servers'] = (_, { principal }) => {
      if (principal?.id !== 'bob') return { url: upstream.url }
      lookups += 1
      // What he asks is on its way; from the next look on there is nothing for him.
      const found = config
      config = undefined
      return found
    }
    await start({ servers, recheckMs: 50 })
    const ann = await annWaits()
    const isStopped = await isAnswered(ask('bob'), ann)
    expect(lookups).toBeGreaterThan(1)
    expect(isStopped).toBe(true)
  })

  test('08: is not kept waiting for as long as that takes (ST12)', async () => {
    fakeTime()
    await start()
    const ann = await annWaits()
    const answer = ask('bob')
    await pass(10_000)
    expect(await isAnswered(answer, ann)).toBe(true)
  })

  test('08: asks the upstream himself when who has asked before him leaves', async () => {
    const ann = await annWaits()
    const answer = ask('bob')
    ann.leave()
    expect(await soon(answer, 'it is answered')).toMatchObject({ status: 200, message: { result: fresh } })
  })
})

test('08: who waits for the credentials of an upstream is stopped where the access ends (AU11)', async () => {
  const headers: HttpServer['headers'] = () => new Promise<Record<string, string>>(() => {})
  const authenticate = (): Principal => ({ id: 'ann', expiresAt: Date.now() / 1_000 + 0.3 })
  await start({ servers: { a: { url: upstream.url, headers } }, authenticate })
  expect((await soon(ask('ann'), 'it is answered')).status).toBe(401)
})

describe('a public answer', () => {
  beforeEach(() => upstream.on('tools/list', answerFresh))

  /** The request with other text in place of what stands for it, so that each number is as it is written here. */
  const written = (params: object, meta: object, text: string): string => {
    const { _meta, ...rest } = list.params
    const message = { ...list, params: { ...rest, ...params, _meta: { ...(_meta as object), ...meta } } }
    return JSON.stringify(message).replaceAll('"VALUE"', text)
  }
  const capabilities = { [META.clientCapabilities]: { experimental: { x: { level: 'VALUE' } } } }
  const big = ['9007199254740992', '9007199254740993'] as const

  test.each<[string, (value: string) => Parameters<typeof ask>, string, string]>([
    ['member of _meta', (value) => ['ann', written({}, { 'com.example/tenant': 'VALUE' }, value)], '"x"', '"y"'],
    ['header Mcp-Param-*', (value) => ['ann', list, { 'mcp-param-tenant': value }], 'x', 'y'],
    ['number beyond 2^53', (value) => ['ann', written({ page: 'VALUE' }, {}, value)], ...big],
    ['number beyond 2^53 in an array', (value) => ['ann', written({ page: ['VALUE'] }, {}, value)], ...big],
    ['number beyond 2^53 in a capability', (value) => ['ann', written({}, capabilities, value)], ...big],
    [
      'number of more digits than a double has',
      (value) => ['ann', written({ page: 'VALUE' }, {}, value)],
      '0.1',
      '0.10000000000000000001',
    ],
    [
      'number that is too large for a double',
      (value) => ['ann', written({ page: 'VALUE' }, {}, value)],
      '1e400',
      'null',
    ],
  ])('09: to a request with one %s answers none with another (ST11)', async (_, of, one, other) => {
    const answers = [await ask(...of(one)), await ask(...of(other))]
    const answered = answers.filter(({ status }) => status === 200)
    expect(upstream.requests('tools/list').length).toBe(answered.length)
  })

  test('R7: is no longer fresh than its server said, though the clock stepped back (ST14)', async () => {
    const clocks = fakeClocks()
    await start()
    await ask('ann')
    clocks.stepBack(60 * 60_000)
    const { message } = await ask('ann')
    expect((message!.result as typeof fresh).ttlMs).toBeLessThanOrEqual(fresh.ttlMs)
    clocks.advance(fresh.ttlMs + 1)
    await ask('ann')
    expect(upstream.requests('tools/list').length).toBe(2)
  })
})

describe('a private answer', () => {
  beforeEach(() => upstream.on('tools/list', (exchange) => exchange.result({ ...fresh, cacheScope: 'private' })))

  test('09: to who logs in by cookie is not for the same id in another tenant (ST12)', async () => {
    await ask('ann@acme')
    await ask('ann@globex')
    expect(upstream.requests('tools/list').length).toBe(2)
  })

  test('09: to who logs in by cookie is not for the same id with other upstream credentials (ST12)', async () => {
    const headers: HttpServer['headers'] = ({ request }) => ({ 'x-tenant': byCookie(request!).tenant ?? '' })
    await start({
      servers: { a: { url: upstream.url, headers } },
      authenticate: (request) => ({ id: byCookie(request).id }),
    })
    await ask('ann@acme')
    await ask('ann@globex')
    const tenants = upstream.requests('tools/list').map(({ headers: sent }) => sent['x-tenant'])
    expect(tenants).toEqual(['acme', 'globex'])
  })

  test('09: to who logs in by cookie is kept for the same login (ST12)', async () => {
    await ask('ann@acme')
    await ask('ann@acme')
    expect(upstream.requests('tools/list').length).toBe(1)
  })
})
