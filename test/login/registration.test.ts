// Dynamic client registration: what is registered, what is refused, and what strangers can make grow. (RFC 7591)
import { jest } from '@jest/globals'
import type { IncomingMessage } from 'node:http'
import express from 'express'
import { Registration, type RegistrationParts } from '../../lib/login/registration.ts'
import { type Listening, listen } from '../support/listen.ts'
import { type MapLoginStore, mapLoginStore } from '../support/map-login-store.ts'

let store: MapLoginStore
let registration: Registration
let server: Listening
let isParsed: boolean

const parts = (more: Partial<RegistrationParts> = {}): RegistrationParts => ({
  store,
  ttlS: 3_600,
  perMinute: 20,
  addressOf: ({ headers }) => String(headers['x-from'] ?? 'somewhere'),
  ...more,
})

beforeAll(async () => {
  const parse = express.json()
  server = await listen((request, response) => {
    const answer = (): void => void registration.answer(request, response).catch(() => response.writeHead(503).end())
    if (isParsed) parse(request, response, answer)
    else answer()
  })
})
afterAll(() => server.close())
beforeEach(() => {
  isParsed = false
  store = mapLoginStore()
  registration = new Registration(parts())
})
afterEach(() => void jest.restoreAllMocks())

const good = { client_name: 'Agent', redirect_uris: ['http://localhost:3334/oauth/callback'] }

async function register(
  metadata: unknown = good,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
  const response = await fetch(server.origin, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof metadata === 'string' ? metadata : JSON.stringify(metadata),
  })
  const body = (await response.json()) as Record<string, unknown>
  return { status: response.status, body, headers: response.headers }
}

test('a client is registered as a public one for the authorization code flow, and found again', async () => {
  const { status, body, headers } = await register({ ...good, scope: 'mcp', logo_uri: 'https://agent.example/a.svg' })
  expect(status).toBe(201)
  expect(body).toEqual({
    client_id: expect.stringMatching(/^[\w-]{24}$/),
    client_id_issued_at: expect.any(Number),
    client_name: 'Agent',
    redirect_uris: good.redirect_uris,
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  })
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('access-control-allow-origin')).toBe('*')
  const id = String(body['client_id'])
  expect(await registration.find(id)).toEqual({
    id,
    origin: 'registered',
    name: 'Agent',
    redirectUris: good.redirect_uris,
    authMethod: 'none',
  })
  expect([...store.values.keys()].join()).not.toContain(id)
})

test.each<[string, object]>([
  ['VS Code', { grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'] }],
  ['Cursor', { redirect_uris: ['cursor://a/callback', 'https://www.cursor.com/callback', 'http://localhost:1/cb'] }],
  ['a web app with a secret', { token_endpoint_auth_method: 'client_secret_post', application_type: 'web' }],
  ['an OpenID client', { id_token_signed_response_alg: 'RS256', scope: 'openid profile offline_access' }],
])('what %s asks for is registered, as far as it goes', async (_, more) => {
  const { status, body } = await register({ ...good, ...more })
  expect(status).toBe(201)
  expect(body).toMatchObject({ token_endpoint_auth_method: 'none' })
  expect(body).not.toHaveProperty('client_secret')
})

test('a client without a name has one', async () => {
  expect((await register({ ...good, client_name: undefined })).body).toMatchObject({ client_name: 'Unnamed agent' })
})

test.each<[string, unknown, string]>([
  ['a script as its redirect', { ...good, redirect_uris: ['javascript:a'] }, 'invalid_redirect_uri'],
  ['http: as its redirect', { ...good, redirect_uris: ['http://evil.example/'] }, 'invalid_redirect_uri'],
  ['no redirect', { client_name: 'Agent' }, 'invalid_redirect_uri'],
  ['no flow of ours', { ...good, grant_types: ['implicit'] }, 'invalid_client_metadata'],
  ['a list', [good], 'invalid_client_metadata'],
  ['no JSON', '{', 'invalid_client_metadata'],
  ['nothing', '', 'invalid_client_metadata'],
  ['too much', { ...good, pad: 'a'.repeat(17_000) }, 'invalid_client_metadata'],
])('%s is refused in the words of the standard', async (_, metadata, error) => {
  const { status, body, headers } = await register(metadata)
  expect(status).toBe(400)
  expect(body).toEqual({ error, error_description: expect.stringMatching(/^The client's metadata [\x20-\x7e]+$/) })
  expect(headers.get('access-control-allow-origin')).toBe('*')
  expect(store.values.size).toBe(0)
})

test('metadata that is not sent as JSON is refused: no form of another site registers a client', async () => {
  expect((await register(good, { 'content-type': 'text/plain' })).status).toBe(400)
})

test('a body that a parser has read before is taken from there', async () => {
  isParsed = true
  expect((await register()).status).toBe(201)
  expect((await register('[]')).status).toBe(400)
})

test('pages of any origin may register: the preflight says so, and other methods are refused', async () => {
  const preflight = await fetch(server.origin, { method: 'OPTIONS', headers: { origin: 'https://a.example' } })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-methods')).toBe('POST')
  const read = await fetch(server.origin)
  expect([read.status, read.headers.get('allow')]).toEqual([405, 'POST'])
})

test.each(['', 'https://agent.example/client.json', 'a'.repeat(25), '../../../../../../../../'])(
  '%j is no id of a registered client, and the store is not asked',
  async (id) => {
    store.get = () => Promise.reject(new Error('asked'))
    expect(await registration.find(id)).toBeUndefined()
  },
)

test('an address has a limit per minute, refused attempts included; others are not affected', async () => {
  registration = new Registration(parts({ perMinute: 3 }))
  const statuses = async (address: string, metadata: unknown = good): Promise<number> =>
    (await register(metadata, { 'x-from': address })).status
  expect([await statuses('a'), await statuses('a', {}), await statuses('a')]).toEqual([201, 400, 201])
  const refused = await register(good, { 'x-from': 'a' })
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60'])
  expect(await statuses('b')).toBe(201)
  const clock = performance.now()
  jest.spyOn(performance, 'now').mockReturnValue(clock + 61_000)
  expect(await statuses('a')).toBe(201)
})

test('a client that nobody let in lives for "ttlS", one that was let in as long as its grant', async () => {
  const id = String((await register()).body['client_id'])
  const ttl = (): number | undefined => [...store.values.values()][0]?.ttlMs
  expect(ttl()).toBe(3_600_000)
  await registration.renew(id, 86_400)
  expect(ttl()).toBe(86_400_000)
  expect([...store.sets.values()]).toEqual([[]])
  await registration.renew('a'.repeat(24), 86_400)
  expect(store.values.size).toBe(1)
})

test('10 000 registrations are the most that are kept, and none that was let in is lost for them', async () => {
  let peak = 0
  registration = new Registration(parts({ addressOf: () => String(Math.random()) }))
  const answer = async (): Promise<string> => {
    let sent = ''
    const response = { writeHead: () => response, end: (bytes: Buffer) => void (sent = String(bytes)) }
    const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: good }
    await registration.answer(request as unknown as IncomingMessage, response as never)
    return (JSON.parse(sent) as { client_id: string }).client_id
  }
  const letIn = await answer()
  await registration.renew(letIn, 86_400)
  // A set of the store for tests is slow: as if it held all but a few.
  const [set = ''] = store.sets.keys()
  store.sets.set(
    set,
    Array.from({ length: 9_990 }, (_, index) => `client:${index}`),
  )
  for (const key of store.sets.get(set)!) store.values.set(key, { value: '{}', ttlMs: 1 })
  for (let times = 0; times < 100; times += 1) {
    await answer()
    peak = Math.max(peak, store.values.size)
  }
  expect(peak).toBeLessThanOrEqual(10_002)
  expect(store.sets.get(set)).toHaveLength(10_000)
  expect(store.values.has('client:0')).toBe(false)
  expect(store.values.has('client:200')).toBe(true)
  expect(await registration.find(letIn)).toMatchObject({ id: letIn })
})

test('a store that fails is not the client’s fault', async () => {
  store.set = () => Promise.reject(new Error('the store is away'))
  const response = await fetch(server.origin, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(good),
  })
  expect(response.status).toBe(503)
})
