// Faults of who is asking and of tokens: scopes that are a string, claims of other types, keys that change, issuers that mislead.
import { jest } from '@jest/globals'
import type { GatewayOptions, GatewayRequest, HeadersContext, Principal } from '../../lib/index.ts'
import {
  clientCredentials,
  jwtBearer,
  type JwtBearerOptions,
  type JwtClaims,
  tokenExchange,
} from '../../lib/auth/index.ts'
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import { startGateway } from '../support/gateway.ts'
import { createJournal } from '../support/journal.ts'
import { listen } from '../support/listen.ts'
import { startProtectedGateway } from '../support/protected-gateway.ts'
import { initializeMessage, post } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const RESOURCE = 'https://app.example.com/mcp-servers/files/mcp'

let upstream: Upstream
const cleanups: Array<() => unknown> = []

beforeEach(async () => {
  upstream = await startUpstream()
  cleanups.push(upstream.close)
})
afterEach(async () => {
  jest.restoreAllMocks()
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function startIssuer(): Promise<RunningAuthorizationServer> {
  const issuer = await startAuthorizationServer({ ttlS: 3600 })
  cleanups.push(issuer.close)
  return issuer
}

/** Asks an `authenticate` hook about a token, as the gateway does. */
async function ask(authenticate: ReturnType<typeof jwtBearer>, token: string): Promise<unknown> {
  const authorization = `Bearer ${token}`
  const request = { url: '/', headers: { authorization }, rawHeaders: [] } as unknown as GatewayRequest
  return authenticate(request, { server: 'files', resource: RESOURCE })
}

/** Puts the clock that the age of keys is measured by forward. Tokens are verified by the time of day. */
function later(ms: number): void {
  const at = performance.now() + ms
  jest.spyOn(performance, 'now').mockImplementation(() => at)
}

describe('16: scopes that are a string', () => {
  /** A slip that is easily made: the claim is a string. */
  const principal = ({ scope }: JwtClaims): object => ({ scopes: scope })
  const scopes = { methods: { initialize: ['docs:read'] } }
  const longer = 'docs:readwrite other'

  async function expectRefused(authenticate: GatewayOptions['authenticate'], token?: string): Promise<void> {
    const gateway = await startGateway({ servers: { a: { url: upstream.url, scopes } }, authenticate })
    cleanups.push(gateway.close)
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const { status } = await post(gateway.url('a'), initializeMessage(), headers)
    expect(upstream.requests().map(({ kind }) => kind)).toEqual([])
    expect([401, 403, 500]).toContain(status)
  }

  test('open nothing that one of them merely begins like: of a principal (AU6)', () =>
    expectRefused(() => ({ id: 'ada', scopes: longer as never })))

  test('open nothing that one of them merely begins like: of AuthInfo (AU6)', () =>
    expectRefused(() => ({ token: 'sesame', clientId: 'client', scopes: longer as never })))

  test('open nothing that one of them merely begins like: of the "principal" of jwtBearer (AU6)', async () => {
    const issuer = await startIssuer()
    const audience = 'files'
    const token = await issuer.sign({ aud: audience, scope: longer })
    await expectRefused(jwtBearer({ issuer: issuer.issuer, audience, principal }), token)
  })

  test('open nothing that every request needs, either (AU6)', async () => {
    const issuer = await startIssuer()
    const bearer = jwtBearer({ issuer: issuer.issuer, audience: 'files', scopes: ['docs:read'], principal })
    await expect(ask(bearer, await issuer.sign({ aud: 'files', scope: longer }))).rejects.toMatchObject({
      message: expect.any(String),
    })
  })

  test('a JWT whose "scope" or "scp" is a string or an array has the scopes that it names', async () => {
    const issuer = await startIssuer()
    const bearer = jwtBearer({ issuer: issuer.issuer, audience: 'files', scopes: ['docs:read'] })
    for (const claim of [{ scope: 'docs:read a' }, { scp: ['docs:read'] }, { scope: ['docs:read'] }]) {
      await ask(bearer, await issuer.sign({ aud: 'files', ...claim }))
    }
    for (const claim of [{ scope: longer }, { scp: [longer] }, { scope: { 'docs:read': true } }, { scp: 7 }]) {
      await expect(ask(bearer, await issuer.sign({ aud: 'files', ...claim }))).rejects.toMatchObject({ status: 403 })
    }
  })
})

describe('17: a JWT with a claim of another type', () => {
  const neitherTextNorList: Array<[string, unknown]> = [
    ['an object', { name: 'ada' }],
    ['a number', 7],
    ['true', true],
  ]
  const noText: typeof neitherTextNorList = [...neitherTextNorList, ['an array', ['ada']]]
  const nothing: typeof neitherTextNorList = [['null', null]]

  async function answer(claims: object, header: object = {}, options: Partial<JwtBearerOptions> = {}): Promise<number> {
    const issuer = await startIssuer()
    const gateway = await startProtectedGateway({
      servers: { a: { url: upstream.url } },
      authenticate: jwtBearer({ issuer: issuer.issuer, ...options }),
    })
    cleanups.push(gateway.close)
    const token = await issuer.sign({ aud: gateway.url('a'), ...claims }, header)
    const { status } = await post(gateway.url('a'), initializeMessage(), { authorization: `Bearer ${token}` })
    return status
  }

  test.each([...noText, ...nothing])('is refused, and is nobody else, where "sub" is %s (AU8)', async (_, sub) => {
    expect(await answer({ sub })).toBe(401)
  })

  test.each(noText)('is refused where "typ" is %s, and is no fault of ours (AU6)', async (_, typ) => {
    expect(await answer({}, { typ })).toBe(401)
  })

  test.each(neitherTextNorList)('is refused where "aud" is %s, and is no fault of ours (AU8)', async (_, aud) => {
    expect(await answer({ aud })).toBe(401)
  })

  test('is no fault of ours where "aud" has a member that is no text (AU8)', async () => {
    expect(await answer({ aud: [7, { name: 'ada' }] })).toBe(401)
  })

  test.each(nothing)('is refused where "aud" is %s (AU8)', async (_, aud) => {
    expect(await answer({ aud })).toBe(401)
  })

  test.each([...noText, ...nothing])(
    'is refused where "aud" is %s and the audience is an option (AU8)',
    async (_, aud) => {
      expect(await answer({ aud }, {}, { audience: 'ada-and-others' })).toBe(401)
    },
  )

  test.each(['iss', 'exp', 'nbf'])('is refused where %j is an object (AU8)', async (claim) => {
    expect(await answer({ [claim]: {} })).toBe(401)
  })

  test.each([
    ['kid', 7],
    ['kid', {}],
    ['cty', 7],
  ])('is refused or taken where %j in its head is %j', async (name, value) => {
    expect([200, 401]).toContain(await answer({}, { [name]: value }))
  })
})

test('a JWT that was verified while the keys changed is not remembered beyond them (AU8)', async () => {
  const issuer = await startIssuer()
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  const held = createJournal<unknown>()
  const authenticate = jwtBearer({
    issuer: issuer.issuer,
    async principal({ sub }) {
      if (sub !== 'slow') return {}
      held.record(sub)
      await gate
      return {}
    },
  })
  const old = await issuer.sign({ aud: RESOURCE, sub: 'slow' })
  const first = ask(authenticate, old).catch(() => 'refused')
  await soon(held.next(), 'the verified token')
  issuer.rotate({ keep: false })
  later(11 * 60_000)
  const anew = await issuer.sign({ aud: RESOURCE, sub: 'grace' })
  // The first of them fetches the new keys, and from the second on nothing is left of the old ones.
  await ask(authenticate, anew)
  await ask(authenticate, anew)
  open()
  await first
  await expect(ask(authenticate, old)).rejects.toMatchObject({ status: 401 })
})

describe('an issuer elsewhere', () => {
  const ISSUER = 'https://login.example.com'
  const context: HeadersContext = {
    principal: { id: 'ada' },
    request: { headers: { authorization: 'Bearer sesame' }, rawHeaders: [] } as unknown as GatewayRequest,
    server: 'a',
    url: 'https://files.example.com/mcp',
    refused: undefined,
  }

  /** What listens on this machine, and the metadata of an issuer elsewhere that names it. */
  async function startMisled(endpoint: (port: string) => string): Promise<{ asked: string[] }> {
    const asked: string[] = []
    const local = await listen((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ access_token: 'a', token_type: 'Bearer', expires_in: 60, keys: [] }))
    })
    cleanups.push(local.close)
    const { fetch } = globalThis
    const url = endpoint(new URL(local.origin).port)
    const metadata = { issuer: ISSUER, token_endpoint: url, jwks_uri: url }
    jest.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
      const target = String(input instanceof Request ? input.url : input)
      return target.startsWith(ISSUER) ? Promise.resolve(Response.json(metadata)) : fetch(input, init)
    })
    return { asked }
  }

  const onThisMachine: Array<[string, (port: string) => string]> = [
    ['127.0.0.1', (port) => `http://127.0.0.1:${port}/admin`],
    ['localhost', (port) => `http://localhost:${port}/admin`],
    ['127.1', (port) => `http://127.1:${port}/admin`],
  ]

  test.each(onThisMachine)(
    'may not name a token endpoint on this machine (%s): nothing is sent there (SC4)',
    async (_, endpoint) => {
      const { asked } = await startMisled(endpoint)
      const headers = clientCredentials({ issuer: ISSUER, clientId: 'machine', clientSecret: 'secret' })
      await (async () => headers(context))().catch(() => {})
      expect(asked).toEqual([])
    },
  )

  test('may not have the client’s own token exchanged on this machine, either (SC4)', async () => {
    const { asked } = await startMisled(onThisMachine[0]![1])
    const headers = tokenExchange<Principal | undefined>({
      issuer: ISSUER,
      clientId: 'machine',
      clientSecret: 'secret',
    })
    await (async () => headers(context))().catch(() => {})
    expect(asked).toEqual([])
  })

  test('may not have its keys fetched from this machine, either (SC4)', async () => {
    const { asked } = await startMisled(onThisMachine[0]![1])
    const signer = await startIssuer()
    const token = await signer.sign({ iss: ISSUER, aud: RESOURCE })
    await ask(jwtBearer({ issuer: ISSUER }), token).catch(() => {})
    expect(asked).toEqual([])
  })

  test('may be on this machine, and so may its endpoint then (SC4)', async () => {
    const issuer = await startIssuer()
    const { id, secret } = issuer.client
    const headers = clientCredentials({ issuer: issuer.issuer, clientId: id, clientSecret: secret })
    expect(await headers(context)).toEqual({ authorization: expect.stringMatching(/^Bearer /) })
  })
})
