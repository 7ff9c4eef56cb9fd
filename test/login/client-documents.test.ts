// Client ID Metadata Documents: what is fetched when, what is taken of it, and what strangers can make it do.
import { jest } from '@jest/globals'
import { ClientDocuments } from '../../lib/login/client-documents.ts'
import { type GuardedFetch, GuardedFetchError, guardedFetch } from '../../lib/util/guarded-fetch.ts'
import { listen } from '../support/listen.ts'
import { type MapLoginStore, mapLoginStore } from '../support/map-login-store.ts'

const ID = 'https://agent.example/client.json'
const good = {
  client_id: ID,
  client_name: 'Agent',
  redirect_uris: ['http://localhost/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
}
const found = {
  id: ID,
  origin: 'document',
  name: 'Agent',
  redirectUris: ['http://localhost/callback'],
  authMethod: 'none',
}

let store: MapLoginStore
let fetch: jest.Mock<GuardedFetch>
let documents: ClientDocuments
/** What the host answers. */
let host: () => Response
const answers =
  (document: object, headers: Record<string, string> = {}) =>
  () =>
    new Response(JSON.stringify(document), { headers: { 'content-type': 'application/json', ...headers } })
const isAway = (): never => {
  throw new GuardedFetchError('unavailable', 'agent.example did not answer')
}

const { now } = Date
const monotonicNow = performance.now.bind(performance)
function later(ms: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => monotonicNow() + ms)
  jest.spyOn(Date, 'now').mockImplementation(() => now() + ms)
}

const another = (): ClientDocuments => new ClientDocuments({ store, fetch, allowLoopback: false })
beforeEach(() => {
  store = mapLoginStore()
  host = answers(good)
  fetch = jest.fn(async () => host())
  documents = another()
})
afterEach(() => void jest.restoreAllMocks())

const HOUR_MS = 3_600_000

test('a client is what its document says, as far as the login uses it', async () => {
  host = answers({ ...good, logo_uri: 'https://agent.example/logo.svg', id_token_signed_response_alg: 'RS256' })
  expect(await documents.find(ID)).toEqual(found)
  expect(fetch).toHaveBeenCalledWith(ID, expect.objectContaining({ maxBytes: 5 * 1024, timeoutMs: 3_000 }))
})

test.each(['an-id', 'cursor://agent', '', 'urn:a'])('%j is none of its ids', async (id) => {
  expect(await documents.find(id)).toBeUndefined()
  expect(fetch).not.toHaveBeenCalled()
})

test.each([
  ['http://agent.example/client.json', 'not https:'],
  ['https://agent.example/', 'no path'],
  ['https://agent.example', 'no path'],
  ['https://user@agent.example/client.json', 'credentials'],
  ['https://agent.example/client.json#', 'fragment'],
  ['https://agent.example/client.json#a', 'fragment'],
  ['https://Agent.example/client.json', 'canonical'],
  ['HTTPS://agent.example/client.json', 'canonical'],
  ['https://agent.example:443/client.json', 'canonical'],
  ['https://agent.example/a/../client.json', 'canonical'],
  ['https://agent.example/%2e%2e/client.json', 'canonical'],
  ['https://аgent.example/client.json', 'canonical'],
  ['https://agent.example/client.json ', 'canonical'],
  ['https:agent.example/client.json', 'canonical'],
  [`https://agent.example/${'a'.repeat(1_000)}`, 'too long'],
  ['https://', 'malformed'],
])('%s is refused as an id, and nothing is fetched: %s', async (id, reason) => {
  await expect(documents.find(id)).rejects.toMatchObject({
    name: 'ClientRefused',
    message: expect.stringContaining(reason),
  })
  expect(fetch).not.toHaveBeenCalled()
})

test.each<[string, () => Response, string]>([
  ['of another client', answers({ ...good, client_id: `${ID}/` }), 'of another client'],
  ['of no client', answers({ ...good, client_id: undefined }), 'of another client'],
  ['without a name', answers({ ...good, client_name: undefined }), 'has no "client_name"'],
  ['with an invisible name', answers({ ...good, client_name: '\u200B' }), 'has no "client_name"'],
  ['without redirects', answers({ ...good, redirect_uris: [] }), 'has no "redirect_uris"'],
  ['with a redirect that is a script', answers({ ...good, redirect_uris: ['javascript:a'] }), 'scheme'],
  ['for machines', answers({ ...good, grant_types: ['client_credentials'] }), 'authorization_code'],
  ['with a secret', answers({ ...good, client_secret: 's3cret' }), 'holds a client secret'],
  ['that asks for a secret', answers({ ...good, token_endpoint_auth_method: 'client_secret_post' }), 'neither "none"'],
  ['that is HTML', answers(good, { 'content-type': 'text/html' }), 'is no JSON'],
  ['that is a list', answers([good]), 'is no JSON object'],
  [
    'that is cut',
    () => new Response('{"client_id"', { headers: { 'content-type': 'application/json' } }),
    'is no JSON',
  ],
  ['that is not there', () => new Response('{}', { status: 404 }), 'answers 404'],
])('a document %s is refused, with the reason', async (_, answer, reason) => {
  host = answer
  await expect(documents.find(ID)).rejects.toMatchObject({
    name: 'ClientRefused',
    message: expect.stringMatching(/^The description of this client at agent\.example .*\.$/),
  })
  await expect(documents.find(ID)).rejects.toThrow(reason)
  expect(fetch).toHaveBeenCalledTimes(1)
})

test('a document may have a type of its own that is JSON', async () => {
  host = answers(good, { 'content-type': 'application/oauth-client+json; charset=utf-8' })
  await expect(documents.find(ID)).resolves.toEqual(found)
})

describe('a document is fetched', () => {
  test('once for all who ask at the same time', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => documents.find(ID)))
    expect(all.every((each) => each === all[0])).toBe(true)
    expect(all[0]).toEqual(found)
    expect(fetch).toHaveBeenCalledTimes(1)
  })

  test.each<[Record<string, string>, number]>([
    [{}, HOUR_MS],
    [{ 'cache-control': 'max-age=60' }, HOUR_MS],
    [{ 'cache-control': 'no-store' }, HOUR_MS],
    [{ 'cache-control': 'public, max-age=7200' }, 2 * HOUR_MS],
    [{ 'cache-control': 'public, max-age=7200', age: '1800' }, 1.5 * HOUR_MS],
    [{ 'cache-control': 's-max-age=7200' }, HOUR_MS],
    [{ 'cache-control': 'max-age=31536000, immutable' }, 24 * HOUR_MS],
  ])('with the headers %j again after %d ms', async (headers, freshMs) => {
    host = answers(good, headers)
    await documents.find(ID)
    later(freshMs - 1_000)
    await documents.find(ID)
    expect(fetch).toHaveBeenCalledTimes(1)
    later(freshMs + 1_000)
    host = answers({ ...good, client_name: 'Agent 2', redirect_uris: ['https://agent.example/cb'] })
    await expect(documents.find(ID)).resolves.toMatchObject({
      name: 'Agent 2',
      redirectUris: ['https://agent.example/cb'],
    })
    expect(fetch).toHaveBeenCalledTimes(2)
  })

  test('again 30 s after a failure, not before', async () => {
    host = isAway
    const failure = { name: 'ClientRefused', message: expect.stringContaining('Try again in a minute') }
    await expect(documents.find(ID)).rejects.toMatchObject(failure)
    host = answers(good)
    later(29_000)
    await expect(documents.find(ID)).rejects.toMatchObject(failure)
    later(31_000)
    await expect(documents.find(ID)).resolves.toEqual(found)
    expect(fetch).toHaveBeenCalledTimes(2)
  })

  test('at once where only the limit of fetches was in the way', async () => {
    host = () => {
      throw new GuardedFetchError('busy', 'too many')
    }
    await expect(documents.find(ID)).rejects.toMatchObject({ name: 'ClientRefused' })
    host = answers(good)
    await expect(documents.find(ID)).resolves.toEqual(found)
  })
})

describe('while its host is away', () => {
  test.each<[string, () => Response]>([
    ['does not answer', isAway],
    ['answers 503', () => new Response('', { status: 503 })],
    ['answers 429', () => new Response('', { status: 429 })],
  ])('and %s, a known client goes on for a day, with the redirects it had', async (_, away) => {
    await documents.find(ID)
    host = away
    later(24 * HOUR_MS)
    await expect(documents.find(ID)).resolves.toEqual(found)
    later(25 * HOUR_MS + 1_000)
    await expect(documents.find(ID)).rejects.toMatchObject({ name: 'ClientRefused' })
  })

  test('but a document that was taken away or became wrong ends it, also when its host is away then', async () => {
    await documents.find(ID)
    await documents.renew(ID)
    later(HOUR_MS + 1_000)
    host = () => new Response('', { status: 410 })
    await expect(documents.find(ID)).rejects.toThrow('answers 410')
    host = isAway
    later(HOUR_MS + 32_000)
    await expect(documents.find(ID)).rejects.toThrow('Try again')
    await expect(another().find(ID)).rejects.toThrow('Try again')
  })
})

describe('the store', () => {
  test('has nothing of a client that nobody let in', async () => {
    await documents.find(ID)
    expect(store.values.size).toBe(0)
  })

  test('has a client that was let in, for all nodes, and is renewed with it; its keys name no URL', async () => {
    await documents.find(ID)
    await documents.renew(ID)
    const node = another()
    await expect(node.find(ID)).resolves.toEqual(found)
    expect(fetch).toHaveBeenCalledTimes(1)
    expect([...store.values.keys()].join()).not.toContain('agent.example')
    expect([...store.values.values()].map(({ ttlMs }) => Math.ceil(ttlMs / HOUR_MS))).toEqual([25])
    later(HOUR_MS + 1_000)
    host = answers({ ...good, client_name: 'Agent 2' })
    await node.find(ID)
    expect([...store.values.values()][0]?.value).toContain('Agent 2')
  })

  test('that fails is no fault of the client', async () => {
    store.get = () => Promise.reject(new Error('the store is away'))
    await expect(documents.find(ID)).rejects.toThrow('the store is away')
    store.get = async () => undefined
    await expect(documents.find(ID)).resolves.toEqual(found)
  })
})

test('10 000 URLs take a bounded number of fetches, and of documents in memory', async () => {
  const answer: GuardedFetch = async (url) => answers({ ...good, client_id: String(url) })()
  fetch.mockImplementation(answer)
  const urls = Array.from({ length: 3_000 }, (_, index) => `https://agent.example/${index}`)
  for (const url of urls) await documents.find(url)
  fetch.mockClear()
  await documents.find(urls.at(-1)!)
  await documents.find(urls.at(-1_000)!)
  expect(fetch).not.toHaveBeenCalled()
  await documents.find(urls[0]!)
  expect(fetch).toHaveBeenCalledTimes(1)
  expect(store.values.size).toBe(0)
})

describe('with the guarded fetch', () => {
  const guarded = (allowLoopback: boolean): ClientDocuments =>
    new ClientDocuments({ store, fetch: guardedFetch({ allowLoopback, maxPerMinute: 20 }), allowLoopback })

  test('a document on this machine is read where the issuer is there too, and nowhere else', async () => {
    let requests = 0
    const here = await listen((request, response) => {
      requests += 1
      const url = `http://${request.headers.host}${request.url}`
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ ...good, client_id: url, pad: request.url === '/large' ? 'a'.repeat(5_200) : '' }))
    })
    const url = `${here.origin}/client.json`
    await expect(guarded(true).find(url)).resolves.toMatchObject({ id: url, name: 'Agent' })
    await expect(guarded(true).find(`${here.origin}/large`)).rejects.toThrow('at most 5120 bytes')
    requests = 0
    await expect(guarded(false).find(url)).rejects.toThrow('not https:')
    await expect(guarded(false).find(url.replace('http:', 'https:'))).rejects.toThrow('at a public https: address')
    expect(requests).toBe(0)
    await here.close()
  })
})
