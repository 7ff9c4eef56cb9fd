// The option `remember` of agentLogin(): when the question is skipped, and when a remembered answer must not be ridden. (login.md 8.7)
import { type LoginApp, LoginBrowser, type Page, startLoginApp } from '../support/login-app.ts'
import { KNOWN, OTHER, RawClient, REDIRECT } from '../support/raw-oauth.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const ALSO = 'https://also.agent.example/callback'

let upstream: Upstream
let app: LoginApp
let forgetful: LoginApp
let client: RawClient
let browser: LoginBrowser
beforeAll(async () => {
  upstream = await startUpstream()
  const options = {
    servers: { notes: { url: upstream.url }, files: { url: upstream.url } },
    login: {
      clients: [{ ...KNOWN, redirectUris: [...KNOWN.redirectUris, ALSO] }, OTHER],
      scopes: { mcp: 'Use it as you', 'mail:send': 'Send mail as you' },
    },
  }
  app = await startLoginApp({ ...options, login: { ...options.login, remember: true } })
  forgetful = await startLoginApp(options)
})
afterAll(async () => {
  await Promise.all([app.close(), forgetful.close(), upstream.close()])
})
beforeEach(async () => {
  client = new RawClient(app)
  browser = new LoginBrowser(app.origin)
  browser.headers = { 'sec-fetch-site': 'none' }
  await browser.logIn('ada')
})
afterEach(async () => {
  await app.login.disconnect('ada')
  expect(app.reported).toEqual([])
})

/** `asked`, or where the browser was sent without a question. */
function outcome({ status, url, text }: Page): string {
  return status === 200 && text.includes('<form') ? 'asked' : url.origin + url.pathname
}

async function allowed(fields: Record<string, string> = {}): Promise<void> {
  browser.headers = {}
  await client.authorize(browser, 'ada', fields)
  browser.headers = { 'sec-fetch-site': 'none' }
}

test('without it, everybody is asked every time', async () => {
  const [other, window] = [new RawClient(forgetful), new LoginBrowser(forgetful.origin)]
  window.headers = { 'sec-fetch-site': 'none' }
  await window.logIn('ada')
  expect(outcome(await window.open(other.authorizeUrl()))).toBe('asked')
  window.headers = { 'sec-fetch-site': 'same-origin' }
  await other.authorize(window, 'ada')
  window.headers = { 'sec-fetch-site': 'none' }
  expect(outcome(await window.open(other.authorizeUrl()))).toBe('asked')
})

test('asks once, and then gives a code that is good, for a grant of its own', async () => {
  expect(outcome(await browser.open(client.authorizeUrl()))).toBe('asked')
  await allowed()
  const page = await browser.open(client.authorizeUrl())
  expect(outcome(page)).toBe(REDIRECT)
  expect((await client.exchange(page.url.searchParams.get('code')!)).status).toBe(200)
  expect(await app.login.list('ada')).toHaveLength(2)
  browser.headers = { 'sec-fetch-site': 'same-origin' }
  expect(outcome(await browser.open(client.authorizeUrl()))).toBe(REDIRECT)
})

test.each<[string, () => Record<string, string>]>([
  ['another server', () => ({ resource: app.url('files') })],
  ['more scopes', () => ({ scope: 'mail:send' })],
  ['another client', () => ({ client_id: OTHER.id })],
  ['another host to redirect to', () => ({ redirect_uri: ALSO })],
  ['a redirect to this machine', () => ({ redirect_uri: 'http://127.0.0.1:5123/back' })],
  ['a redirect to an app', () => ({ redirect_uri: 'cursor://back' })],
  ['the client that wants it so', () => ({ prompt: 'consent' })],
])('asks again for %s', async (_what, fields) => {
  await allowed()
  await allowed({ redirect_uri: 'http://127.0.0.1:5123/back' })
  await allowed({ redirect_uri: 'cursor://back' })
  expect(outcome(await browser.open(client.authorizeUrl(fields())))).toBe('asked')
})

test.each(['cross-site', 'same-site', undefined])(
  'asks again whoever comes from a site that the browser calls %s',
  async (site) => {
    await allowed()
    browser.headers = site === undefined ? {} : { 'sec-fetch-site': site }
    expect(outcome(await browser.open(client.authorizeUrl()))).toBe('asked')
  },
)

test('a request from another site is asked for after the login of the app too, which looks like one of this origin', async () => {
  await allowed()
  const fresh = new LoginBrowser(app.origin)
  fresh.headers = { 'sec-fetch-site': 'cross-site' }
  const login = await fresh.open(client.authorizeUrl())
  fresh.headers = { 'sec-fetch-site': 'same-origin' }
  expect(outcome(await fresh.logIn('ada', login.url.searchParams.get('return_to')!))).toBe('asked')
})

test('another user is asked', async () => {
  await allowed()
  await browser.logIn('bob')
  expect(outcome(await browser.open(client.authorizeUrl()))).toBe('asked')
})

test('who disconnects an agent is asked again', async () => {
  await allowed()
  await app.login.disconnect('ada')
  expect(outcome(await browser.open(client.authorizeUrl()))).toBe('asked')
})
