// The SDKs' own OAuth code through the gateway: from its URL alone to a token, to a fresh one, and to more scopes.
import express from 'express'
import { decodeJwt } from 'jose'
import type { ScopeRules } from '../../lib/index.ts'
import { jwtBearer } from '../../lib/auth/index.ts'
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import { textOf } from '../support/clients.ts'
import {
  type Browser,
  type OAuthClient,
  type OAuthOptions,
  oauthClientV1,
  oauthClientV2,
} from '../support/oauth-clients.ts'
import { type ProtectedGateway, startProtectedGateway } from '../support/protected-gateway.ts'
import { type RunningServer, startSdkV1Server, startSdkV2Server } from '../support/servers.ts'

const express5 = (root: boolean) => ({
  prefix: '/mcp-servers',
  mount: (gateway: ProtectedGateway['gateway']) => {
    const app = express().use('/mcp-servers', gateway)
    return root ? app.use(gateway.wellKnown) : app
  },
})

let issuer: RunningAuthorizationServer
let legacy: RunningServer
let modern: RunningServer
let gateway: ProtectedGateway
beforeAll(async () => {
  issuer = await startAuthorizationServer()
  ;[legacy, modern] = await Promise.all([startSdkV1Server(), startSdkV2Server()])
  const scopes: ScopeRules = { tools: { echo: ['mcp:write'] } }
  gateway = await startProtectedGateway(
    {
      servers: {
        notes: { url: legacy.url },
        files: { url: legacy.url, scopes },
        modern: { url: modern.url },
        'modern-files': { url: modern.url, scopes },
      },
      authenticate: jwtBearer({ issuer: issuer.issuer, scopes: ['mcp:read'] }),
    },
    express5(true),
  )
})
afterAll(async () => {
  await gateway.close()
  await Promise.all([issuer.close(), legacy.close(), modern.close()])
})

const browserOf =
  (account: string): Browser =>
  (url) =>
    issuer.authorize(url, account)
const claims = (client: OAuthClient): Record<string, unknown> => decodeJwt(client.tokens()!.access_token)

const clients: ReadonlyArray<
  readonly [
    what: string,
    make: (url: string, browser: Browser, options?: OAuthOptions) => OAuthClient,
    plain: string,
    scoped: string,
  ]
> = [
  ['SDK v1', oauthClientV1, 'notes', 'files'],
  ['SDK v2', oauthClientV2, 'notes', 'files'],
  [
    'SDK v2 in 2026-07-28',
    (url, browser, options) => oauthClientV2(url, browser, { ...options, mode: 'auto' }),
    'modern',
    'modern-files',
  ],
]

describe.each(clients)('%s', (_, make, plain, scoped) => {
  test('finds the issuer, registers, logs in with PKCE, and its token is for this server alone (AU2, AU3, AU5, AU7)', async () => {
    const client = make(gateway.url(plain), browserOf('ada'))
    await client.connect()
    expect(client.logins).toHaveLength(1)
    const { searchParams } = client.logins[0]!
    expect(searchParams.get('resource')).toBe(gateway.url(plain))
    // The SDK v2 client adds `offline_access` by itself, since this issuer has it.
    expect(searchParams.get('scope')).toMatch(/^mcp:read( offline_access)?$/)
    expect(searchParams.get('code_challenge_method')).toBe('S256')
    expect(claims(client)).toMatchObject({ iss: issuer.issuer, sub: 'ada', aud: gateway.url(plain), scope: 'mcp:read' })
    expect(textOf(await client.call('echo', { text: 'hello' }))).toBe('hello')
    await client.close()
  })

  test('refreshes a token that is refused, and goes on in the same session (AU6)', async () => {
    const client = make(gateway.url(plain), browserOf('ada'))
    await client.connect()
    const session = client.sessionId
    client.spoil()
    expect(textOf(await client.call('echo', { text: 'again' }))).toBe('again')
    expect(client.logins).toHaveLength(1)
    expect(client.sessionId).toBe(session)
    await client.close()
  })

  test('steps up when a tool takes more, and then calls it in the same session (AU7)', async () => {
    // With a refresh token the SDK v1 client refreshes where it would have to log in, and gives up.
    const client = make(gateway.url(scoped), browserOf('ada'), { refreshes: false })
    await client.connect()
    const session = client.sessionId
    expect(claims(client)['scope']).toBe('mcp:read')
    expect(textOf(await client.call('echo', { text: 'more' }))).toBe('more')
    expect(client.logins).toHaveLength(2)
    expect(claims(client)['scope']).toBe('mcp:read mcp:write')
    expect(client.sessionId).toBe(session)
    await client.close()
  })

  test('finds its way also where nobody answers at the root of the origin (AU4)', async () => {
    const below = await startProtectedGateway(
      {
        servers: { [plain]: { url: plain === 'notes' ? legacy.url : modern.url } },
        authenticate: jwtBearer({ issuer: issuer.issuer, scopes: ['mcp:read'] }),
      },
      express5(false),
    )
    const client = make(below.url(plain), browserOf('grace'))
    await client.connect()
    expect(claims(client)).toMatchObject({ sub: 'grace', aud: below.url(plain) })
    await client.close()
    await below.close()
  })
})
