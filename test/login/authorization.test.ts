// Authorization requests at agentLogin(): what is refused, where an error leads, and what a user can be made to answer. (login.md 8)
import { type LoginApp, LoginBrowser, formOf, refreshOf, startLoginApp } from '../support/login-app.ts'
import { KNOWN, OTHER, RawClient, REDIRECT } from '../support/raw-oauth.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let app: LoginApp
let client: RawClient
let browser: LoginBrowser
const filesFor = new Set(['ada'])
beforeAll(async () => {
  upstream = await startUpstream()
  app = await startLoginApp({
    servers: (name, { principal }) =>
      name === 'notes' || (name === 'files' && filesFor.has(principal!.id))
        ? { url: upstream.url, title: `The ${name}` }
        : undefined,
    login: {
      clients: [KNOWN, OTHER],
      scopes: { mcp: 'Use it as you', 'mail:send': 'Send mail as you' },
      allowClient: ({ id }, { user, server }) => !(id === OTHER.id && user.id === 'eve' && server === 'notes'),
    },
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

describe('parameters', () => {
  test.each([
    ['no PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    ['the method plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['no method, which means plain', { code_challenge_method: undefined }, 'invalid_request'],
    ['the implicit flow', { response_type: 'token' }, 'unsupported_response_type'],
    ['an ID token', { response_type: 'code id_token' }, 'unsupported_response_type'],
    ['no resource', { resource: undefined }, 'invalid_target'],
    ['two resources', { resource: ['notes', 'files'] }, 'invalid_target'],
    ['a resource of others', { resource: 'https://elsewhere.example/mcp' }, 'invalid_target'],
    ['the mount as resource', { resource: 'mount' }, 'invalid_target'],
    ['a resource below that of a server', { resource: 'below' }, 'invalid_target'],
    ['a request object', { request: 'eyJhbGciOiJub25lIn0.e30.' }, 'request_not_supported'],
    ['a request by reference', { request_uri: 'https://agent.example/request' }, 'request_uri_not_supported'],
    ['no page at all', { prompt: 'none' }, 'login_required'],
  ])('with %s lead to a page, not away; its link tells the client (%#)', async (_what, given, error) => {
    const fields: Record<string, string | string[] | undefined> = { ...given }
    const name = { notes: app.url('notes'), files: app.url('files'), mount: `${app.origin}/mcp-servers` }
    if (Array.isArray(fields['resource'])) fields['resource'] = [name.notes, name.files]
    else if (fields['resource'] === 'mount') fields['resource'] = name.mount
    else if (fields['resource'] === 'below') fields['resource'] = `${name.notes}/more`
    const page = await browser.open(client.authorizeUrl(fields))
    expect([page.status, page.headers.get('location'), page.headers.get('refresh')]).toEqual([400, null, null])
    const link = /href="(https:\/\/agent\.example\/callback[^"]*)"/.exec(page.text)?.[1]?.replaceAll('&amp;', '&')
    const { searchParams, hash } = new URL(link!)
    const told = hash === '' ? searchParams : new URLSearchParams(hash.slice(1))
    expect(page.text).toContain(error)
    expect(Object.fromEntries(told)).toMatchObject({ error, iss: app.origin, state: 'the state' })
  })

  test('an answer in the fragment or by a form is refused: the engine would answer with a script', async () => {
    for (const mode of ['fragment', 'form_post', 'web_message']) {
      const page = await browser.open(client.authorizeUrl({ response_mode: mode }))
      expect([page.status, page.text.includes('<script')]).toEqual([400, false])
    }
    expect((await browser.begin(client.authorizeUrl({ response_mode: 'query' }), 'ada')).status).toBe(200)
  })

  test.each([
    ['an unknown client', { client_id: 'nobody' }],
    ['two clients', { client_id: [KNOWN.id, OTHER.id] }],
    ['no client', { client_id: undefined }],
    ['two redirects', { redirect_uri: [REDIRECT, 'https://evil.example/'] }],
  ])('with %s lead to a page without a link', async (_what, fields) => {
    const page = await browser.open(client.authorizeUrl(fields))
    expect(page.status).toBe(400)
    expect(page.text).not.toMatch(/agent\.example|evil\.example/)
  })

  test.each(['login', 'consent', 'select_account', 'login consent', 'create', ''])(
    'whoever is to be asked in the way of %j is asked',
    async (prompt) => {
      expect(await client.logIn(browser, 'ada', { prompt })).toMatchObject({ scope: 'mcp' })
    },
  )

  test('scopes that are not known are left out, and the first one is always there', async () => {
    const asked = { 'openid offline_access': 'mcp', 'mail:send other': 'mcp mail:send', constructor: 'mcp', '': 'mcp' }
    for (const [scope, granted] of Object.entries(asked)) {
      expect(await client.logIn(browser, 'ada', { scope })).toMatchObject({ scope: granted })
    }
  })

  test('a resource with a slash at its end, or a host in capitals, gets a token for the canonical one', async () => {
    const { host } = new URL(app.origin)
    for (const resource of [`${app.url('notes')}/`, app.url('notes').replace(host, host.toUpperCase())]) {
      expect(await client.logIn(browser, 'ada', { resource })).toMatchObject({ scope: 'mcp' })
    }
    expect((await app.login.list('ada')).every(({ servers }) => 'notes' in servers)).toBe(true)
  })
})

describe('redirects (login.md 8.4)', () => {
  test.each([
    'https://agent.example/other',
    'https://agent.example/callback/',
    'https://agent.example/callback?more=1',
    'https://agent.example/callback#part',
    'https://user@agent.example/callback',
    'https://agent.example:99@evil.example/callback',
    'https://agent.example.evil.example/callback',
    'https://agent.example:444/callback',
    'https://agent.example/a/../callback',
    'https://AGENT.example/callback',
    'https://agent.example:443/callback',
    'http://agent.example/callback',
    ' https://agent.example/callback',
    'https://agent.example/callback\n',
    'http://[::1]/back',
    'http://127.0.0.1:9/other',
    'http://localhost:9/back',
    'http://127.0.0.1.evil.example:9/back',
    'cursor://other',
    'javascript:alert(1)//',
    '',
  ])('%j is not one of its own', async (redirect) => {
    const page = await browser.open(client.authorizeUrl({ redirect_uri: redirect }))
    expect([page.status, page.headers.get('location'), page.headers.get('refresh')]).toEqual([400, null, null])
    expect(page.text).not.toContain('href="http')
  })

  test.each([REDIRECT, 'http://127.0.0.1/back', 'http://127.0.0.1:5123/back', 'cursor://back'])(
    '%j is, and gets a code',
    async (redirect) => {
      const url = await client.authorize(browser, 'ada', { redirect_uri: redirect })
      expect(url.href.startsWith(redirect)).toBe(true)
      const { status } = await client.exchange(url.searchParams.get('code')!, { redirect_uri: redirect })
      expect(status).toBe(200)
    },
  )
})

describe('where the answer comes from (login.md 8.6)', () => {
  test('success and denial name the issuer to the letter, and carry the state', async () => {
    const metadata = await (await fetch(`${app.origin}/.well-known/oauth-authorization-server`)).json()
    expect(metadata).toMatchObject({ issuer: app.origin, authorization_response_iss_parameter_supported: true })
    const allowed = await browser.answer(client.authorizeUrl(), 'ada', 'allow')
    expect(Object.fromEntries(allowed.searchParams)).toEqual({
      code: expect.any(String),
      state: 'the state',
      iss: app.origin,
    })
    const denied = await browser.answer(client.authorizeUrl(), 'ada', 'deny')
    expect(Object.fromEntries(denied.searchParams)).toMatchObject({
      error: 'access_denied',
      state: 'the state',
      iss: app.origin,
    })
  })
})

describe('Host and what proxies add (login.md 8.5)', () => {
  const evil = {
    host: 'evil.example',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    forwarded: 'host=evil.example',
  }

  test('change neither metadata nor redirects, and no cookie is set', async () => {
    const { request } = await import('node:http')
    const ask = (path: string, cookie = ''): Promise<{ headers: unknown; text: string }> =>
      new Promise((resolve, reject) => {
        request(new URL(path, app.origin), { headers: { ...evil, cookie } }, (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => void chunks.push(chunk))
          response.on('end', () => resolve({ headers: response.headers, text: Buffer.concat(chunks).toString() }))
        })
          .on('error', reject)
          .end()
      })
    await browser.logIn('ada')
    const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ')
    const paths = ['/.well-known/oauth-authorization-server', '/oauth/jwks', client.authorizeUrl(), '/oauth/agents']
    for (const path of paths) {
      for (const each of ['', cookie]) {
        const { headers, text } = await ask(path, each)
        expect(JSON.stringify(headers) + text).not.toContain('evil.example')
        expect(headers).not.toHaveProperty('set-cookie')
      }
    }
  })

  test('the only cookie of a browser is that of the app', async () => {
    await client.logIn(browser, 'ada')
    expect([...browser.cookies.keys()]).toEqual(['connect.sid'])
  })
})

describe('the way to the login of the app and back (login.md 8.9)', () => {
  test('return_to is a path of the login, whatever the request says', async () => {
    for (const state of ['//evil.example', '/\\evil.example', 'https:evil.example', '&return_to=//evil.example']) {
      const page = await browser.open(client.authorizeUrl({ state, return_to: '//evil.example' }))
      expect(page.url.searchParams.getAll('return_to')).toHaveLength(1)
      const returnTo = page.url.searchParams.get('return_to')!
      expect(returnTo).toMatch(/^\/oauth\/authorize\?client_id=/)
      expect(new URL(returnTo, app.origin).searchParams.get('state')).toBe(state)
    }
  })

  test('the request goes on where it was, with every parameter that means something, and no other', async () => {
    const page = await browser.open(client.authorizeUrl({ nonce: 'x', id_token_hint: 'y', claims: '{}' }))
    const back = new URL(page.url.searchParams.get('return_to')!, app.origin).searchParams
    expect([...back.keys()].toSorted()).toEqual(
      'client_id code_challenge code_challenge_method redirect_uri resource response_type scope state'.split(' '),
    )
  })
})

describe('who answers (login.md 8.10, 8.11, 8.19)', () => {
  test('two users in turn in one browser: each page is for whoever is logged in', async () => {
    const ada = await client.logIn(browser, 'ada')
    await browser.logIn('bob')
    const bob = await client.logIn(browser, 'bob')
    expect([ada, bob].map(({ access_token }) => subjectOf(access_token))).toEqual(['ada', 'bob'])
  })

  test('a page that was for another user is not answered', async () => {
    const page = await browser.begin(client.authorizeUrl(), 'ada')
    await browser.logIn('carl')
    const answered = await browser.press(page, { decision: 'allow' })
    expect([answered.status, answered.headers.get('refresh')]).toEqual([403, null])
    expect(await app.login.list('carl')).toEqual([])
  })

  test('who has logged out meanwhile logs in again, and is asked again', async () => {
    const page = await browser.begin(client.authorizeUrl(), 'ada')
    const fresh = new LoginBrowser(app.origin)
    const again = await fresh.press(page, { decision: 'allow' })
    expect([again.url.pathname, again.url.searchParams.get('return_to')?.startsWith('/oauth/authorize?')]).toEqual([
      '/login',
      true,
    ])
  })

  test.each([
    ['no seal', {}],
    ['a seal of nothing', { request: 'AAAA' }],
    ['a long one', { request: 'A'.repeat(3_000) }],
  ])('a form with %s is refused', async (_what, fields) => {
    await browser.logIn('ada')
    const answered = await browser.open('/oauth/consent', post({ ...fields, decision: 'allow' }))
    expect([answered.status, answered.headers.get('refresh')]).toEqual([400, null])
  })

  test('the seal of another page of the login opens nothing', async () => {
    await browser.logIn('ada')
    await client.logIn(browser, 'ada')
    const { fields } = formOf(await browser.open('/oauth/agents'))
    const [seal] = Object.values(fields).toSorted((one, other) => other.length - one.length)
    expect((await browser.open('/oauth/consent', post({ request: seal!, decision: 'allow' }))).status).toBe(400)
  })

  test('a form from another site is refused, whether the browser tells the site or the origin', async () => {
    const page = await browser.begin(client.authorizeUrl(), 'ada')
    const { fields } = formOf(page)
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example' },
    ]) {
      browser.headers = headers
      expect((await browser.open('/oauth/consent', post({ ...fields, decision: 'allow' }))).status).toBe(403)
    }
    browser.headers = { 'sec-fetch-site': 'same-origin', origin: 'null' }
    expect((await browser.open('/oauth/consent', post({ ...fields, decision: 'allow' }))).status).toBe(200)
  })

  test('a form that is sent twice makes one grant', async () => {
    const page = await browser.begin(client.authorizeUrl(), 'twice')
    const urls = [await browser.press(page, { decision: 'allow' }), await browser.press(page, { decision: 'allow' })]
    expect(new Set(urls.map((each) => refreshOf(each).searchParams.get('code'))).size).toBe(2)
    expect(await app.login.list('twice')).toHaveLength(1)
  })

  test('a form that is sent again after its grant was ended brings nothing back', async () => {
    const page = await browser.begin(client.authorizeUrl(), 'again')
    await browser.press(page, { decision: 'allow' })
    await app.login.disconnect('again')
    expect((await browser.press(page, { decision: 'allow' })).status).toBe(400)
    expect(await app.login.list('again')).toEqual([])
  })

  test('a server that this user may not use: no question, and the client hears of it by a link', async () => {
    expect((await browser.begin(client.authorizeUrl({ resource: app.url('files') }), 'ada')).status).toBe(200)
    const other = new LoginBrowser(app.origin)
    const page = await other.begin(client.authorizeUrl({ resource: app.url('files') }), 'bob')
    expect(page.status).toBe(403)
    expect(page.text).toContain('error=access_denied')
    expect(page.text).not.toContain('<form')
  })

  test('a client that is not allowed for this user and server: no question', async () => {
    const eve = await browser.begin(new RawClient(app, OTHER.id).authorizeUrl(), 'eve')
    expect([eve.status, eve.text.includes('<form')]).toEqual([403, false])
    expect((await new LoginBrowser(app.origin).begin(new RawClient(app, OTHER.id).authorizeUrl(), 'ada')).status).toBe(
      200,
    )
  })

  test('a right that is withdrawn between page and answer is not granted', async () => {
    filesFor.add('dora')
    const page = await browser.begin(client.authorizeUrl({ resource: app.url('files') }), 'dora')
    expect(page.status).toBe(200)
    filesFor.delete('dora')
    expect((await browser.press(page, { decision: 'allow' })).status).toBe(403)
    expect(await app.login.list('dora')).toEqual([])
  })
})

describe('paths (login.md 2.2)', () => {
  test.each([
    ['GET', '/oauth/session/end'],
    ['POST', '/session/end/confirm'],
    ['GET', '/oauth/authorize/some-id'],
    ['GET', '/OAUTH/authorize'],
    ['GET', '/oauth/authorize/'],
    ['POST', '/request'],
    ['GET', '/me'],
    ['POST', '/token/introspection'],
    ['GET', '/oauth/'],
  ])('%s %s is not the login’s, and goes on to the app', async (method, path) => {
    const response = await fetch(app.origin + path, { method })
    expect([response.status, await response.text()]).toEqual([404, expect.stringContaining(`Cannot ${method}`)])
  })

  test('another method gets 405 with those that there are', async () => {
    const response = await fetch(`${app.origin}/oauth/token`)
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
  })
})

function post(fields: Readonly<Record<string, string>>): RequestInit {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return { method: 'POST', body: new URLSearchParams(fields).toString(), headers }
}

function subjectOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()).sub
}
