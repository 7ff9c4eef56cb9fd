// Options that cannot work are TypeErrors at construction, which name the option and the cure.
import { generateKeyPairSync, webcrypto } from 'node:crypto'
import { resourceOf } from '../../lib/auth/token-options.ts'
import { clientCredentials, tokenExchange } from '../../lib/auth/index.ts'

const good = { issuer: 'https://login.example.com', clientId: 'gateway', clientSecret: 's3cret' }
const make = { clientCredentials, tokenExchange }

const { publicKey } = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
  'sign',
  'verify',
])

describe.each(['clientCredentials', 'tokenExchange'] as const)('%s', (grant) => {
  test.each([
    ['nothing', undefined, 'takes an object'],
    ['an unknown option', { ...good, audience: 'x' }, '.audience" is not an option; there are: issuer, clientId'],
    ['no issuer', { ...good, issuer: undefined }, '"issuer" must be an https: URL'],
    ['an issuer without TLS (SC4)', { ...good, issuer: 'http://login.example.com' }, '"issuer" must be'],
    [
      'an issuer that only begins like loopback (SC4)',
      { ...good, issuer: 'http://127.0.0.1.nip.io' },
      '"issuer" must be',
    ],
    ['an issuer with a query', { ...good, issuer: 'https://login.example.com/?a' }, '"issuer" must be'],
    ['no client id', { ...good, clientId: '' }, '"clientId" must be'],
    ['no secret', { ...good, clientSecret: undefined }, 'either "clientSecret" or "privateKey"'],
    ['an empty secret', { ...good, clientSecret: '' }, '"clientSecret" must be'],
    ['a secret and a key', { ...good, privateKey: publicKey }, 'either "clientSecret" or "privateKey"'],
    ['a public key', { ...good, clientSecret: undefined, privateKey: publicKey }, '"privateKey" must be'],
    [
      "a key of node:crypto's own",
      { ...good, clientSecret: undefined, privateKey: generateKeyPairSync('ed25519').privateKey },
      '"privateKey" must be',
    ],
    ['an unknown method', { ...good, authMethod: 'none' }, '"authMethod" must be client_secret_basic or'],
    ['scopes as a string', { ...good, scopes: 'a b' }, '"scopes" must be an array'],
    ['a resource with a fragment', { ...good, resource: 'https://mcp.example.com/#a' }, '"resource" must be'],
    ['a parameter that is no string', { ...good, parameters: { audience: 1 } }, '"parameters" must be'],
    ['no time at all', { ...good, timeoutMs: 0 }, '"timeoutMs" must be'],
    ['a time that is none', { ...good, timeoutMs: Number.NaN }, '"timeoutMs" must be'],
  ])('%s', (_, options, message) => {
    const construct = (): unknown => make[grant](options as typeof good)
    expect(construct).toThrow(TypeError)
    expect(construct).toThrow(grant)
    expect(construct).toThrow(message)
    if (options !== undefined) expect(construct).not.toThrow('s3cret')
  })

  test.each([
    ['the least', good],
    ['an issuer on the same machine', { ...good, issuer: 'http://localhost:8080/realms/a' }],
    ['undefined for what is not set', { ...good, privateKey: undefined, scopes: undefined, timeoutMs: undefined }],
  ])('takes %s', (_, options) => {
    expect(make[grant](options)).toBeInstanceOf(Function)
  })
})

test('tokenExchange: "subjectToken" must be a function', () => {
  expect(() => tokenExchange({ ...good, subjectToken: 'token' as never })).toThrow('"subjectToken" must be a function')
  expect(() => clientCredentials({ ...good, subjectToken: () => '' } as never)).toThrow('is not an option')
})

test.each([
  ['https://mcp.example.com/mcp', 'https://mcp.example.com/mcp'],
  ['https://MCP.Example.com:443/mcp', 'https://mcp.example.com/mcp'],
  ['https://mcp.example.com/', 'https://mcp.example.com'],
  ['https://mcp.example.com:8443/a/mcp?key=s3cret#part', 'https://mcp.example.com:8443/a/mcp'],
])('the resource of %s is %s (AU15)', (url, resource) => {
  expect(resourceOf(url)).toBe(resource)
})
