// Disconnecting agents of agentLogin(): what ends, and what does not; at this node, and where the store does not tell.
import type { LoginStore } from '../../lib/login/index.ts'
import { type LoginApp, LoginBrowser, formOf, startLoginApp } from '../support/login-app.ts'
import { MemoryLoginStore } from '../support/login.ts'
import { callStatus, type Grant, KNOWN, OTHER, RawClient } from '../support/raw-oauth.ts'
import { initialize, openStream, type Session } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const { jest } = import.meta

let upstream: Upstream
let app: LoginApp
let client: RawClient
let browser: LoginBrowser
beforeAll(async () => {
  upstream = await startUpstream()
  app = await startLoginApp({
    servers: { notes: { url: upstream.url, title: 'My notes' }, files: { url: upstream.url } },
    login: { clients: [KNOWN, OTHER] },
  })
})
afterAll(async () => {
  await app.close()
  await upstream.close()
})
beforeEach(() => {
  client = new RawClient(app)
  browser = new LoginBrowser(app.origin)
})
afterEach(() => {
  expect(app.reported.splice(0)).toEqual([])
})

const bearer = ({ access_token: token }: Grant) => ({ authorization: `Bearer ${token}` })

/** A session of an agent, with a listening stream. */
async function listening(at: LoginApp, grant: Grant) {
  const session: Session = await initialize(at.url('notes'), { headers: bearer(grant) })
  const stream = await openStream(at.url('notes'), { headers: session.headers })
  expect(stream.status).toBe(200)
  return { session, stream, upstreamSession: String(upstream.requests('GET').at(-1)!.headers['mcp-session-id']) }
}

beforeAll(() => {
  upstream.on('GET', (exchange) => void exchange.stream())
})

test('ends tokens, streams and sessions of the agent, and nothing of another (login.md 8.18)', async () => {
  const other = new RawClient(app, OTHER.id)
  const [first, second] = [await client.logIn(browser, 'ada'), await other.logIn(browser, 'ada')]
  const [ended, going] = [await listening(app, first), await listening(app, second)]
  const grant = (await app.login.list('ada')).find(({ client: { id } }) => id === KNOWN.id)
  await app.login.disconnect('ada', { grant: grant!.grant })
  await ended.stream.over
  expect([await callStatus(app, first.access_token), await callStatus(app, second.access_token)]).toEqual([401, 200])
  expect((await client.refresh(first.refresh_token)).status).toBe(400)
  expect((await other.refresh(second.refresh_token)).status).toBe(200)
  const farewell = await upstream.nextRequest('DELETE')
  expect(farewell.headers['mcp-session-id']).toBe(ended.upstreamSession)
  expect(upstream.sessions.has(going.upstreamSession)).toBe(true)
  const over = await Promise.race([going.stream.over, Promise.resolve('goes on')])
  expect(over).toBe('goes on')
  going.stream.close()
})

test('a call in progress ends, and its client is told why', async () => {
  const { access_token: token } = await client.logIn(browser, 'caller')
  const session = await initialize(app.url('notes'), { headers: { authorization: `Bearer ${token}` } })
  upstream.once('tools/call', () => {})
  const calling = session.post({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'slow' } })
  await upstream.nextRequest('tools/call')
  await app.login.disconnect('caller')
  const answer = await calling
  expect([answer.status, answer.body]).toEqual([401, expect.stringContaining('withdrawn')])
})

test('of a client ends all its grants, of a user all of everything, of others nothing', async () => {
  const other = new RawClient(app, OTHER.id)
  for (const each of [client, client, other]) await each.logIn(browser, 'many')
  const eve = await client.logIn(new LoginBrowser(app.origin), 'eve')
  await app.login.disconnect('many', { client: KNOWN.id })
  expect((await app.login.list('many')).map((each) => each.client.id)).toEqual([OTHER.id])
  await app.login.disconnect('many')
  expect(await app.login.list('many')).toEqual([])
  const [grant] = await app.login.list('eve')
  await app.login.disconnect('many', { grant: grant!.grant })
  expect(await callStatus(app, eve.access_token)).toBe(200)
})

test('one user may have 20 grants of a client: the oldest ends', async () => {
  const grants: Grant[] = []
  for (let time = 0; time < 21; time += 1) grants.push(await client.logIn(browser, 'collector'))
  expect(await app.login.list('collector')).toHaveLength(20)
  const [oldest, second] = grants
  expect([await callStatus(app, oldest!.access_token), await callStatus(app, second!.access_token)]).toEqual([401, 200])
})

describe('the page of connected agents', () => {
  const page = '/oauth/agents'

  test('lists what its user let in, and ends it by a form', async () => {
    const { access_token: token } = await client.logIn(browser, 'paula')
    const shown = await browser.open(page)
    expect(shown.status).toBe(200)
    expect(shown.text).toContain(KNOWN.name)
    expect(shown.text).toContain('My notes')
    const [agent] = await app.login.list('paula')
    const after = await browser.press(shown, { grant: agent!.grant })
    expect([after.url.pathname, after.status, after.text.includes(KNOWN.name)]).toEqual([page, 200, false])
    expect(await callStatus(app, token)).toBe(401)
  })

  test('sends nobody to the login of the app, and back', async () => {
    const shown = await browser.open(page)
    expect([shown.url.pathname, shown.url.searchParams.get('return_to')]).toEqual(['/login', page])
  })

  test('refuses a form of another user or site, and does not end what is another’s', async () => {
    await client.logIn(browser, 'owner')
    const [agent] = await app.login.list('owner')
    const evil = new LoginBrowser(app.origin)
    await evil.logIn('evil')
    const own = await evil.open(page)
    // Without an agent there is no form: the seal is that of a page that has one.
    await new RawClient(app, OTHER.id).logIn(evil, 'evil')
    const { fields, action } = formOf(await evil.open(page))
    expect(own.status).toBe(200)
    const send = (at: LoginBrowser, headers: Record<string, string> = {}) => {
      at.headers = headers
      const body = new URLSearchParams({ ...fields, grant: agent!.grant }).toString()
      return at.open(action, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      })
    }
    expect((await send(browser)).status).toBe(403)
    expect((await send(evil, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await send(evil)).status).toBe(200)
    expect(await app.login.list('owner')).toHaveLength(1)
  })
})

describe('a store that tells other nodes nothing', () => {
  /** Two nodes on one store without publish(). */
  class SilentStore implements LoginStore {
    readonly #inner = new MemoryLoginStore()
    get = (key: string) => this.#inner.get(key)
    set = (...given: Parameters<LoginStore['set']>) => this.#inner.set(...given)
    take = (key: string) => this.#inner.take(key)
    delete = (key: string) => this.#inner.delete(key)
    add = (...given: Parameters<LoginStore['add']>) => this.#inner.add(...given)
    remove = (set: string, member: string) => this.#inner.remove(set, member)
    members = (set: string) => this.#inner.members(set)
  }

  test('ends what another node disconnected within 5 seconds, streams too', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'Date'] })
    const store = new SilentStore()
    const options = { servers: { notes: { url: upstream.url } }, login: { clients: [KNOWN], store } }
    const here = await startLoginApp(options)
    const there = await startLoginApp({ ...options, issuer: here.origin })
    try {
      const grant = await new RawClient(here).logIn(new LoginBrowser(here.origin), 'ada')
      const { stream } = await listening(here, grant)
      await there.login.disconnect('ada')
      expect(await callStatus(here, grant.access_token)).toBe(200)
      await jest.advanceTimersByTimeAsync(5_100)
      await stream.over
      expect(await callStatus(here, grant.access_token)).toBe(401)
    } finally {
      jest.useRealTimers()
      await here.close()
      await there.close()
    }
  })
})
