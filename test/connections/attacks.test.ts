// Attacks on userConnections(): what strangers, other users, servers and services try.
import { brokerOf } from '../../lib/exchange/connections.ts'
import {
  accountIn,
  connect,
  type ConnectionsApp,
  leave,
  linkIn,
  reasonsOf,
  startConnectionsApp,
  visit,
} from '../support/connections-app.ts'
import { listen } from '../support/listen.ts'
import { formOf, LoginBrowser } from '../support/login-browser.ts'
import { send } from '../support/rpc.ts'
import { use } from '../support/use.ts'
import { app, issuer, setUpConnections, start, store, upstream } from './setup.ts'

const { jest } = import.meta

setUpConnections()
afterEach(() => jest.restoreAllMocks())

const subject = () => ({ user: 'ada', server: 'crm', url: upstream.url })

describe('a link that was stolen', () => {
  test('is refused to another user, who is told nothing, and still works for its own', async () => {
    const link = linkIn(await app.call('ada'))
    const { page, browser } = await visit(link, 'eve')
    expect(page).toMatchObject({ status: 403 })
    expect(page.text).not.toMatch(/crm|ada|127\.0\.0\.1/)
    const posted = await browser.open(link, {
      method: 'POST',
      body: 'decision=connect&form=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(posted).toMatchObject({ status: 403 })
    expect((await connect(link, 'ada', 'ada-at-crm', issuer)).status).toBe(200)
  })

  test('leads nobody further than to the login of the app', async () => {
    const link = linkIn(await app.call('ada'))
    const page = await new LoginBrowser(app.origin).open(link)
    expect(page.url.pathname).toBe('/login')
    expect(page.url.searchParams.get('return_to')).toBe(new URL(link).pathname)
  })

  test('is over after its answer, after ten minutes, and where nobody made it', async () => {
    const link = linkIn(await app.call('ada'))
    const declined = await visit(link, 'ada')
    await declined.browser.press(declined.page, { decision: 'decline' })
    expect((await visit(link, 'ada')).page.status).toBe(404)
    expect((await declined.browser.press(declined.page, { decision: 'connect' })).status).toBe(404)
    const next = linkIn(await app.call('ada'))
    expect(next).not.toBe(link)
    const now = Date.now()
    jest.spyOn(Date, 'now').mockReturnValue(now + 10 * 60_000)
    expect((await visit(next, 'ada')).page.status).toBe(404)
    expect((await visit(`${app.origin}/connections/link/${'A'.repeat(24)}`, 'ada')).page.status).toBe(404)
  })
})

describe('a form', () => {
  test.each<[what: string, change: (fields: Record<string, string>) => object, headers: Record<string, string>]>([
    ['without its hidden field', () => ({}), {}],
    ['with a field of another kind', ({ form }) => ({ form: `${form}A` }), {}],
    ['of another site', (fields) => fields, { 'sec-fetch-site': 'cross-site' }],
    ['of another origin', (fields) => fields, { origin: 'https://evil.example' }],
  ])('%s changes nothing', async (_what, change, headers) => {
    const link = linkIn(await app.call('ada'))
    const { page, browser } = await visit(link, 'ada')
    browser.headers = headers
    const { fields } = formOf(page)
    const answer = await browser.open(link, {
      method: 'POST',
      body: new URLSearchParams({ ...change(fields), decision: 'connect' }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(answer).toMatchObject({ status: 403 })
    expect(answer.headers.get('refresh')).toBeNull()
  })

  test('of one user, or of one link, is not of another', async () => {
    const [ofAda, ofBob] = [linkIn(await app.call('ada')), linkIn(await app.call('bob'))]
    const [ada, bob] = [await visit(ofAda, 'ada'), await visit(ofBob, 'bob')]
    const answer = await ada.browser.open(ofAda, {
      method: 'POST',
      body: new URLSearchParams({ ...formOf(bob.page).fields, decision: 'connect' }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(answer).toMatchObject({ status: 403 })
  })

  test('of the list disconnects accounts of its own user alone', async () => {
    await connect(linkIn(await app.call('ada')), 'ada', 'ada-at-crm', issuer)
    const list = `${app.origin}/connections/`
    const [ada, bob] = [await visit(list, 'ada'), await visit(list, 'bob')]
    const connection = /name="connection" value="([^"]+)"/.exec(ada.page.text)![1]!
    const withForm = { ...ada.page, text: ada.page.text }
    expect((await bob.browser.press(withForm, { connection })).status).toBe(403)
    await connect(linkIn(await app.call('bob')), 'bob', 'bob-at-crm', issuer)
    const own = (await visit(list, 'bob')).page
    await bob.browser.press(own, { connection })
    expect(await app.connections.list('ada')).toHaveLength(1)
    await ada.browser.press(ada.page, { connection })
    expect(await app.connections.list('ada')).toEqual([])
    expect(linkIn(await app.call('ada'))).toMatch(/\/connections\/link\//)
  })

  test('is on a page that no other can frame or script, and that nothing keeps', async () => {
    const { page } = await visit(linkIn(await app.call('ada')), 'ada')
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
    )
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    expect(page.text).not.toMatch(/<script/i)
  })
})

describe('an answer of the service', () => {
  async function answered(): Promise<{ browser: LoginBrowser; callback: URL }> {
    const visited = await visit(linkIn(await app.call('ada')), 'ada')
    return { browser: visited.browser, callback: await issuer.authorize(await leave(visited), 'ada-at-crm') }
  }

  test('counts once', async () => {
    const { browser, callback } = await answered()
    expect((await browser.open(callback)).status).toBe(200)
    expect((await browser.open(callback)).status).toBe(400)
  })

  test('counts for the user who was asked, in whose browser it is still good', async () => {
    const { browser, callback } = await answered()
    const eve = new LoginBrowser(app.origin)
    expect((await eve.open(callback)).status).toBe(403)
    await eve.logIn('eve')
    expect((await eve.open(callback)).status).toBe(403)
    expect((await browser.open(callback)).status).toBe(200)
    expect(await app.connections.list('eve')).toEqual([])
  })

  test('is no answer with the state of another link, or an unknown one', async () => {
    const { callback } = await answered()
    const bob = await visit(linkIn(await app.call('bob')), 'bob')
    const state = (await leave(bob)).searchParams.get('state')!
    callback.searchParams.set('state', state)
    expect((await bob.browser.open(callback)).status).toBe(502)
    expect(await app.connections.list('bob')).toEqual([])
    callback.searchParams.set('state', 'unknown')
    expect((await bob.browser.open(callback)).status).toBe(400)
  })

  test.each([
    ['of another issuer', (url: URL) => url.searchParams.set('iss', 'https://evil.example')],
    ['of an issuer with a slash more', (url: URL) => url.searchParams.set('iss', `${issuer.issuer}/`)],
    ['without its issuer', (url: URL) => url.searchParams.delete('iss')],
  ])('%s is refused, and the operator hears of it (RFC 9207)', async (_what, change) => {
    const { browser, callback } = await answered()
    change(callback)
    expect(await browser.open(callback)).toMatchObject({ status: 502 })
    expect(reasonsOf(app.reported).join()).toContain('"iss"')
    expect(issuer.requests.entries.at(-1)).not.toBe('POST /token')
    expect(linkIn(await app.call('ada'))).toBeDefined()
  })

  test('that says no is told to the user, and to who waits for the link', async () => {
    const { browser, callback } = await answered()
    const id = linkIn(await app.call('ada'))
      .split('/')
      .at(-1)!
    const outcome = brokerOf(app.connections)!.waitFor(id, { user: 'ada', timeoutMs: 10_000 })
    const denied = new URL(`${callback.origin}${callback.pathname}`)
    denied.searchParams.set('error', 'access_denied')
    for (const name of ['state', 'iss']) denied.searchParams.set(name, callback.searchParams.get(name)!)
    expect((await browser.open(denied)).text).toContain('Nothing was connected')
    expect(await outcome).toBe('declined')
    expect(app.reported).toEqual([])
  })

  test('with another error is told to the operator, without the words of the service', async () => {
    const { browser, callback } = await answered()
    const failed = new URL(`${callback.origin}${callback.pathname}?error=server_error&error_description=%3Cb%3Esecret`)
    for (const name of ['state', 'iss']) failed.searchParams.set(name, callback.searchParams.get(name)!)
    const page = await browser.open(failed)
    expect(page).toMatchObject({ status: 502 })
    expect(page.text).not.toContain('secret')
    expect(reasonsOf(app.reported)).toEqual([`${issuer.issuer} answered an error: server_error`])
  })

  test('reaches a browser that sends strict cookies only to pages of its own site', async () => {
    const { browser, callback } = await answered()
    const strict = new LoginBrowser(app.origin)
    strict.headers = { 'sec-fetch-site': 'cross-site' }
    const page = await strict.open(callback)
    const [, again] = /^0; url=(.*)$/.exec(page.headers.get('refresh') ?? '') ?? []
    expect(new URL(again!).origin).toBe(app.origin)
    expect((await strict.open(again!)).headers.get('refresh')).toBeNull()
    expect((await browser.open(again!)).text).toContain('Your account is connected')
  })
})

test('forged hosts move no URL', async () => {
  const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }
  const link = linkIn(await app.call('ada'))
  expect(new URL(link).origin).toBe(app.origin)
  const login = await send('GET', link, headers)
  expect(login.headers.location).toMatch(/^\/login\?return_to=%2Fconnections%2Flink%2F/)
  const document = JSON.parse((await send('GET', `${app.origin}/connections/client.json`, headers)).body)
  expect(document).toMatchObject({ redirect_uris: [`${app.origin}/connections/callback`] })
  expect(JSON.stringify(document)).not.toContain('evil')
  const { page, browser } = await visit(link, 'ada')
  browser.headers = { 'x-forwarded-host': 'evil.example' }
  const request = await leave({ page, browser })
  expect(request.searchParams.get('redirect_uri')).toBe(`${app.origin}/connections/callback`)
})

test('no page leads where a query or another origin says', async () => {
  const link = linkIn(await app.call('ada'))
  const { page, browser } = await visit(`${link}?return_to=https://evil.example&returnTo=//evil.example`, 'ada')
  expect(page.status).toBe(200)
  const callback = await issuer.authorize(await leave({ page, browser }), 'ada-at-crm')
  callback.searchParams.set('return_to', 'https://evil.example')
  const done = await browser.open(callback)
  expect(done).toMatchObject({ status: 200 })
  expect([done.headers.get('refresh'), done.text.includes('evil')]).toEqual([null, false])
  const broker = brokerOf(app.connections)!
  for (const returnTo of ['https://evil.example', '//evil.example', '/\\evil.example', 'javascript:alert(1)']) {
    await expect(broker.linkFor(subject(), { returnTo })).rejects.toThrow(/"returnTo" must be a URL of/)
  }
})

test('a page leads back to where the app itself has said', async () => {
  const { url } = await brokerOf(app.connections)!.linkFor(subject(), { returnTo: '/mcp-servers?a=1' })
  const done = await connect(url, 'ada', 'ada-at-crm', issuer)
  expect(done.headers.get('refresh')).toBe(`0; url=${app.origin}/mcp-servers?a=1`)
})

test('a record that was copied to another user does not open', async () => {
  await connect(linkIn(await app.call('ada')), 'ada', 'ada-at-crm', issuer)
  const [ofAda] = [...store.values].find(([key]) => key.startsWith('connection:'))!
  await connect(linkIn(await app.call('bob')), 'bob', 'bob-at-crm', issuer)
  const ofBob = [...store.values.keys()].find((key) => key.startsWith('connection:') && key !== ofAda)!
  store.values.set(ofBob, store.values.get(ofAda)!)
  const other = await start()
  expect(accountIn(await other.call('ada'))).toBe('ada-at-crm')
  expect(accountIn(await other.call('bob'))).toBeUndefined()
  expect(await other.connections.list('bob')).toEqual([])
})

describe('what a server says of itself', () => {
  /** Why a call cannot be connected. */
  async function reasonOf(asked: ConnectionsApp): Promise<string> {
    expect(await asked.call('ada')).toMatchObject({ status: 502, message: { error: { code: 502 } } })
    return reasonsOf(asked.reported).at(-1)!
  }

  test.each<[what: string, resource: (url: URL) => unknown]>([
    ['another origin', () => 'https://api.other.example/mcp'],
    ['a path beside it', ({ origin }) => `${origin}/mcp2`],
    ['a path below it', ({ origin }) => `${origin}/mcp/admin`],
    ['no resource', () => undefined],
  ])("is not believed for %s: a token for it would be another server's", async (_what, resource) => {
    upstream.metadata = { ...upstream.metadata, resource: resource(new URL(upstream.url)) }
    expect(await reasonOf(app)).toContain('is of another resource')
  })

  test('chooses no secret: an issuer with an entry in "clients" is used only where "servers" says so', async () => {
    const { id, secret } = await issuer.register({ redirect_uris: ['https://app.example/callback'] })
    const clients = { [issuer.issuer]: { clientId: id, clientSecret: secret } }
    const before = issuer.requests.entries.length
    expect(await reasonOf(await start({ clients }))).toContain(
      'for which "clients" has an entry: if that is right, say so',
    )
    expect(issuer.requests.entries.slice(before).filter((each) => each.startsWith('POST'))).toEqual([])
    const pinned = await start({ clients, servers: { crm: { issuer: issuer.issuer } } })
    const request = await leave(await visit(linkIn(await pinned.call('bob')), 'bob'))
    expect(request.searchParams.get('client_id')).toBe(id)
  })

  test('moves nobody to another issuer than the page named, however it changes', async () => {
    const evil = await use(listen((_request, response) => void response.end()))
    const visited = await visit(linkIn(await app.call('ada')), 'ada')
    upstream.metadata = { ...upstream.metadata, authorization_servers: [evil.origin] }
    const request = await leave(visited)
    expect(request.href).toMatch(`${issuer.issuer}/auth?`)
    const callback = await issuer.authorize(request, 'ada-at-crm')
    expect((await visited.browser.open(callback)).status).toBe(200)
    expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  })

  test('leads to no issuer whose metadata are of another', async () => {
    const evil = await use(
      listen((_request, response) => {
        const document = {
          issuer: issuer.issuer,
          authorization_endpoint: `${issuer.issuer}/auth`,
          token_endpoint: `${evil.origin}/token`,
        }
        response.setHeader('content-type', 'application/json').end(JSON.stringify(document))
      }),
    )
    upstream.metadata = { ...upstream.metadata, authorization_servers: [evil.origin] }
    expect(await reasonOf(app)).toMatch(/issuer/)
  })

  test.each<[what: string, name: (at: string, metadata: string) => void]>([
    [
      'an issuer',
      (at, metadata) => {
        upstream.metadata = { ...upstream.metadata, authorization_servers: [at] }
        // A URL of its own, since metadata is remembered.
        upstream.challenge = `Bearer resource_metadata="${metadata}?of=${at}"`
      },
    ],
    ['metadata', (at) => void (upstream.challenge = `Bearer resource_metadata="${at}/metadata"`)],
  ])('opens no connection to %s at an address that is not public (SC4)', async (_what, name) => {
    const inside = await use(listen((_request, response) => void response.end()))
    let connectionsMade = 0
    inside.server.on('connection', () => void (connectionsMade += 1))
    const { port } = new URL(inside.origin)
    const metadata = /"(.*)"/.exec(upstream.challenge!)![1]!
    const asked = await start({ baseUrl: 'https://app.example.com/connections' })
    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '2130706433', '10.0.0.1']) {
      for (const scheme of ['http', 'https']) {
        name(`${scheme}://${host}:${port}`, metadata)
        expect(await reasonOf(asked)).toMatch(/is not public|must be https:/)
      }
    }
    expect(asked.reported).toHaveLength(10)
    expect(connectionsMade).toBe(0)
  })

  test('is read no further than its bound', async () => {
    upstream.metadata = { ...upstream.metadata, padding: 'x'.repeat(300_000) }
    expect(await reasonOf(app)).toMatch(/answered more than \d+ bytes/)
  })

  test('may be about another tenant of the service, which has no PKCE: it is not used', async () => {
    const plain = await use(
      listen((_request, response) => {
        const document = {
          issuer: plain.origin,
          authorization_endpoint: `${plain.origin}/auth`,
          token_endpoint: `${plain.origin}/token`,
          client_id_metadata_document_supported: true,
          code_challenge_methods_supported: ['plain'],
        }
        response.setHeader('content-type', 'application/json').end(JSON.stringify(document))
      }),
    )
    upstream.metadata = { ...upstream.metadata, authorization_servers: [plain.origin] }
    expect(await reasonOf(app)).toContain('has no PKCE with S256')
  })
})

test('however many servers ask a user, and however often the browser leaves, what is open is bounded', async () => {
  const many = await use(
    startConnectionsApp({
      servers: (headers) => (name) => ({ url: `${upstream.url}?of=${name}`, headers }),
      connections: { store, servers: {} },
    }),
  )
  for (let index = 0; index < 60; index += 1) await many.call('ada', 'whoami', `s${index}`)
  const count = (kind: string): number => [...store.values.keys()].filter((key) => key.startsWith(`${kind}:`)).length
  expect(count('link')).toBe(50)
  const visited = await visit(linkIn(await app.call('bob')), 'bob')
  for (let index = 0; index < 8; index += 1) await leave(visited)
  expect(count('attempt')).toBe(5)
})

test('SC7 no token, code, verifier or secret is in a message, an error or a URL of ours', async () => {
  const seen: string[] = []
  const link = linkIn(await app.call('ada'))
  const visited = await visit(link, 'ada')
  const callback = await issuer.authorize(await leave(visited), 'ada-at-crm')
  seen.push(visited.page.text, (await visited.browser.open(callback)).text)
  const answer = await app.call('ada')
  issuer.endGrants()
  const now = Date.now()
  jest.spyOn(Date, 'now').mockImplementation(() => now + 20_000)
  upstream.refuseAll()
  const asked = await app.call('ada')
  seen.push(answer.body, asked.body, JSON.stringify(asked.headers), linkIn(asked), ...app.reported.map(String))
  seen.push(...reasonsOf(app.reported), JSON.stringify(await app.connections.list('ada')))
  const token = upstream.tokens.entries.find((each) => each !== '')
  expect(token).toBeDefined()
  for (const secret of [token!, callback.searchParams.get('code')!]) expect(seen.join('\n')).not.toContain(secret)
})
