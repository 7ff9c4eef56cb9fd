// An issuer -> its metadata: where it is looked for, in which order, and what is not believed.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { discover, trustedEndpoint, metadataUrls } from '../../lib/auth/metadata.ts'
import { startAuthorizationServer } from '../support/authorization-server.ts'
import { listen, type Listening } from '../support/listen.ts'

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const soon = (): AbortSignal => AbortSignal.timeout(30_000)

/** A server with metadata at some paths, and the paths it was asked for. */
async function serve(documents: Record<string, (origin: string) => unknown>): Promise<Listening & { asked: string[] }> {
  const asked: string[] = []
  const server: Listening = await listen((request: IncomingMessage, response: ServerResponse) => {
    asked.push(String(request.url))
    const document = documents[String(request.url)]?.(server.origin)
    if (typeof document === 'number') return void response.writeHead(document, { location: '/elsewhere' }).end()
    if (typeof document === 'string') return void response.setHeader('content-type', 'text/html').end(document)
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(document ?? {}))
  })
  cleanups.push(server.close)
  return { ...server, asked }
}

const of = (path: string) => (origin: string) => ({ issuer: origin + path, token_endpoint: `${origin}/token` })

test('the metadata is looked for in the order of the specification (AU15)', () => {
  expect(metadataUrls('https://login.example.com')).toEqual([
    'https://login.example.com/.well-known/oauth-authorization-server',
    'https://login.example.com/.well-known/openid-configuration',
  ])
  expect(metadataUrls('https://login.example.com/')).toEqual(metadataUrls('https://login.example.com'))
  expect(metadataUrls('https://login.example.com/tenant/1')).toEqual([
    'https://login.example.com/.well-known/oauth-authorization-server/tenant/1',
    'https://login.example.com/.well-known/openid-configuration/tenant/1',
    'https://login.example.com/tenant/1/.well-known/openid-configuration',
  ])
})

test.each(['', '/tenant'])('a real provider with the issuer path %j is found (AU15)', async (path) => {
  const server = await startAuthorizationServer({ path })
  cleanups.push(server.close)
  expect(await discover(server.issuer, soon())).toMatchObject({ token_endpoint: server.tokenEndpoint })
})

test.each([
  ['', '/.well-known/oauth-authorization-server', 1],
  ['', '/.well-known/openid-configuration', 2],
  ['/t', '/.well-known/oauth-authorization-server/t', 1],
  ['/t', '/.well-known/openid-configuration/t', 2],
  ['/t', '/t/.well-known/openid-configuration', 3],
])('with the issuer path %j it is found at %s, after %i requests (AU15)', async (path, place, requests) => {
  const { origin, asked } = await serve({ [place]: of(path) })
  expect(await discover(origin + path, soon())).toMatchObject({ token_endpoint: `${origin}/token` })
  expect(asked).toEqual(
    metadataUrls(origin + path)
      .slice(0, requests)
      .map((url) => url.slice(origin.length)),
  )
})

test('a page that an app answers with, whatever is asked, is no metadata', async () => {
  const page = (): string => '<!doctype html>'
  const { origin } = await serve({
    '/.well-known/oauth-authorization-server': page,
    '/.well-known/openid-configuration': of(''),
  })
  expect(await discover(origin, soon())).toMatchObject({ issuer: origin })
})

test.each([
  ['another issuer', () => ({ issuer: 'https://evil.example', token_endpoint: 'https://evil.example/token' })],
  ['its own with a slash more', of('/')],
  ['no issuer', () => ({ token_endpoint: 'https://evil.example/token' })],
])('metadata of %s is refused, and no other place is tried (AU15)', async (_, document) => {
  const { origin, asked } = await serve({
    '/.well-known/oauth-authorization-server': document,
    '/.well-known/openid-configuration': of(''),
  })
  await expect(discover(origin, soon())).rejects.toThrow(/issuer/)
  expect(asked).toHaveLength(1)
})

test('the message says which issuer it is, so that it can be configured (AU15)', async () => {
  const { origin } = await serve({ '/.well-known/oauth-authorization-server': of('/') })
  await expect(discover(origin, soon())).rejects.toThrow(`is of the issuer ${origin}/, not ${origin}: configure`)
})

test('a redirect is not followed (SC4)', async () => {
  const { origin, asked } = await serve({
    '/.well-known/oauth-authorization-server': () => 302,
    '/.well-known/openid-configuration': () => 307,
    '/elsewhere': of(''),
  })
  await expect(discover(origin, soon())).rejects.toThrow(`${origin} has no metadata`)
  expect(asked).not.toContain('/elsewhere')
})

test('a server that fails is not asked elsewhere: it may have its metadata in a moment', async () => {
  const { origin, asked } = await serve({ '/.well-known/oauth-authorization-server': () => 503 })
  await expect(discover(origin, soon())).rejects.toMatchObject({ name: 'Unavailable' })
  expect(asked).toHaveLength(1)
})

describe('an endpoint', () => {
  const elsewhere = 'https://login.example.com'

  test.each([
    'http://127.0.0.1:8080/admin',
    'http://127.1/admin',
    'http://2130706433/admin',
    'https://localhost/admin',
    'https://localhost./admin',
    'https://LOCALHOST/admin',
    'https://app.localhost/admin',
    'https://0.0.0.0/admin',
    'https://[::1]/admin',
    'https://[::]/admin',
    'https://[::ffff:127.0.0.1]/admin',
  ])('on this machine (%s) is for an issuer on this machine alone (SC4)', (url) => {
    const metadata = { token_endpoint: url, jwks_uri: url }
    for (const name of ['token_endpoint', 'jwks_uri'] as const) {
      expect(() => trustedEndpoint({ ...metadata, issuer: elsewhere }, name)).toThrow(
        `names a "${name}" on this machine`,
      )
      expect(trustedEndpoint({ ...metadata, issuer: 'http://localhost:9000' }, name)).toBe(url)
    }
  })

  test.each(['https://keys.example.net/jwks', 'https://localhost.example.com/jwks', 'https://127.0.0.1.example.com/'])(
    'elsewhere (%s) is for any issuer',
    (url) => {
      expect(trustedEndpoint({ issuer: elsewhere, jwks_uri: url }, 'jwks_uri')).toBe(url)
    },
  )

  test.each([undefined, 'nonsense', 7])('%j is none', (url) => {
    expect(() => trustedEndpoint({ issuer: elsewhere, jwks_uri: url as string }, 'jwks_uri')).toThrow(
      'has no "jwks_uri"',
    )
  })
})
