// What is kept of a client's description of itself, and what is refused.
import { authOf, checkFlow, cleanName, redirectUrisIn } from '../../lib/login/client-metadata.ts'

test.each([
  ['Agent', 'Agent'],
  ['  Agent \t\n One  ', 'Agent One'],
  ['Ägent', 'Ägent'],
  ['A\u0308gent', 'Ägent'],
  ['エージェント', 'エージェント'],
  ['<b onclick="a()">Agent</b>', '<b onclick="a()">Agent</b>'],
  ['Agent\u202Etnega\u2066\u200F', 'Agenttnega'],
  ['Ag\u200Bent\uFEFF\u00AD\u2060', 'Agent'],
  ['Agent\u0000\u0007\u001b[31m', 'Agent[31m'],
  ['Agent\uD800', 'Agent'],
  ['Agent\uE000\uFFFF', 'Agent'],
  ['Agent\u3164\u2800', 'Agent'],
  [`A${'\u0301'.repeat(50)}gent`, 'Á\u0301\u0301gent'],
  ['a'.repeat(100), 'a'.repeat(100)],
  ['a'.repeat(101), `${'a'.repeat(99)}…`],
  ['😀'.repeat(100), '😀'.repeat(100)],
  ['a'.repeat(5_000_000), `${'a'.repeat(99)}…`],
  ['', undefined],
  [' \u200B\u202E', undefined],
  [undefined, undefined],
  [{ name: 'Agent' }, undefined],
  [['Agent'], undefined],
])('of the name %#, what is seen is kept', (given, name) => {
  expect(cleanName(given)).toBe(name)
})

describe('redirect URIs', () => {
  test('are kept as they are, each once', () => {
    const uris = ['https://agent.example/cb', 'cursor://a', 'http://localhost/cb', 'https://agent.example/cb']
    expect(redirectUrisIn({ redirect_uris: uris })).toEqual(uris.slice(0, 3))
  })

  test.each([
    [{}, 'has no "redirect_uris"'],
    [{ redirect_uris: [] }, 'has no "redirect_uris"'],
    [{ redirect_uris: 'https://agent.example/cb' }, 'has no "redirect_uris"'],
    [{ redirect_uris: Array.from({ length: 21 }, (_, index) => `https://a.example/${index}`) }, 'more than 20'],
    [{ redirect_uris: ['https://agent.example/cb', 'javascript:a'] }, 'scheme that no app has: "javascript:a"'],
    [{ redirect_uris: [{}] }, 'is not a URI'],
  ])('%#: %s', (metadata, message) => {
    const fault = { code: 'invalid_redirect_uri', message: expect.stringContaining(message) }
    expect(() => redirectUrisIn(metadata)).toThrow(expect.objectContaining(fault))
  })

  test('that are refused are repeated in part', () => {
    const message = (uri: string): string => {
      try {
        return String(redirectUrisIn({ redirect_uris: [uri] }))
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(message(`javascript:${'a'.repeat(5_000)}`).length).toBeLessThan(250)
  })
})

describe('the flow', () => {
  test.each([
    [{}],
    [{ grant_types: ['authorization_code'], response_types: ['code'] }],
    [{ grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'] }],
    [{ response_types: ['code', 'token'] }],
  ])('%j will do', (metadata) => {
    expect(() => checkFlow(metadata)).not.toThrow()
  })

  test.each([
    [{ grant_types: ['client_credentials'] }, 'authorization_code'],
    [{ grant_types: 'authorization_code' }, 'authorization_code'],
    [{ response_types: ['token'] }, '"code"'],
    [{ response_types: [] }, '"code"'],
  ])('%j will not: no %s', (metadata, word) => {
    expect(() => checkFlow(metadata)).toThrow(word)
  })
})

describe('authentication', () => {
  const key = { kty: 'EC', crv: 'P-256', x: 'a', y: 'b' }
  test.each([
    [{}, { authMethod: 'none' }],
    [{ token_endpoint_auth_method: 'none' }, { authMethod: 'none' }],
    [{ token_endpoint_auth_method: 'none', jwks: { keys: [key] } }, { authMethod: 'none' }],
    [
      // ChatGPT's document.
      {
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
      },
      { authMethod: 'none' },
    ],
    [
      { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'https://agent.example/jwks' },
      { authMethod: 'private_key_jwt', jwksUri: 'https://agent.example/jwks' },
    ],
    [
      { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key] } },
      { authMethod: 'private_key_jwt', jwks: { keys: [key] } },
    ],
  ])('of %j is %j', (metadata, auth) => {
    expect(authOf(metadata)).toEqual(auth)
  })

  test.each([
    [{ client_secret: 's3cret' }, 'holds a client secret'],
    [{ client_secret: '' }, 'holds a client secret'],
    [{ client_secret_expires_at: 0 }, 'holds a client secret'],
    [{ token_endpoint_auth_method: 'client_secret_basic' }, 'neither "none" nor'],
    [{ token_endpoint_auth_method: 7 }, 'neither "none" nor'],
    [{ token_endpoint_auth_method: 'private_key_jwt' }, 'neither "jwks" nor'],
    [{ token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'nowhere' }, 'neither "jwks" nor'],
    [{ token_endpoint_auth_method: 'private_key_jwt', jwks: {} }, 'public keys'],
    [{ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [] } }, 'public keys'],
    [{ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ ...key, d: 'c' }] } }, 'public keys'],
    [{ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'oct', k: 'c' }] } }, 'public keys'],
    [
      { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: Array.from({ length: 11 }, () => key) } },
      'public keys',
    ],
  ])('%j is refused: %s', (metadata, message) => {
    expect(() => authOf(metadata)).toThrow(message)
  })
})
