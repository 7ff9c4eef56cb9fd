// What somebody may try with tokens at a gateway that takes JWTs: each row is one attempt, and gets nowhere.
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { request } from 'node:http'
import { exportJWK, SignJWT } from 'jose'
import { jwtBearer } from '../../lib/auth/index.ts'
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import { challengeOf, type ProtectedGateway, startProtectedGateway } from '../support/protected-gateway.ts'
import { type Answer, initialize, initializeMessage, post, send } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let issuer: RunningAuthorizationServer
let stranger: RunningAuthorizationServer
let gateway: ProtectedGateway
beforeAll(async () => {
  upstream = await startUpstream()
  issuer = await startAuthorizationServer()
  stranger = await startAuthorizationServer()
  gateway = await startProtectedGateway({
    servers: { files: { url: upstream.url }, mail: { url: upstream.url } },
    authenticate: jwtBearer({ issuer: issuer.issuer, clockToleranceS: 5 }),
  })
})
afterAll(async () => {
  await gateway.close()
  await Promise.all([upstream.close(), issuer.close(), stranger.close()])
})

const nowS = (): number => Math.floor(Date.now() / 1000)
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
const aud = (): string => gateway.url('files')
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = (more: object = {}): object => ({
  iss: issuer.issuer,
  sub: 'ada',
  aud: aud(),
  iat: nowS(),
  exp: nowS() + 60,
  ...more,
})

/** What anybody can read of the key that signs. */
function publicPem(): string {
  return createPublicKey({ key: publicJwk(), format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString()
}

function publicJwk(): Record<string, unknown> & { kid: string } {
  const { d: _private, ...key } = issuer.signingKey()
  return key as Record<string, unknown> & { kid: string }
}

function hs256(header: object, secret: string): string {
  const signed = `${part({ alg: 'HS256', typ: 'at+jwt', ...header })}.${part(claims())}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

/** Signed with the issuer's key, whatever the header says. */
function handSigned(header: object): string {
  const key = createPrivateKey({ key: issuer.signingKey() as Record<string, unknown>, format: 'jwk' })
  const signed = `${part({ alg: 'ES256', typ: 'at+jwt', kid: publicJwk().kid, ...header })}.${part(claims())}`
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

/** Signed by a key of one's own, with that key in the header. */
async function selfSigned(header: object): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = await exportJWK(publicKey)
  return new SignJWT({ ...claims() })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', jwk, ...header })
    .sign(privateKey)
}

test('a token as it should be gets in: the attempts below fail for what they are', async () => {
  expect((await post(gateway.url('files'), initializeMessage(), bearer(handSigned({})))).status).toBe(200)
  const session = await initialize(gateway.url('files'), { headers: bearer(await issuer.sign({ aud: aud() })) })
  expect((await session.request('ping')).status).toBe(200)
})

const ATTEMPTS: ReadonlyArray<readonly [what: string, token: () => string | Promise<string>, reason: RegExp]> = [
  ['alg: none', () => `${part({ alg: 'none', typ: 'at+jwt' })}.${part(claims())}.`, /malformed|algorithm/],
  [
    'alg: none, signed as before',
    () => issuer.sign({ aud: aud() }).then((token) => token.replace(/^[^.]+/, part({ alg: 'none' }))),
    /algorithm/,
  ],
  ['HS256 with the public key as the secret', () => hs256({ kid: publicJwk().kid }, publicPem()), /algorithm/],
  [
    'HS256 with the public key as JSON',
    () => hs256({ kid: publicJwk().kid }, JSON.stringify(publicJwk())),
    /algorithm/,
  ],
  ['an audience that is another', () => issuer.sign({ aud: 'https://other.example/mcp' }), /another resource/],
  ['no audience', () => issuer.sign({}), /another resource/],
  ['an audience that begins like this one', () => issuer.sign({ aud: `${aud()}/more` }), /another resource/],
  ['the audience of the whole origin', () => issuer.sign({ aud: gateway.origin }), /another resource/],
  [
    'a token for another server of the same gateway',
    () => issuer.sign({ aud: gateway.url('mail') }),
    /another resource/,
  ],
  ['another issuer', () => stranger.sign({ aud: aud() }), /key that its issuer/],
  [
    'another issuer that claims to be this one',
    () => stranger.sign({ aud: aud(), iss: issuer.issuer }),
    /key that its issuer/,
  ],
  [
    'another issuer with a key id of this one',
    () => stranger.sign({ aud: aud(), iss: issuer.issuer }, { kid: publicJwk().kid }),
    /signature/,
  ],
  ['the right key for another issuer', () => issuer.sign({ aud: aud(), iss: stranger.issuer }), /another issuer/],
  ['an issuer with a slash more', () => issuer.sign({ aud: aud(), iss: `${issuer.issuer}/` }), /another issuer/],
  ['a token that has expired', () => issuer.sign({ aud: aud(), exp: nowS() - 6 }), /expired/],
  ['a token that never expires', () => issuer.sign({ aud: aud(), exp: undefined }), /expiry/],
  ['a token that is not valid yet', () => issuer.sign({ aud: aud(), nbf: nowS() + 60 }), /not valid yet/],
  ['a token of nobody', () => issuer.sign({ aud: aud(), sub: undefined }), /subject/],
  ['a logout token', () => issuer.sign({ aud: aud() }, { typ: 'logout+jwt' }), /no access token/],
  ['a proof of possession', () => issuer.sign({ aud: aud() }, { typ: 'dpop+jwt' }), /no access token/],
  [
    'a token that is bound to a key, without the proof',
    () => issuer.sign({ aud: aud(), cnf: { jkt: 'x' } }),
    /bound to a key/,
  ],
  ['a key of one’s own in the header', () => selfSigned({}), /signature|key that its issuer/],
  [
    'a key of one’s own at a URL',
    () => selfSigned({ jku: `${stranger.issuer}/jwks`, kid: 'x' }),
    /key that its issuer/,
  ],
  ['a header that nobody here understands', () => handSigned({ crit: ['x'], x: 1 }), /malformed/],
  [
    'claims that were changed',
    async () => {
      const [header, , signature] = (await issuer.sign({ aud: aud() })).split('.')
      return `${header}.${part(claims({ sub: 'root' }))}.${signature}`
    },
    /signature/,
  ],
  [
    'a token without its signature',
    async () => (await issuer.sign({ aud: aud() })).replace(/[^.]+$/, ''),
    /signature|malformed/,
  ],
  ['an encrypted token', () => 'a.b.c.d.e', /malformed/],
  ['no JWT at all', () => 'abc', /malformed/],
  ['a token of 15 kB', () => 'a'.repeat(15_000), /malformed/],
]

test.each(ATTEMPTS)('%s is 401 invalid_token, and nothing is sent upstream (AU6, AU8)', async (_, token, reason) => {
  const sent = upstream.requests().length
  const answer = await post(gateway.url('files'), initializeMessage(), bearer(await token()))
  expect(answer).toMatchObject({ status: 401, headers: { 'cache-control': 'no-store' } })
  expect(challengeOf(answer.headers['www-authenticate'])).toEqual({
    error: 'invalid_token',
    error_description: expect.stringMatching(reason),
    resource_metadata: `${gateway.publicUrl}/.well-known/oauth-protected-resource/files/mcp`,
  })
  expect(answer.message).toMatchObject({ error: { code: 401, message: expect.stringMatching(reason) } })
  expect(upstream.requests().length).toBe(sent)
  expect(gateway.reported.entries).toEqual([])
})

test('a token for one server is of no use at another, also once it is known here (AU8)', async () => {
  const headers = bearer(await issuer.sign({ aud: gateway.url('mail') }))
  for (const [name, status] of [
    ['mail', 200],
    ['files', 401],
    ['mail', 200],
    ['files', 401],
  ] as const) {
    expect((await post(gateway.url(name), initializeMessage(), headers)).status).toBe(status)
  }
})

test('a token in the query is 400 on every method, with or without one in the header (AU9)', async () => {
  const token = await issuer.sign({ aud: aud() })
  const url = `${gateway.url('files')}?access_token=${token}`
  const answers: Answer[] = [
    await post(url, initializeMessage()),
    await post(url, initializeMessage(), bearer(token)),
    await send('GET', url, { accept: 'text/event-stream' }),
    await send('DELETE', url),
  ]
  for (const answer of answers) {
    expect(answer.status).toBe(400)
    expect(challengeOf(answer.headers['www-authenticate'])).toMatchObject({ error: 'invalid_request' })
    expect(answer.headers['cache-control']).toBe('no-store')
  }
})

test('two Authorization headers are 400, in whatever order (AU6)', async () => {
  const good = `Bearer ${await issuer.sign({ aud: aud() })}`
  for (const authorization of [
    [good, good],
    [good, 'Basic abc'],
    ['Basic abc', good],
  ]) {
    const answer = await post(gateway.url('files'), initializeMessage(), { authorization })
    expect(answer.status).toBe(400)
    expect(challengeOf(answer.headers['www-authenticate'])).toMatchObject({ error: 'invalid_request' })
  }
})

test('a header of 1 MB is refused before it is read, and the gateway goes on', async () => {
  const huge = 'a'.repeat(1024 * 1024)
  const status = await new Promise<number | undefined>((resolve) => {
    const asking = request(gateway.url('files'), { method: 'POST', headers: bearer(huge) })
    asking.on('response', (response) => resolve(response.resume().statusCode))
    // Who still writes when the answer is there may find the connection closed.
    asking.on('error', () => resolve(431))
    asking.end()
  })
  expect(status).toBe(431)
  const answer = await post(gateway.url('files'), initializeMessage(), bearer(await issuer.sign({ aud: aud() })))
  expect(answer.status).toBe(200)
})

test('a session of one principal is 404 to another with a good token of their own (SC5, AU9)', async () => {
  const ada = await initialize(gateway.url('files'), { headers: bearer(await issuer.sign({ aud: aud() })) })
  const eve = bearer(await issuer.sign({ aud: aud(), sub: 'eve' }))
  expect((await ada.post({ jsonrpc: '2.0', id: 1, method: 'ping' }, eve)).status).toBe(404)
  expect((await ada.end(eve)).status).toBe(404)
  expect((await ada.request('ping')).status).toBe(200)
})

test('a subject that another issuer would call the same is another principal', async () => {
  const both = await startProtectedGateway((publicUrl) => {
    const first = jwtBearer({ issuer: issuer.issuer, audience: publicUrl })
    const second = jwtBearer({ issuer: stranger.issuer, audience: publicUrl })
    return {
      servers: { files: { url: upstream.url } },
      authenticate: (req, context) => (req.headers['x-realm'] === 'second' ? second : first)(req, context),
    }
  })
  const session = await initialize(both.url('files'), {
    headers: bearer(await issuer.sign({ aud: both.publicUrl, sub: 'ada' })),
  })
  const other = { ...bearer(await stranger.sign({ aud: both.publicUrl, sub: 'ada' })), 'x-realm': 'second' }
  expect((await session.post({ jsonrpc: '2.0', id: 1, method: 'ping' }, other)).status).toBe(404)
  await both.close()
})

test('no session goes on with a token that has expired meanwhile, or without any (AU9, SS5)', async () => {
  const short = await issuer.sign({ aud: aud(), exp: nowS() - 4 })
  const session = await initialize(gateway.url('files'), { headers: bearer(short) })
  expect(
    (await post(gateway.url('files'), { jsonrpc: '2.0', id: 1, result: {} }, { 'mcp-session-id': session.id })).status,
  ).toBe(401)
  const later = advanceClock(10_000)
  try {
    const answer = await session.request('ping')
    expect(answer.status).toBe(401)
    expect(challengeOf(answer.headers['www-authenticate'])).toMatchObject({
      error_description: 'The access token has expired',
    })
  } finally {
    later()
  }
  const fresh = bearer(await issuer.sign({ aud: aud() }))
  expect((await session.post({ jsonrpc: '2.0', id: 2, method: 'ping' }, fresh)).status).toBe(200)
})

/** Puts the clock that the cache of tokens looks at forward. */
function advanceClock(ms: number): () => void {
  const { now } = Date
  Date.now = () => now() + ms
  return () => void (Date.now = now)
}

test('neither the client’s token nor a challenge’s details reach the upstream (AU14)', () => {
  for (const { headers } of upstream.requests()) expect(headers.authorization).toBeUndefined()
  expect(upstream.requests().length).toBeGreaterThan(0)
})
