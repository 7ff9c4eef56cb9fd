// The accounts that servers need of visitors, on the list and on a server's page: what is shown, and the form.
import type { GatewayOptions } from '../../lib/index.ts'
import { aggregate } from '../../lib/index.ts'
import { type FakeConnections, fakeConnections } from '../support/fake-connections.ts'
import { describeChromium, startChromium } from '../support/chromium.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { closeUsed, use } from '../support/use.ts'
import { authenticate, BROWSER, type RunningDirectory, startDirectory } from './setup.ts'

let connections: FakeConnections
let upstream: Upstream
let running: RunningDirectory

beforeEach(async () => {
  connections = fakeConnections()
  upstream = await use(startUpstream())
  const crm = { url: upstream.url, headers: connections.headers } as never
  const servers: GatewayOptions['servers'] = {
    crm,
    desk: aggregate({ crm, wiki: { url: upstream.url } }),
    plain: { url: upstream.url },
  }
  running = await use(startDirectory({ gateway: { servers, authenticate }, directory: { loginUrl: '/login' } }))
})
afterEach(closeUsed)

async function page(query = '', user = 'ada'): Promise<string> {
  const { text } = await running.agent.get(`/mcp-servers/${query}`).set('accept', BROWSER).set('x-user', user)
  return text
}

const post = (form: object, { server = 'crm', headers = {}, user = 'ada' } = {}) =>
  running.agent
    .post(`/mcp-servers/?server=${server}`)
    .type('form')
    .set({ accept: BROWSER, 'x-user': user, 'sec-fetch-site': 'same-origin', ...headers })
    .send(form)

const forms = (text: string): string[] =>
  [...text.matchAll(/<form\s+class="account.*?<\/form>/gs)].map(([form]) =>
    form
      .replaceAll(/<[^>]*>/g, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim(),
  )

test('the list shows of each server whether the account that it needs is connected', async () => {
  const asked = [
    'Your account: not connected Connect your account of crm',
    'Your account at crm : not connected Connect your account of crm in desk',
  ]
  expect(forms(await page())).toEqual(asked)
  connections.connect('ada')
  expect(forms(await page())).toEqual([
    'Your account: connected Disconnect of crm',
    'Your account at crm : connected Disconnect of crm in desk',
  ])
  expect(forms(await page('', 'bob'))).toEqual(asked)
})

test("a server's page asks to connect where the server shows nothing without; with the account it shows what there is", async () => {
  const before = await page('?server=crm')
  expect(forms(before)).toEqual(['Your account: not connected Connect your account of crm'])
  expect(before).toContain('Connect your account to see what this server offers.')
  expect(running.reported.entries).toEqual([])
  connections.connect('ada')
  expect(forms(await page('?server=crm'))).toEqual(['Your account: connected Disconnect of crm'])
  expect(upstream.requests()).not.toEqual([])
  expect(forms(await page('?server=plain'))).toEqual([])
})

test('the JSON says it, too', async () => {
  const { body } = await running.agent.get('/mcp-servers/').set('accept', 'application/json').set('x-user', 'ada')
  const accounts = Object.fromEntries(body.servers.map((each: { name: string }) => [each.name, each]))
  expect(accounts['crm'].accounts).toEqual([{ isConnected: false }])
  expect(accounts['desk'].accounts).toEqual([{ member: 'crm', isConnected: false }])
  expect(accounts['plain']).not.toHaveProperty('accounts')
})

test('connecting leads to the page of the link, and no redirect that a form could not follow', async () => {
  const answer = await post({ account: 'connect', member: '' })
  expect([answer.status, answer.headers['refresh']]).toEqual([200, '0; url=https://app.test/connections/link-1'])
  expect(answer.text).toContain('href="https://app.test/connections/link-1"')
  expect((await post({ account: 'connect', member: 'crm' }, { server: 'desk' })).status).toBe(200)
})

test('disconnecting leads back to the page', async () => {
  connections.connect('ada')
  const answer = await post({ account: 'disconnect', member: '' })
  expect([answer.status, answer.headers['location']]).toEqual([303, '?server=crm'])
  expect(forms(await page('?server=crm'))).toEqual(['Your account: not connected Connect your account of crm'])
})

test.each([
  ['of another site', { 'sec-fetch-site': 'cross-site' }],
  ['of another page of the site', { 'sec-fetch-site': 'same-site' }],
  ['without a page', { 'sec-fetch-site': 'none' }],
  ['that does not say where it is from', { 'sec-fetch-site': undefined }],
  ['from a page that hides where it is', { 'sec-fetch-site': undefined, origin: 'null' }],
])('a form %s is refused', async (_, headers) => {
  connections.connect('ada')
  const request = running.agent.post('/mcp-servers/?server=crm').type('form').set({ accept: BROWSER, 'x-user': 'ada' })
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) void request.set(name, value)
  expect((await request.send({ account: 'disconnect', member: '' })).status).toBe(403)
  expect(await connections.broker.statusOf({ user: 'ada', server: 'crm', url: '' })).toBe('connected')
})

test('a form of an unknown server, of one without an account, without a user, or that is none gets an error', async () => {
  const statusOf = async (answer: PromiseLike<{ status: number }>): Promise<number> => (await answer).status
  expect(await statusOf(post({ account: 'connect' }, { server: 'nobody' }))).toBe(404)
  expect(await statusOf(post({ account: 'connect' }, { server: 'plain' }))).toBe(404)
  expect(await statusOf(post({ account: 'connect', member: 'nobody' }))).toBe(404)
  expect(await statusOf(post({}, { headers: { 'content-type': 'text/plain' } }).send('x'))).toBe(400)
  const unknown = running.agent.post('/mcp-servers/?server=crm').set('sec-fetch-site', 'same-origin')
  expect(await statusOf(unknown.type('form').send({ account: 'connect' }))).toBe(401)
  expect(connections.made).toBe(0)
})

test('the page stays when it cannot be looked up whether an account is connected', async () => {
  connections.broker.statusOf = () => Promise.reject(new Error('store down'))
  expect(forms(await page())).toEqual([])
  expect(running.reported.entries.map(({ message }) => message)).toEqual(['store down', 'store down'])
})

describeChromium('in a browser', () => {
  test('the buttons work under the policy of the page', async () => {
    const browser = await use(startChromium())
    const complaints: string[] = []
    const tab = await browser.newPage({ extraHTTPHeaders: { 'x-user': 'ada' }, viewport: { width: 390, height: 800 } })
    tab.on('console', (message) => complaints.push(message.text()))
    await tab.route('https://app.test/**', (route) => route.fulfill({ body: 'the page of the link' }))
    await tab.goto(`${running.url}?server=crm`)
    expect(await tab.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await tab.getByRole('button', { name: 'Connect your account of crm' }).click()
    await tab.waitForURL('https://app.test/connections/link-1')
    connections.connect('ada')
    await tab.goto(running.url)
    await tab.getByRole('button', { name: 'Disconnect of crm', exact: true }).click()
    await tab.waitForURL(/server=crm$/)
    await tab.getByText('not connected').waitFor()
    expect(complaints).toEqual([])
  })
})
