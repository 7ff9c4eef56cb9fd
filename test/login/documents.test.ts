// Clients with metadata documents at agentLogin(), from the document to a tool: what of it counts, and what a change of it does.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { listen, type Listening } from '../support/listen.ts'
import { type LoginApp, LoginBrowser, startLoginApp } from '../support/login-app.ts'
import { callStatus, type Grant, RawClient, REDIRECT } from '../support/raw-oauth.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let host: Listening
let app: LoginApp
/** The documents, by path. */
const documents = new Map<string, object>()
let asked = 0

beforeAll(async () => {
  upstream = await startUpstream()
  host = await listen((request, response) => {
    asked += 1
    const found = documents.get(request.url ?? '')
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(found ?? {}))
  })
  app = await start()
})
afterAll(async () => {
  await app.close()
  await Promise.all([host.close(), upstream.close()])
})
afterEach(() => {
  expect(app.reported.splice(0)).toEqual([])
})

const start = () => startLoginApp({ servers: { notes: { url: upstream.url } } })

/** Puts a document at a path, and gives a client of that id. */
function clientOf(path: string, more: object = {}, at: LoginApp = app): RawClient {
  const id = host.origin + path
  documents.set(path, { client_id: id, client_name: 'The documented', redirect_uris: [REDIRECT], ...more })
  return new RawClient(at, id)
}

test('a client that nobody has registered logs in, and its host is what is known of it', async () => {
  const client = clientOf('/plain.json')
  const browser = new LoginBrowser(app.origin)
  const page = await browser.begin(client.authorizeUrl(), 'ada')
  expect(page.text).toContain(new URL(host.origin).host)
  const grant = await client.logIn(browser, 'ada')
  expect(await callStatus(app, grant.access_token)).toBe(200)
  expect(await app.login.list('ada')).toMatchObject([
    { client: { id: client.id, verifiedHost: new URL(host.origin).host } },
  ])
  expect((await client.refresh(grant.refresh_token)).status).toBe(200)
})

test('one document is fetched once for a login, its tokens and their refresh', async () => {
  const client = clientOf('/once.json')
  const before = asked
  const grant = await client.logIn(new LoginBrowser(app.origin), 'ada')
  await client.refresh(grant.refresh_token)
  expect(asked - before).toBe(1)
})

test.each<[string, object]>([
  [
    'that says "web" with a loopback redirect',
    { application_type: 'web', redirect_uris: [REDIRECT, 'http://127.0.0.1/back'] },
  ],
  ['that signs ID tokens with RS256', { id_token_signed_response_alg: 'RS256' }],
  [
    'with scopes and grants that there are not',
    { scope: 'openid all', grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'] },
  ],
])('a document %s is taken for what it is good for', async (_what, more) => {
  const client = clientOf(`/${_what.replaceAll(/\W/g, '')}.json`, more)
  expect(await client.logIn(new LoginBrowser(app.origin), 'ada')).toMatchObject({ scope: 'mcp' })
})

test('a redirect that is no longer in the document is refused, after consent too (login.md 8.14)', async () => {
  const { jest } = import.meta
  const client = clientOf('/moving.json')
  const browser = new LoginBrowser(app.origin)
  const page = await browser.begin(client.authorizeUrl(), 'ada')
  clientOf('/moving.json', { redirect_uris: ['https://agent.example/moved'] })
  const now = Date.now()
  jest.spyOn(Date, 'now').mockReturnValue(now + 9 * 60_000)
  // Within its time a document is not fetched again; a node that has not seen it does.
  expect((await browser.press(page, { decision: 'allow' })).status).toBe(200)
  jest.restoreAllMocks()
  const fresh = await start()
  try {
    const refused = await new LoginBrowser(fresh.origin).open(new RawClient(fresh, client.id).authorizeUrl())
    expect([refused.status, refused.headers.get('refresh')]).toEqual([400, null])
  } finally {
    await fresh.close()
  }
})

test('without a document there is a page that says so, and no way anywhere', async () => {
  const page = await new LoginBrowser(app.origin).open(new RawClient(app, `${host.origin}/none.json`).authorizeUrl())
  expect([page.status, page.headers.get('location'), page.headers.get('refresh')]).toEqual([400, null, null])
  expect(page.text).toMatch(/description of this client/)
  expect(page.text).not.toContain(REDIRECT)
})

describe('a client that proves who it is (private_key_jwt)', () => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwks = { keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'ES256' }] }

  const assertion = async (
    id: string,
    audience: string,
    key: KeyObject = keys.privateKey,
  ): Promise<Record<string, string>> => ({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT({ iss: id, sub: id, aud: audience, jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(key),
  })

  test.each(['in its document', 'at its own URL'])('gets tokens with its keys %s, and none without', async (where) => {
    documents.set('/jwks', jwks)
    const own = where === 'in its document' ? { jwks } : { jwks_uri: `${host.origin}/jwks` }
    const client = clientOf(`/${where.replaceAll(' ', '-')}.json`, {
      token_endpoint_auth_method: 'private_key_jwt',
      ...own,
    })
    const browser = new LoginBrowser(app.origin)
    const code = async (): Promise<string> => (await client.authorize(browser, 'ada')).searchParams.get('code')!
    expect(await client.exchange(await code())).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const wrong = await assertion(client.id, app.origin, stranger)
    expect((await client.exchange(await code(), wrong)).status).toBe(401)
    const { status, body } = await client.exchange(await code(), await assertion(client.id, app.origin))
    expect(status).toBe(200)
    const { refresh_token: token } = body as unknown as Grant
    expect((await client.refresh(token)).status).toBe(401)
    expect((await client.refresh(token, await assertion(client.id, app.origin))).status).toBe(200)
  })
})

test('requests of any number of unknown clients leave nothing in the store (login.md 8.15)', async () => {
  const kept: string[] = []
  const { MemoryLoginStore } = await import('../support/login.ts')
  class WatchedStore extends MemoryLoginStore {
    override set(...given: Parameters<InstanceType<typeof MemoryLoginStore>['set']>): boolean {
      kept.push(given[0])
      return super.set(...given)
    }
  }
  const flooded = await startLoginApp({
    servers: { notes: { url: upstream.url } },
    login: { store: new WatchedStore() },
  })
  try {
    for (let round = 0; round < 2; round += 1) {
      const asking = Array.from({ length: 50 }, async (_, index) =>
        fetch(flooded.origin + new RawClient(flooded, `unknown-${round}-${index}`).authorizeUrl(), {
          redirect: 'manual',
        }),
      )
      for (const response of await Promise.all(asking)) {
        if (response.status !== 400) throw new Error(String(response.status))
        await response.body?.cancel()
      }
    }
    expect(kept).toEqual([])
  } finally {
    await flooded.close()
  }
})
