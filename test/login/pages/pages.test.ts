// The pages of the login: what they say to whom, and that no text becomes markup.
import { ServerResponse } from 'node:http'
import { agentsPage, consentPage, faultPage, returnPage, sendFormPage } from '../../../lib/login/pages/index.ts'
import type { ConsentView } from '../../../lib/login/types.ts'
import { HOSTILE_TEXTS, loginViews } from '../../fixtures/login-views.ts'

const honest = loginViews()

/** The words of a page, without its markup. */
function wordsOf({ text }: { readonly text: string }): string {
  const body = text.slice(text.indexOf('<body>'))
  return body
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/ ([.,])/g, '$1')
    .replaceAll('&#39;', "'")
}

/** The elements of a page with the names of their attributes, in order. */
function markupOf({ text }: { readonly text: string }): string[] {
  const body = text.replace(/<style>[^]*?<\/style>/, '<style>')
  return Array.from(body.matchAll(/<[^<>]*>/g), ([tag]) => tag.replaceAll(/="[^"]*"/g, '='))
}

const consentOf = (more: Partial<ConsentView>): string => wordsOf(consentPage({ ...honest.consent, ...more }))

describe('the page that asks', () => {
  test('names agent, server and where the answer goes in its first sentence, then what, and for whom', () => {
    const words = consentOf({})
    expect(words).toContain('Let an agent use Weather?')
    expect(words).toContain('An agent that calls itself Claude asks to use Weather. The answer goes to agent.example.')
    expect(words).toContain('Verified: it is described at agent.example.')
    expect(words).toContain('https://app.example.com/mcp-servers/weather/mcp')
    expect(words).toContain('Your account Ada Lovelace Use another account')
    expect(words).toContain('It will be able to Use this server as youSend mail as you')
    expect(words).toContain('Allow Deny')
    expect(words).not.toContain('Allow this only if')
  })

  test('shows the id of a user without a name', () => {
    expect(consentOf({ user: { id: 'ada' } })).toContain('Your account ada')
  })

  const client = { ...honest.consent.client, verifiedHost: undefined }
  test.each<[string, Partial<ConsentView>, string[]]>([
    [
      'on this computer',
      { client: { ...client, redirectHost: 'loopback' }, origin: 'registered' },
      ['The answer goes to a program on this computer.', 'Any program on this computer can say that it is Claude.'],
    ],
    [
      'on this computer, though its document is verified',
      { client: { ...honest.consent.client, redirectHost: 'loopback' } },
      ['Verified: it is described at agent.example.', 'Any program on this computer can say that it is Claude.'],
    ],
    [
      'in an app',
      { client: { ...client, redirectHost: 'app:cursor' }, origin: 'registered' },
      ['goes to the app that opens cursor: links on this device.', 'Any app on this device can say that it is Claude.'],
    ],
    [
      'elsewhere than its description',
      { client: { ...honest.consent.client, redirectHost: 'else.example' } },
      ['The answer goes to else.example.', 'described at agent.example, but the answer goes to else.example.'],
    ],
    [
      'that registered itself',
      { client, origin: 'registered' },
      ['It chose this name itself; nobody has verified it.', 'Whoever runs agent.example will act with your account.'],
    ],
  ])('warns of an agent %s', (_, view, sentences) => {
    const words = consentOf(view)
    for (const sentence of sentences) expect(words).toContain(sentence)
  })

  test('says of a configured client that the app knows it', () => {
    expect(consentOf({ client, origin: 'known' })).toContain('This app knows it.')
  })

  test('tells two agents of one name apart by their hosts', () => {
    const other = { ...honest.consent.client, verifiedHost: 'evil.example', redirectHost: 'evil.example' }
    expect(consentOf({ client: other })).toContain('The answer goes to evil.example.')
    expect(consentOf({ client: other })).not.toContain('agent.example.')
  })

  test('keeps its buttons in sight of a redirect URI of 2 000 characters', () => {
    expect(consentOf({ redirectUri: `https://agent.example/?${'a'.repeat(2_000)}` }).length).toBeLessThan(1_500)
  })
})

test('the page on the way back says how it went, and has a link', () => {
  expect(wordsOf(returnPage(honest.returning))).toContain('Claude is connected. Go on to Claude')
  expect(wordsOf(returnPage({ ...honest.returning, decision: 'denied' }))).toContain('Claude was not let in')
  expect(returnPage(honest.returning).text).toContain('href="https://agent.example/callback?code=a"')
  expect(returnPage({ ...honest.returning, url: 'cursor://a?code=b&state=c' }).text).toContain(
    'href="cursor://a?code=b&amp;state=c"',
  )
})

test('the page of a fault says it, and has a link only where there is a way back', () => {
  expect(wordsOf(faultPage(honest.fault))).toContain('The redirect URI is not one of the agent. Go back to Claude')
  expect(faultPage({ ...honest.fault, back: undefined }).text).not.toContain('<a ')
})

describe('the page of connected agents', () => {
  test('says what may do what since when, each with a button of its own', () => {
    const words = wordsOf(agentsPage(honest.agents))
    expect(words).toContain('What you have let in as Ada Lovelace.')
    expect(words).toMatch(/Claude Described at agent\.example Server Weather mcp Let in .*ago Last used .* Disconnect/)
    const { text } = agentsPage(honest.agents)
    expect(text).toMatch(/<button[^>]* name="grant" value="a-grant" aria-label="Disconnect Claude"/)
    expect(text).toContain('<input type="hidden" name="request" value="sealed"')
  })

  test.each([
    [{ verifiedHost: undefined, redirectHost: 'loopback' }, 'A program on your computer'],
    [{ verifiedHost: undefined, redirectHost: 'app:cursor' }, 'An app on your device'],
    [{ verifiedHost: undefined, redirectHost: 'agent.example' }, 'At agent.example'],
  ])('says where %j is', (more, words) => {
    const agents = honest.agents.agents.map((agent) => ({ ...agent, client: { ...agent.client, ...more } }))
    expect(wordsOf(agentsPage({ ...honest.agents, agents }))).toContain(words)
  })

  test('says that there is none', () => {
    expect(wordsOf(agentsPage({ ...honest.agents, agents: [] }))).toContain('No agent is connected.')
  })
})

describe.each(HOSTILE_TEXTS)('the text %j', (text) => {
  const hostile = loginViews(text)
  test.each([
    ['consent', consentPage(honest.consent), consentPage(hostile.consent)],
    ['return', returnPage(honest.returning), returnPage(hostile.returning)],
    ['fault', faultPage(honest.fault), faultPage(hostile.fault)],
    ['agents', agentsPage(honest.agents), agentsPage(hostile.agents)],
  ])('wherever it stands, is no markup on the %s page', (_, plain, page) => {
    // Another host makes a sentence of its own, which is markup of ours.
    expect(markupOf(page)).toEqual(markupOf(plain))
  })
})

test.each([
  'javascript:alert(1)',
  'data:text/html,a',
  'JAVASCRIPT:alert(1)',
  'java\nscript:alert(1)',
  'vbscript:a',
  'a',
])('%j is never linked to, nor is the browser sent there', (url) => {
  expect(returnPage({ ...honest.returning, url }).text).not.toContain('<a ')
  expect(faultPage({ ...honest.fault, back: { url, client: honest.consent.client } }).text).not.toContain('<a ')
  expect(sent({ refresh: url })['refresh']).toBeUndefined()
})

/** The headers that a page is sent with. */
function sent(options: { readonly refresh?: string } = {}): Record<string, unknown> {
  const response = new ServerResponse({ method: 'GET' } as never)
  sendFormPage(response, 200, returnPage(honest.returning), options)
  const head = (response as unknown as { _header: string })._header.split('\r\n').slice(1, -2)
  return Object.fromEntries(head.map((line) => [line.split(': ', 1)[0], line.slice(line.indexOf(': ') + 2)]))
}

test('pages are sent without script, framed by nobody, kept by nobody, and say nothing to others', () => {
  expect(sent()).toMatchObject({
    'content-security-policy': expect.stringMatching(
      /^default-src 'none'; style-src 'sha256-[\w+/]+=*'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
    ),
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'content-type': 'text/html; charset=utf-8',
  })
  expect(sent({ refresh: 'cursor://a?code=b' })).toMatchObject({ refresh: '0; url=cursor://a?code=b' })
  expect(sent({ refresh: 'https://a.example/\r\nset-cookie: a=b' })['refresh']).toBeUndefined()
})
