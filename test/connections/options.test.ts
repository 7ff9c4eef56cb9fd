// What userConnections() says of options that cannot work together, or would not be safe.
import { userConnections, type UserConnectionsOptions } from '../../lib/connections/index.ts'
import { MemoryLoginStore } from '../../lib/stores/memory-login-store.ts'

const ISSUER = 'https://login.example.com'

function make(more: Partial<UserConnectionsOptions>): unknown {
  return userConnections({
    baseUrl: 'https://app.example.com/connections',
    user: () => undefined,
    loginUrl: '/login',
    secrets: ['a secret of 32 characters or more'],
    store: new MemoryLoginStore(),
    ...more,
  })
}

const client = { clientId: 'app', clientSecret: 's3cret' }
const endpoints = { authorizationEndpoint: `${ISSUER}/authorize`, tokenEndpoint: `${ISSUER}/token` }

test.each<[what: string, more: Partial<UserConnectionsOptions>, message: RegExp]>([
  ['http: elsewhere', { baseUrl: 'http://app.example.com/connections' }, /"baseUrl" must be an https: URL/],
  ['a query', { baseUrl: 'https://app.example.com/connections?a=1' }, /"baseUrl"/],
  ['a spelling that no service would compare equal', { baseUrl: 'https://APP.example.com/connections' }, /"baseUrl"/],
  [
    'a login of another origin',
    { loginUrl: 'https://evil.example/login' },
    /"loginUrl" must be a page of https:\/\/app/,
  ],
  ['a short secret', { secrets: ['short'] }, /"secrets" must be secrets of 32/],
  ['an issuer that is none', { clients: { 'http://login.example.com': client } }, /which is no issuer/],
  [
    'an auth method without a secret',
    { clients: { [ISSUER]: { clientId: 'a', authMethod: 'client_secret_post' } } },
    /"authMethod" without/,
  ],
  [
    'one endpoint',
    { servers: { crm: { issuer: ISSUER, tokenEndpoint: `${ISSUER}/token` } } },
    /"servers.crm" needs "issuer", "authorizationEndpoint" and "tokenEndpoint" together/,
  ],
  [
    'endpoints without a client',
    { servers: { crm: { issuer: ISSUER, ...endpoints } } },
    /"clients" needs an entry for "https:\/\/login.example.com"/,
  ],
  [
    'endpoints at http:',
    { servers: { crm: { issuer: ISSUER, ...endpoints, tokenEndpoint: 'http://a.example' } } },
    /"servers.crm.tokenEndpoint" must be an https: URL/,
  ],
  [
    'a parameter that is the own one',
    { servers: { crm: { parameters: { redirect_uri: 'https://evil.example' } } } },
    /may not have "redirect_uri"/,
  ],
  ['a scope that is two', { servers: { crm: { scopes: ['a b'] } } }, /"servers.crm.scopes" must be an array of scopes/],
])('%s is a TypeError that names the option and the cure', (_what, more, message) => {
  expect(() => make(more)).toThrow(message)
  expect(() => make(more)).toThrow(TypeError)
  expect(() => make(more)).toThrow(/\(docs\/errors\.md#typeerror\)$/)
})

test('what can work is taken', () => {
  const servers = { crm: { issuer: ISSUER, ...endpoints, resource: false as const, parameters: { prompt: 'login' } } }
  expect(() => make({ servers, clients: { [ISSUER]: { clientId: 'public' } } })).not.toThrow()
  expect(() => make({ baseUrl: 'http://127.0.0.1:3000/connections', title: 'App', ttlS: 60 })).not.toThrow()
})
