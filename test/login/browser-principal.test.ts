// Who a request without a token is: the user of a browser at the app's own pages, and nobody else.
import type { GatewayRequest } from '../../lib/index.ts'
import { isOfOwnBrowser } from '../../lib/login/browser-principal.ts'
import { LoginBrowser, type LoginApp, startLoginApp } from '../support/login-app.ts'
import { initializeMessage } from '../support/rpc.ts'
import { type RunningServer, startSdkV1Server } from '../support/servers.ts'

test.each([
  ['POST', { 'sec-fetch-site': 'same-origin' }, true],
  ['GET', { 'sec-fetch-site': 'same-origin' }, true],
  ['GET', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }, true],
  ['GET', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, true],
  ['POST', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, false],
  ['POST', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }, false],
  ['POST', { 'sec-fetch-site': 'same-site' }, false],
  ['POST', { 'sec-fetch-site': 'cross-site' }, false],
  ['DELETE', { 'sec-fetch-site': 'cross-site' }, false],
  ['GET', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }, false],
  ['GET', {}, false],
  ['POST', {}, false],
  ['POST', { 'sec-fetch-site': 'same-origin', authorization: 'Bearer a' }, false],
  ['POST', { 'sec-fetch-site': 'same-origin', authorization: '' }, false],
])('%s with %j is of a browser at a page of the app: %s', (method, headers, expected) => {
  expect(isOfOwnBrowser({ method, headers } as GatewayRequest)).toBe(expected)
})

describe('at a gateway', () => {
  let notes: RunningServer
  let app: LoginApp
  let principals: unknown[]
  beforeAll(async () => {
    notes = await startSdkV1Server()
    app = await startLoginApp({
      servers: (name, { principal }) => {
        principals.push(principal)
        return name === 'notes' ? { url: notes.url } : undefined
      },
      login: {
        principal: ({ id }) => (id === 'mallory' ? undefined : { team: `team of ${id}` }),
        scopes: { mcp: 'Use it', admin: 'Change it' },
        title: 'Example Corp',
      },
      directory: { list: () => ({ notes: { url: notes.url } }) },
    })
  })
  afterAll(async () => {
    await app.close()
    await notes.close()
  })
  beforeEach(() => void (principals = []))

  async function post(user: string | undefined, headers: Record<string, string>): Promise<number> {
    const browser = new LoginBrowser(app.origin)
    if (user !== undefined) await browser.logIn(user)
    const page = await browser.open(app.url('notes'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body: JSON.stringify(initializeMessage()),
    })
    return page.status
  }
  const own = { 'sec-fetch-site': 'same-origin' }

  test('the user is let in with all scopes, for as long as a token would live, without a grant', async () => {
    expect(await post('ada', own)).toBe(200)
    expect(principals[0]).toEqual({
      id: 'ada',
      user: 'ada',
      name: 'ada of the tests',
      team: 'team of ada',
      scopes: ['mcp', 'admin'],
      expiresAt: expect.any(Number),
      claims: { iss: app.origin, sub: 'ada' },
      client: expect.objectContaining({ id: app.origin, name: 'Example Corp' }),
      grant: undefined,
    })
    const { expiresAt } = principals[0] as { expiresAt: number }
    expect(Math.abs(expiresAt - Date.now() / 1_000 - 300)).toBeLessThan(10)
  })

  test.each([
    ['nobody who is logged in', undefined, own],
    ['a user that "principal" refuses', 'mallory', own],
    ['a page of another site', 'ada', { 'sec-fetch-site': 'cross-site' }],
    ['a page of another host of the site', 'ada', { 'sec-fetch-site': 'same-site' }],
    ['a program with a cookie', 'ada', {}],
    ['a page with a token that is none', 'ada', { ...own, authorization: 'Bearer nonsense' }],
  ])('%s is 401', async (_, user, headers) => {
    expect(await post(user, headers)).toBe(401)
    expect(principals).toEqual([])
  })

  test('the list of servers is the page of who is logged in, and leads others to the login', async () => {
    const browser = new LoginBrowser(app.origin)
    browser.headers = { ...own, accept: 'text/html' }
    const before = await browser.open('/mcp-servers')
    expect([before.status, before.text]).toEqual([401, expect.stringContaining('/login?return_to=%2Fmcp-servers')])
    const after = await browser.logIn('ada', '/mcp-servers')
    expect([after.status, after.text]).toEqual([200, expect.stringContaining('/mcp-servers/notes/mcp')])
  })
})
