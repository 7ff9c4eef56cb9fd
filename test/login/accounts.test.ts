// What agentLogin() does where a server needs accounts of the user's own: they are connected before the agent is let in.
import { aggregate } from '../../lib/index.ts'
import { type FakeConnections, fakeConnections } from '../support/fake-connections.ts'
import { formOf, type LoginApp, LoginBrowser, refreshOf, startLoginApp } from '../support/login-app.ts'
import { KNOWN, RawClient, REDIRECT } from '../support/raw-oauth.ts'
import type { Page } from '../support/login-browser.ts'

let crm: FakeConnections
let wiki: FakeConnections
let app: LoginApp
let browser: LoginBrowser
/** The URLs that links lead back to, the last one last. */
let returns: string[]

beforeAll(async () => {
  app = await startLoginApp({
    servers: (name) => {
      const one = { url: 'http://127.0.0.1:9/mcp', headers: crm.headers, title: 'The CRM' } as never
      const two = { url: 'http://127.0.0.1:9/wiki', headers: wiki.headers } as never
      return name === 'notes' ? one : aggregate({ crm: one, wiki: two })
    },
    login: { clients: [KNOWN], remember: true },
  })
})
afterAll(() => app.close())
beforeEach(() => {
  returns = []
  crm = connections('crm.test')
  wiki = connections('wiki.test')
  browser = new LoginBrowser(app.origin)
})
afterEach(() => {
  expect(app.reported.splice(0)).toEqual([])
})

function connections(service: string): FakeConnections {
  const made = fakeConnections(service)
  const { linkFor } = made.broker
  made.broker.linkFor = async (subject, options) => {
    returns.push(options!.returnTo!)
    return { ...(await linkFor(subject, options)), url: `https://app.test/${service}` }
  }
  return made
}

async function allow(server = 'notes', user = 'ada'): Promise<Page> {
  const url = new RawClient(app).authorizeUrl({ resource: app.url(server) })
  const page = await browser.begin(url, user)
  const { fields } = formOf(page)
  return browser.press(page, { ...fields, decision: 'allow' })
}

test('the browser goes on to connect the account, and with it to the client', async () => {
  const page = await allow()
  expect([page.status, refreshOf(page).href]).toEqual([200, 'https://app.test/crm.test'])
  expect(page.text).toContain('One more step')
  // The agent is not let in yet.
  expect(await app.login.list('ada')).toEqual([])
  crm.connect('ada')
  const back = await browser.open(returns[0]!)
  expect(refreshOf(back).href).toMatch(new RegExp(`^${REDIRECT}.*[?&]code=`))
  expect(await app.login.list('ada')).toHaveLength(1)
})

test('who has connected before, or says not now, is asked no further', async () => {
  crm.connect('bob')
  expect(refreshOf(await allow('notes', 'bob')).searchParams.has('code')).toBe(true)
  const other = new LoginBrowser(app.origin)
  browser = other
  await allow('notes', 'cora')
  crm.decline('cora')
  expect(refreshOf(await other.open(returns.at(-1)!)).searchParams.has('code')).toBe(true)
})

test('an aggregate has each of its members asked for, one after the other', async () => {
  expect(refreshOf(await allow('all', 'dan')).host).toBe('app.test')
  crm.connect('dan')
  expect(refreshOf(await browser.open(returns[0]!)).href).toBe('https://app.test/wiki.test')
  wiki.connect('dan')
  expect(refreshOf(await browser.open(returns[1]!)).searchParams.has('code')).toBe(true)
})

test('the way back is good for one grant, of this user alone, and not when it is changed', async () => {
  await allow('notes', 'eve')
  const [back] = returns
  const thief = new LoginBrowser(app.origin)
  expect((await thief.begin(back!, 'mallory')).status).toBe(403)
  expect((await browser.open(`${back!.slice(0, -4)}AAAA`)).status).toBe(400)
  expect((await browser.open(`${app.origin}/oauth/consent`)).status).toBe(400)
  expect(await app.login.list('eve')).toEqual([])
  expect(refreshOf(await browser.open(back!)).searchParams.has('code')).toBe(true)
  // Loaded again, it is the same grant.
  await browser.open(back!)
  expect(await app.login.list('eve')).toHaveLength(1)
})

test('where the account cannot be connected the agent is let in all the same, and the operator hears why', async () => {
  crm.broker.linkFor = () => Promise.reject(new Error('no metadata'))
  expect(refreshOf(await allow('notes', 'fay')).searchParams.has('code')).toBe(true)
  crm.broker.statusOf = () => Promise.reject(new Error('store down'))
  browser = new LoginBrowser(app.origin)
  expect(refreshOf(await allow('notes', 'gil')).searchParams.has('code')).toBe(true)
  expect(app.reported.splice(0).map(({ message }) => message)).toEqual(['no metadata', 'store down'])
})

test('who denies is asked for nothing', async () => {
  const page = await browser.begin(new RawClient(app).authorizeUrl({}), 'hal')
  const denied = await browser.press(page, { ...formOf(page).fields, decision: 'deny' })
  expect(refreshOf(denied).searchParams.get('error')).toBe('access_denied')
  expect(returns).toEqual([])
})
