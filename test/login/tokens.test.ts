// Codes, refresh tokens and access tokens of agentLogin(): used by others, twice, at once, too late, at another server. (login.md 8)
import { decodeJwt } from 'jose'
import { type LoginApp, LoginBrowser, startLoginApp } from '../support/login-app.ts'
import { callStatus, type Grant, KNOWN, OTHER, RawClient, REDIRECT } from '../support/raw-oauth.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const { jest } = import.meta

let upstream: Upstream
let app: LoginApp
let client: RawClient
let browser: LoginBrowser
const gone = new Set<string>()
const withoutNotes = new Set<string>()
beforeAll(async () => {
  upstream = await startUpstream()
  app = await startLoginApp({
    servers: (name, { principal }) =>
      name === 'files' || !withoutNotes.has(principal!.id) ? { url: upstream.url } : undefined,
    login: {
      clients: [KNOWN, OTHER],
      scopes: { mcp: 'Use it as you', 'mail:send': 'Send mail as you' },
      principal: ({ id }) => (gone.has(id) ? undefined : { team: `team of ${id}` }),
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
  jest.restoreAllMocks()
  expect(app.reported.splice(0)).toEqual([])
})

function later(seconds: number): void {
  const now = Date.now()
  jest.spyOn(Date, 'now').mockReturnValue(now + seconds * 1_000)
}

const codeOf = (url: URL): string => url.searchParams.get('code')!
const refused = (error: string) => ({ status: 400, body: { error } })

describe('a code', () => {
  test.each([
    ['of another client', (other: RawClient) => ({ client_id: other.id }), 'invalid_grant'],
    ['with another verifier', (other: RawClient) => ({ code_verifier: other.verifier }), 'invalid_grant'],
    ['without a verifier', () => ({ code_verifier: undefined }), 'invalid_grant'],
    [
      'with the challenge as verifier',
      (_: RawClient, own: RawClient) => ({ code_verifier: own.challenge }),
      'invalid_grant',
    ],
    ['for another redirect', () => ({ redirect_uri: 'cursor://back' }), 'invalid_grant'],
    ['for another resource', () => ({ resource: app.url('files') }), 'invalid_target'],
    ['for no server', () => ({ resource: 'https://elsewhere.example/mcp' }), 'invalid_target'],
  ])('%s is refused (login.md 8.1, 8.3, 8.16)', async (_what, change, error) => {
    const url = await client.authorize(browser, 'ada')
    const other = new RawClient(app, OTHER.id)
    expect(await client.exchange(codeOf(url), change(other, client))).toMatchObject(refused(error))
  })

  test('used twice: the second is refused, and what the first got ends with it (login.md 8.2)', async () => {
    const code = codeOf(await client.authorize(browser, 'ada'))
    const { body } = await client.exchange(code)
    const first = body as unknown as Grant
    expect(await callStatus(app, first.access_token)).toBe(200)
    expect(await client.exchange(code)).toMatchObject(refused('invalid_grant'))
    expect(await callStatus(app, first.access_token)).toBe(401)
    expect(await client.refresh(first.refresh_token)).toMatchObject(refused('invalid_grant'))
  })

  test('used five times at once gives tokens once at most, and these end too', async () => {
    const code = codeOf(await client.authorize(browser, 'ada'))
    const answers = await Promise.all(Array.from({ length: 5 }, () => client.exchange(code)))
    const given = answers.filter(({ status }) => status === 200)
    expect(given.length).toBeLessThanOrEqual(1)
    for (const { body } of given) {
      expect(await client.refresh(String(body['refresh_token']))).toMatchObject(refused('invalid_grant'))
    }
  })

  test('is good for a minute', async () => {
    const code = codeOf(await client.authorize(browser, 'ada'))
    later(90)
    expect(await client.exchange(code)).toMatchObject(refused('invalid_grant'))
  })

  test('in flight is dead when its agent is disconnected (login.md 8.18)', async () => {
    const code = codeOf(await client.authorize(browser, 'flight'))
    await app.login.disconnect('flight')
    expect(await client.exchange(code)).toMatchObject(refused('invalid_grant'))
  })
})

describe('an access token', () => {
  test('is for one server: another one says 401 (login.md 8.16)', async () => {
    const { access_token: token } = await client.logIn(browser, 'ada')
    expect([await callStatus(app, token, 'notes'), await callStatus(app, token, 'files')]).toEqual([200, 401])
    expect(decodeJwt(token)).toMatchObject({ aud: app.url('notes'), client_id: KNOWN.id, sub: 'ada', iss: app.origin })
  })

  test('lives for five minutes, and says no more than it must', async () => {
    const { access_token: token, expires_in: seconds } = await client.logIn(browser, 'ada')
    expect(seconds).toBe(300)
    expect(Object.keys(decodeJwt(token)).toSorted()).toEqual(
      ['aud', 'client_id', 'exp', 'grant', 'iat', 'iss', 'jti', 'scope', 'sub'].toSorted(),
    )
    later(331)
    expect(await callStatus(app, token)).toBe(401)
  })

  test('of another issuer with the same claims is refused, and so is one without a grant', async () => {
    const other = await startLoginApp({ servers: {}, login: { clients: [KNOWN] } })
    try {
      const { SignJWT, importJWK } = await import('jose')
      const { SIGNING_KEY, newSigningKey } = await import('../support/login-app.ts')
      const { access_token: token } = await client.logIn(browser, 'ada')
      const claims = decodeJwt(token)
      const signed = async (key: object, payload: object): Promise<string> =>
        new SignJWT({ ...payload })
          .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
          .sign(await importJWK(key, 'ES256'))
      expect(await callStatus(app, await signed(SIGNING_KEY, claims))).toBe(200)
      expect(await callStatus(app, await signed(newSigningKey(), claims))).toBe(401)
      for (const change of [{ grant: undefined }, { grant: 'A'.repeat(22) }, { sub: 'bob' }, { iss: other.origin }]) {
        expect(await callStatus(app, await signed(SIGNING_KEY, { ...claims, ...change }))).toBe(401)
      }
      const elsewhere = await signed(SIGNING_KEY, { ...claims, aud: app.url('files') })
      expect(await callStatus(app, elsewhere, 'files')).toBe(401)
    } finally {
      await other.close()
    }
  })

  test('becomes a principal whose id is the user, with its client, its grant, and what the app adds', async () => {
    const { access_token: token } = await client.logIn(browser, 'ada')
    const seen = await app.login.authenticate(
      { headers: { authorization: `Bearer ${token}` }, rawHeaders: [], url: '/' } as never,
      { server: 'notes', resource: app.url('notes') },
    )
    const [agent] = await app.login.list('ada')
    expect(seen).toMatchObject({
      id: 'ada',
      user: 'ada',
      client: { id: KNOWN.id, name: KNOWN.name, redirectHost: 'agent.example' },
      grant: agent!.grant,
      scopes: ['mcp'],
      team: 'team of ada',
    })
  })

  test('of a scope that is missing gets 403 with what is needed, and a new login gets it', async () => {
    const scoped = await startLoginApp({
      servers: { notes: { url: upstream.url, scopes: { methods: { initialize: ['mail:send'] } } } },
      login: { clients: [KNOWN], scopes: { mcp: 'Use it as you', 'mail:send': 'Send mail as you' } },
    })
    try {
      const other = new RawClient(scoped)
      const window = new LoginBrowser(scoped.origin)
      const plain = await other.logIn(window, 'ada')
      expect(await callStatus(scoped, plain.access_token)).toBe(403)
      const more = await other.logIn(window, 'ada', { scope: 'mail:send' })
      expect(more.scope).toBe('mcp mail:send')
      expect(await callStatus(scoped, more.access_token)).toBe(200)
      expect((await other.refresh(more.refresh_token, { scope: 'mcp' })).body).toMatchObject({ scope: 'mcp' })
    } finally {
      await scoped.close()
    }
  })
})

describe('a refresh token (login.md 8.17)', () => {
  test('is replaced whenever it is used, and its successor goes on', async () => {
    let { refresh_token: token } = await client.logIn(browser, 'ada')
    const seen = new Set([token])
    for (let time = 0; time < 3; time += 1) {
      const { status, body } = await client.refresh(token)
      expect(status).toBe(200)
      token = String(body['refresh_token'])
      expect(await callStatus(app, String(body['access_token']))).toBe(200)
      seen.add(token)
    }
    expect(seen.size).toBe(4)
  })

  test('five times at once: five times the same successor, which goes on', async () => {
    const { refresh_token: token } = await client.logIn(browser, 'ada')
    const answers = await Promise.all(Array.from({ length: 5 }, () => client.refresh(token)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    const successors = new Set(answers.map(({ body }) => body['refresh_token']))
    expect(successors.size).toBe(1)
    expect(await client.refresh(String([...successors][0]))).toMatchObject({ status: 200 })
  })

  test('used again within the window leads to the newest one; the chain does not fork', async () => {
    const { refresh_token: first } = await client.logIn(browser, 'ada')
    const second = String((await client.refresh(first)).body['refresh_token'])
    const third = String((await client.refresh(second)).body['refresh_token'])
    later(30)
    expect((await client.refresh(first)).body['refresh_token']).toBe(third)
    expect((await client.refresh(second)).body['refresh_token']).toBe(third)
  })

  test('used again after the window ends its own grant, and no other', async () => {
    const [one, other] = [await client.logIn(browser, 'reuse'), await client.logIn(browser, 'reuse')]
    const next = (await client.refresh(one.refresh_token)).body as unknown as Grant
    later(61)
    expect(await client.refresh(one.refresh_token)).toMatchObject(refused('invalid_grant'))
    expect(await client.refresh(next.refresh_token)).toMatchObject(refused('invalid_grant'))
    expect([await callStatus(app, next.access_token), await callStatus(app, other.access_token)]).toEqual([401, 200])
    expect(await client.refresh(other.refresh_token)).toMatchObject({ status: 200 })
  })

  test('keeps its resource; another one, or more scope, is refused', async () => {
    const { refresh_token: token } = await client.logIn(browser, 'ada')
    const same = (await client.refresh(token, { resource: app.url('notes') })).body as unknown as Grant
    expect(decodeJwt(same.access_token)).toMatchObject({ aud: app.url('notes') })
    const next = same.refresh_token
    expect(await client.refresh(next, { resource: app.url('files') })).toMatchObject(refused('invalid_target'))
    expect(await client.refresh(next, { scope: 'mcp mail:send' })).toMatchObject(refused('invalid_scope'))
  })

  test('of another client is refused, and goes on for its own', async () => {
    const { refresh_token: token } = await client.logIn(browser, 'ada')
    expect(await new RawClient(app, OTHER.id).refresh(token)).toMatchObject(refused('invalid_grant'))
    expect(await client.refresh(token)).toMatchObject({ status: 200 })
  })

  test('changed by a letter, or made up, is refused', async () => {
    const { refresh_token: token } = await client.logIn(browser, 'ada')
    const at = (index: number): string =>
      token.slice(0, index) + (token[index] === 'A' ? 'B' : 'A') + token.slice(index + 1)
    for (const wrong of [at(0), at(23), at(26), at(40), token.slice(0, -1), `${token}A`, 'A'.repeat(token.length)]) {
      expect(await client.refresh(wrong)).toMatchObject(refused('invalid_grant'))
    }
    expect(await client.refresh(token)).toMatchObject({ status: 200 })
  })

  test('ends after 30 days without use, and in all after 180', async () => {
    const idle = await client.logIn(browser, 'idle')
    const day = 24 * 60 * 60
    later(31 * day)
    expect(await client.refresh(idle.refresh_token)).toMatchObject(refused('invalid_grant'))
    jest.restoreAllMocks()
    let { refresh_token: token } = await client.logIn(browser, 'idle')
    for (let time = 1; time <= 8; time += 1) {
      later(20 * day)
      token = String((await client.refresh(token)).body['refresh_token'])
    }
    later(21 * day)
    expect(await client.refresh(token)).toMatchObject(refused('invalid_grant'))
  })

  test('that is revoked ends its grant, its access tokens too; an access token cannot be revoked alone', async () => {
    const { refresh_token: token, access_token: access } = await client.logIn(browser, 'ada')
    expect(await client.revoke(access)).toMatchObject({ status: 400, body: { error: 'unsupported_token_type' } })
    expect(await new RawClient(app, OTHER.id).revoke(token)).toMatchObject({ status: expect.any(Number) })
    expect(await callStatus(app, access)).toBe(200)
    expect((await client.revoke(token)).status).toBe(200)
    expect(await callStatus(app, access)).toBe(401)
    expect(await client.refresh(token)).toMatchObject(refused('invalid_grant'))
    expect((await client.revoke(token)).status).toBe(200)
  })
})

describe('a user who is gone, or may no more (login.md 8.19)', () => {
  test('gets no page, no token and no refresh', async () => {
    const before = await client.logIn(browser, 'leaver')
    const code = codeOf(await client.authorize(browser, 'leaver'))
    gone.add('leaver')
    expect((await browser.begin(client.authorizeUrl(), 'leaver')).status).toBe(403)
    expect(await client.exchange(code)).toMatchObject(refused('invalid_grant'))
    expect(await client.refresh(before.refresh_token)).toMatchObject(refused('invalid_grant'))
    gone.delete('leaver')
    expect(await client.refresh(before.refresh_token)).toMatchObject({ status: 200 })
  })

  test('for whom "servers" has no such server any more gets none either', async () => {
    const before = await client.logIn(browser, 'mover')
    const code = codeOf(await client.authorize(browser, 'mover'))
    withoutNotes.add('mover')
    expect((await browser.begin(client.authorizeUrl(), 'mover')).status).toBe(403)
    expect(await client.exchange(code)).toMatchObject(refused('invalid_grant'))
    expect(await client.refresh(before.refresh_token)).toMatchObject(refused('invalid_grant'))
    expect(await callStatus(app, before.access_token)).toBe(404)
  })
})

describe('the token endpoint', () => {
  test('takes a form alone, once for each field, of a size', async () => {
    const ask = (body: string, type = 'application/x-www-form-urlencoded') =>
      fetch(`${app.origin}/oauth/token`, { method: 'POST', body, headers: { 'content-type': type } })
    for (const response of [
      await ask('{"grant_type":"refresh_token"}', 'application/json'),
      await ask('grant_type=refresh_token&grant_type=authorization_code&client_id=known-agent'),
      await ask(`grant_type=refresh_token&client_id=known-agent&refresh_token=${'a'.repeat(70_000)}`),
      await ask('grant_type=client_credentials&client_id=known-agent'),
      await ask('grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=known-agent'),
      await ask('grant_type=password&username=a&password=b&client_id=known-agent'),
    ]) {
      expect(response.status).toBe(400)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await response.json()).toMatchObject({
        error: expect.stringMatching(/invalid_request|unsupported_grant_type|invalid_grant|unauthorized_client/),
      })
    }
  })

  test('may be used by pages of any origin, since it depends on no cookie', async () => {
    const headers = { origin: 'https://inspector.example', 'access-control-request-method': 'POST' }
    const preflight = await fetch(`${app.origin}/oauth/token`, { method: 'OPTIONS', headers })
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, '*'])
    const response = await fetch(`${app.origin}/oauth/token`, { method: 'POST', headers, body: new URLSearchParams() })
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([400, '*'])
    expect(response.headers.get('access-control-allow-credentials')).toBeNull()
  })

  test('says 401 to a client that nobody knows', async () => {
    expect(await new RawClient(app, 'nobody').refresh('x')).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })

  test(`does not echo what it is sent to ${REDIRECT}`, async () => {
    const { body } = await client.exchange('<script>', { redirect_uri: REDIRECT })
    expect(JSON.stringify(body)).not.toContain('<script')
  })
})
