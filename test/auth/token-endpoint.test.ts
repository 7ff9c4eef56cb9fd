// What a token endpoint can do to who asks it, and how the gateway says who it is.
import { randomUUID, webcrypto } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { exportJWK } from 'jose'
import { TokenEndpoint } from '../../lib/auth/token-endpoint.ts'
import type { TokenOptions } from '../../lib/auth/token-options.ts'
import type { GatewayErrorCode } from '../../lib/index.ts'
import { startAuthorizationServer, type RunningAuthorizationServer } from '../support/authorization-server.ts'
import { listen, type Listening } from '../support/listen.ts'

const UPSTREAM = 'https://weather.example.com/mcp'
const SECRET = 's3cret-of-the-gateway'
const TOKEN = 'token-that-nobody-should-see'

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

interface Scripted extends Listening {
  /** Authorization and body of each token request. */
  readonly asked: Array<{ authorization: string | undefined; body: URLSearchParams }>
}

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** An authorization server whose token endpoint does as told, in turn; the last answer holds for the rest. */
async function serve(answers: Answer[], metadata: object = {}): Promise<Scripted> {
  const asked: Scripted['asked'] = []
  const server: Listening = await listen(async (request, response) => {
    if (request.url !== '/token') {
      const document = { issuer: server.origin, token_endpoint: `${server.origin}/token`, ...metadata }
      return void response.setHeader('content-type', 'application/json').end(JSON.stringify(document))
    }
    asked.push({ authorization: request.headers.authorization, body: new URLSearchParams(await text(request)) })
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!
    answer(response, request)
  })
  cleanups.push(server.close)
  return { ...server, asked }
}

const json =
  (body: object, status = 200, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
const good = json({ access_token: 'abc', token_type: 'Bearer', expires_in: 60 })

function ask(issuer: string, options: Partial<TokenOptions> = {}): Promise<unknown> {
  const client = { issuer, clientId: 'gate:way', clientSecret: SECRET, ...options }
  return new TokenEndpoint(client).request('client_credentials', UPSTREAM, {})
}

/** Everything a logger could print of an error. */
function printed(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? ''
  const own = Object.getOwnPropertyNames(error).map((name) => String(Reflect.get(error, name)))
  return [...own, printed(error.cause)].join('\n')
}

test('a token comes with its life; one that does not say lives for five minutes', async () => {
  const server = await serve([good, json({ access_token: 'def', token_type: 'bearer' })])
  expect(await ask(server.origin)).toEqual({ accessToken: 'abc', lifetimeMs: 60_000 })
  expect(await ask(server.origin)).toEqual({ accessToken: 'def', lifetimeMs: 300_000 })
})

test('the request names the upstream as its resource, and the scopes asked for (AU15)', async () => {
  const server = await serve([good])
  await ask(server.origin)
  await ask(server.origin, {
    scopes: ['mcp:read', 'mcp:write'],
    resource: 'urn:weather',
    parameters: { audience: 'w' },
  })
  expect(server.asked.map(({ body }) => Object.fromEntries(body))).toEqual([
    { grant_type: 'client_credentials', resource: UPSTREAM },
    { grant_type: 'client_credentials', resource: 'urn:weather', scope: 'mcp:read mcp:write', audience: 'w' },
  ])
})

describe('who is asking', () => {
  const basic = `Basic ${Buffer.from(`gate%3Away:s3cret%2Dof%2Dthe%2Dgateway`).toString('base64')}`

  test.each([
    ['Basic when nothing is said', {}, {}, basic],
    ['Basic when there is a choice', {}, ['client_secret_post', 'client_secret_basic'], basic],
    ['POST where there is no Basic', {}, ['client_secret_post'], undefined],
    ['POST when it is asked for', { authMethod: 'client_secret_post' }, ['client_secret_basic'], undefined],
    ['Basic when it is asked for', { authMethod: 'client_secret_basic' }, ['client_secret_post'], basic],
  ] as const)('is said by %s', async (_, options, methods, authorization) => {
    const server = await serve([good], Array.isArray(methods) ? { token_endpoint_auth_methods_supported: methods } : {})
    await ask(server.origin, options)
    const [{ authorization: said, body } = {}] = server.asked
    expect(said).toBe(authorization)
    const inBody = authorization === undefined ? ['gate:way', SECRET] : [null, null]
    expect([body?.get('client_id'), body?.get('client_secret')]).toEqual(inBody)
  })

  describe('a real provider believes', () => {
    let server: RunningAuthorizationServer
    beforeEach(async () => {
      server = await startAuthorizationServer()
      cleanups.push(server.close)
    })

    /** Makes the gateway known there by dynamic registration. */
    async function register(client: object): Promise<{ client_id: string; client_secret: string }> {
      const response = await fetch(`${server.issuer}/reg`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ grant_types: ['client_credentials'], redirect_uris: [], response_types: [], ...client }),
      })
      return (await response.json()) as { client_id: string; client_secret: string }
    }

    test.each(['client_secret_basic', 'client_secret_post'] as const)('%s', async (authMethod) => {
      const registered = await register({ token_endpoint_auth_method: authMethod })
      const { client_id: clientId, client_secret: clientSecret } = registered
      const grant = ask(server.issuer, { clientId, clientSecret, authMethod })
      expect(await grant).toMatchObject({ accessToken: expect.stringMatching(/^ey/), lifetimeMs: 600_000 })
      await expect(ask(server.issuer, { clientId, clientSecret: 'wrong', authMethod })).rejects.toMatchObject({
        code: 'upstream_unauthorized',
        cause: { message: expect.stringContaining('answered 401, invalid_client') },
      })
    })

    test('private_key_jwt', async () => {
      const { privateKey, publicKey } = await webcrypto.subtle.generateKey(
        { name: 'ECDSA', namedCurve: 'P-256' },
        false,
        ['sign', 'verify'],
      )
      const kid = randomUUID()
      const { client_id: clientId } = await register({
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ ...(await exportJWK(publicKey)), kid }] },
      })
      const client = { clientId, clientSecret: undefined }
      for (const key of [privateKey, { key: privateKey, kid }]) {
        expect(await ask(server.issuer, { ...client, privateKey: key })).toMatchObject({ lifetimeMs: 600_000 })
      }
      const { privateKey: another } = await webcrypto.subtle.generateKey(
        { name: 'ECDSA', namedCurve: 'P-256' },
        false,
        ['sign', 'verify'],
      )
      await expect(ask(server.issuer, { ...client, privateKey: another })).rejects.toMatchObject({
        code: 'upstream_unauthorized',
      })
    })
  })
})

const unsupported = json({ access_token: TOKEN, token_type: 'mac' })

test.each<[string, Answer, GatewayErrorCode, string]>([
  [
    'says no',
    json({ error: 'invalid_target', error_description: 'no such\nupstream' }, 400),
    'upstream_unauthorized',
    'answered 400, invalid_target: no such upstream',
  ],
  [
    'says no, and challenges',
    json({}, 401, { 'www-authenticate': 'Basic error="invalid_client"' }),
    'upstream_unauthorized',
    'answered 401, invalid_client',
  ],
  [
    'challenges and says nothing',
    json({}, 401, { 'www-authenticate': 'Basic realm="a"' }),
    'upstream_unauthorized',
    'answered 401, no reason given',
  ],
  [
    'says no with a novel',
    json({ error: 'x', error_description: 'y'.repeat(10_000) }, 400),
    'upstream_unauthorized',
    'no standard has: yyy',
  ],
  [
    'says no with a page',
    (response) => void response.writeHead(403).end('<h1>no</h1>'),
    'upstream_unauthorized',
    'content-type',
  ],
  ['answers a page', (response) => void response.end('<h1>welcome</h1>'), 'upstream_unauthorized', 'content-type'],
  [
    'answers what is not JSON',
    (response) => void response.setHeader('content-type', 'application/json').end('{'),
    'upstream_unauthorized',
    'parse',
  ],
  ['answers a list', json([]), 'upstream_unauthorized', 'object'],
  ['gives no token', json({ token_type: 'bearer' }), 'upstream_unauthorized', 'access_token'],
  ['gives a token of a kind nobody knows', unsupported, 'upstream_unauthorized', 'token_type'],
  [
    'gives a token that is bound to a key',
    json({ access_token: TOKEN, token_type: 'DPoP' }),
    'upstream_unauthorized',
    'dpop',
  ],
  [
    'gives a token that breaks a header (SC6)',
    json({ access_token: `${TOKEN}\r\nx: y`, token_type: 'bearer' }),
    'upstream_unauthorized',
    'header',
  ],
  [
    'gives a life that is none',
    json({ access_token: TOKEN, token_type: 'bearer', expires_in: 'soon' }),
    'upstream_unauthorized',
    'expires_in',
  ],
  [
    'sends elsewhere (SC4)',
    (response) => void response.writeHead(307, { location: '/else' }).end(),
    'upstream_unauthorized',
    'status',
  ],
  [
    'answers 10 MB (SC6)',
    (response) => void response.end('x'.repeat(10 * 1024 * 1024)),
    'upstream_unauthorized',
    'more than 262144 bytes',
  ],
  [
    'answers 10 MB of JSON (SC6)',
    json({ access_token: 'x'.repeat(10 * 1024 * 1024), token_type: 'bearer' }),
    'upstream_unauthorized',
    'more than 262144 bytes',
  ],
  ['fails', json({ error: 'server_error' }, 500), 'unavailable', 'answered 500'],
  ['is overrun', json({ error: 'slow_down' }, 429), 'unavailable', 'answered 429'],
  ['hangs up', (response) => void response.socket?.destroy(), 'unavailable', 'did not answer'],
  [
    'breaks off',
    (response) =>
      void response.writeHead(200, { 'content-length': '100' }).write('{', () => response.socket?.destroy()),
    'unavailable',
    'did not answer',
  ],
  ['never answers', () => {}, 'unavailable', 'did not answer'],
  ['never ends its answer', (response) => void response.writeHead(200).write('{'), 'unavailable', 'did not answer'],
])('an endpoint that %s', async (what, answer, code, reason) => {
  const server = await serve([answer])
  const timeoutMs = what.startsWith('never') ? 100 : 5_000
  const error = await ask(server.origin, { timeoutMs }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ name: 'GatewayError', code, status: code === 'unavailable' ? 503 : 502 })
  const { message, cause } = error as Error & { cause: Error }
  expect(cause.message).toContain(reason)
  expect(cause.message.length).toBeLessThan(400)
  expect(cause.message).toMatch(/^[ -~]*$/)
  expect(message).not.toContain(server.origin)
  for (const secret of [SECRET, TOKEN]) expect(printed(error)).not.toContain(secret)
})

test('a server that is not there is 503, and is found as soon as it is', async () => {
  const server = await startAuthorizationServer()
  cleanups.push(server.close)
  const { issuer, client } = server
  const endpoint = new TokenEndpoint({ issuer, clientId: client.id, clientSecret: client.secret })
  await server.stop()
  const refused = endpoint.request('client_credentials', UPSTREAM, {})
  await expect(refused).rejects.toMatchObject({ code: 'unavailable', headers: { 'retry-after': '1' } })
  await server.start()
  expect(await endpoint.request('client_credentials', UPSTREAM, {})).toMatchObject({ lifetimeMs: 600_000 })
})

test('metadata is fetched once for many requests, and anew when the endpoint turns out to be wrong', async () => {
  let documents = 0
  const server: Listening = await listen((request, response) => {
    response.setHeader('content-type', 'application/json')
    if (request.url === '/new') return good(response, request)
    if (request.url === '/old') return void response.writeHead(404).end()
    documents += 1
    const token_endpoint = `${server.origin}/${documents === 1 ? 'old' : 'new'}`
    response.end(JSON.stringify({ issuer: server.origin, token_endpoint }))
  })
  cleanups.push(server.close)
  const endpoint = new TokenEndpoint({ issuer: server.origin, clientId: 'a', clientSecret: 'b' })
  const request = (): Promise<unknown> => endpoint.request('client_credentials', UPSTREAM, {})
  await expect(request()).rejects.toMatchObject({ code: 'upstream_unauthorized' })
  await Promise.all([request(), request(), request()])
  expect(documents).toBe(2)
})

test.each([
  ['has no TLS (SC4)', { token_endpoint: 'http://login.example.com/token' }, 'not https:'],
  ['is no URL', { token_endpoint: 'nonsense' }, 'token_endpoint'],
  ['is missing', { token_endpoint: undefined }, 'token_endpoint'],
  ['is a file (SC4)', { token_endpoint: 'file:///etc/passwd' }, 'HTTPS'],
])('a token endpoint that %s is not asked', async (_, metadata, reason) => {
  const server = await serve([good], metadata)
  const error = await ask(server.origin).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'upstream_unauthorized', cause: { message: expect.stringContaining(reason) } })
})
