// The pages of connections, with names that mean well and names that do not.
import { connectPage } from '../../../lib/connections/pages/connect.ts'
import { connectionsPage } from '../../../lib/connections/pages/list.ts'
import { connectedPage, declinedPage, leavingPage, sameSitePage } from '../../../lib/connections/pages/outcome.ts'
import type { LinkRecord } from '../../../lib/connections/records.ts'

const link: LinkRecord = {
  user: 'ada',
  server: 'crm',
  url: 'https://crm.example.com/mcp?key=secret',
  title: 'Customers',
  agent: 'Claude',
  issuer: 'https://login.crm.example/tenant',
  resource: 'https://crm.example.com/mcp',
  scopes: ['crm:read'],
  returnTo: 'https://app.example.com/mcp-servers',
  state: 'open',
  endsAt: 0,
}
const EVIL = '"><script>alert(1)</script>\u202e'
const hostile: LinkRecord = { ...link, title: EVIL, agent: EVIL, server: EVIL, returnTo: 'javascript:alert(1)' }
const form = { action: '/connections/link/x', fields: { form: EVIL } }
const user = { id: 'ada', name: 'Ada' }

const wordsOf = ({ text }: { text: string }): string =>
  text
    .replace(/^[\s\S]*<body>/, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()

const listed = (server: string, broken: boolean) => ({
  key: 'connection:x',
  server,
  url: link.url,
  issuer: link.issuer,
  scopes: ['crm:read'],
  since: new Date(),
  broken,
})

test('the page that asks names service, server, agent, account and scopes', () => {
  const words = wordsOf(connectPage({ title: 'App', user, link, form }))
  expect(words).toContain(
    'An agent that calls itself Claude asks you to connect an account at login.crm.example , so that Customers can be used with it.',
  )
  for (const fact of ['Service login.crm.example', 'Server Customers crm.example.com', 'Your account here Ada']) {
    expect(words).toContain(fact)
  }
  expect(words).toContain('What is asked for crm:read')
  expect(words).not.toContain('secret')
})

test('without an agent and scopes it does not speak of them, and the name of the server is its title', () => {
  const bare = { ...link, agent: undefined, title: undefined, scopes: [] }
  const words = wordsOf(connectPage({ title: undefined, user: { id: 'ada' }, link: bare, form }))
  expect(words).toContain('You are asked to connect an account')
  expect(words).toContain('Server crm crm.example.com')
  expect(words).not.toMatch(/Agent |What is asked for/)
})

test('the last page leads back, and says what became of it', () => {
  expect(connectedPage('App', link, '/connections/').text).toContain('href="https://app.example.com/mcp-servers"')
  expect(wordsOf(connectedPage('App', link, '/connections/'))).toContain(
    'Your account is connected Customers can now be used with your account at login.crm.example',
  )
  expect(wordsOf(declinedPage('App', link))).toContain('Nothing was connected')
  expect(leavingPage('App', link, 'https://login.crm.example/auth?a=1&b=2').text).toContain(
    'href="https://login.crm.example/auth?a=1&amp;b=2"',
  )
})

test('the list says what a service has ended', () => {
  const connections = [listed('crm', false), listed('mail', true)]
  const words = wordsOf(connectionsPage({ title: undefined, user, connections, form }))
  expect(words).toContain('What you have connected as Ada .')
  expect(words.split('The service has ended it').length).toBe(2)
  expect(wordsOf(connectionsPage({ title: undefined, user, connections: [], form }))).toContain(
    'No account is connected.',
  )
})

test.each([
  ['asks', connectPage({ title: EVIL, user: { id: EVIL }, link: hostile, form })],
  ['leaves', leavingPage(EVIL, hostile, 'javascript:alert(1)')],
  ['says connected', connectedPage(EVIL, hostile, '/connections/')],
  ['says declined', declinedPage(EVIL, hostile)],
  ['opens itself again', sameSitePage(EVIL, 'javascript:alert(1)')],
  ['lists', connectionsPage({ title: EVIL, user: { id: EVIL }, connections: [listed(EVIL, true)], form })],
])('the page that %s runs nothing of what others have named, and leads to no script', (_what, { text }) => {
  expect(text).not.toMatch(/<script|href="javascript:/i)
  expect(text).toContain('&lt;script&gt;')
})
