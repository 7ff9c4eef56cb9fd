// What a hook answers, and who that is: principals, the SDK's AuthInfo, and nobody.
import { GatewayError, type GatewayRequest } from '../../../lib/index.ts'
import { principalOf } from '../../../lib/inbound/access/principal.ts'

const RESOURCE = 'https://app.example.com/mcp-servers/files/mcp'
const request = (authorization?: string): GatewayRequest =>
  ({ headers: { authorization } }) as unknown as GatewayRequest
const of = (answer: unknown, resource?: string) => principalOf(answer, request(), resource)
const info = { token: 'abc', clientId: 'desktop', scopes: ['mcp'], expiresAt: 1 }

test('a principal stays the object it is', () => {
  const principal = { id: 'ada', token: 'x', clientId: 'y' }
  expect(of(principal)).toBe(principal)
})

test.each([
  [null],
  [true],
  ['ada'],
  [7],
  [{}],
  [{ id: '' }],
  [{ id: 7 }],
  [{ token: '', clientId: 'a' }],
  [{ token: 'a' }],
])('answering %j is a fault of the hook', (answer) => {
  expect(() => of(answer)).toThrow(TypeError)
})

test.each(['docs:read', new Set(['docs:read']), { 'docs:read': true }, 7])(
  'scopes that are no array, %p, are a fault of the hook (AU6)',
  (scopes) => {
    expect(() => of({ id: 'ada', scopes })).toThrow(/"scopes" as an array/)
    expect(() => of({ ...info, scopes })).toThrow(/"scopes" as an array/)
  },
)

test.each([[], ['docs:read'], undefined, null])('scopes may be %j', (scopes) => {
  expect(of({ id: 'ada', scopes })).toEqual({ id: 'ada', scopes })
})

test('nobody is asked to authenticate, and who showed a token is told that it is not valid (AU6)', () => {
  const refusal = (authorization?: string): unknown => {
    try {
      return principalOf(undefined, request(authorization), undefined)
    } catch (error) {
      return error
    }
  }
  expect(refusal()).toBeInstanceOf(GatewayError)
  expect(refusal()).toMatchObject({ code: 'unauthorized', challenge: {} })
  expect(refusal('Basic abc')).toMatchObject({ code: 'unauthorized', challenge: {} })
  expect(refusal('Bearer abc')).toMatchObject({ code: 'unauthorized', challenge: { error: 'invalid_token' } })
})

describe("the SDK's AuthInfo", () => {
  test('is who its issuer and subject say, so that a refreshed token keeps the session', () => {
    const extra = { iss: 'https://login.example.com', sub: 'ada' }
    expect(of({ ...info, extra })).toEqual({ ...info, extra, id: 'https://login.example.com ada' })
    expect(of({ ...info, token: 'another', extra }).id).toBe('https://login.example.com ada')
  })

  test.each([
    [undefined],
    [{}],
    [{ sub: 'ada' }],
    [{ iss: 'https://login.example.com' }],
    [{ iss: 'x', sub: 7 }],
    [{ iss: '', sub: 'ada' }],
  ])('with %j of them is its token, and never the client alone: many users share one (SC5)', (extra) => {
    const id = of({ ...info, extra }).id
    expect(id).toMatch(/^token [\w-]{43}$/)
    expect(of({ ...info, token: 'another', extra }).id).not.toBe(id)
    expect(of({ ...info, clientId: 'another', extra }).id).toBe(id)
  })

  test('shows nothing of the token in its id (SC7)', () => {
    expect(of({ ...info, token: 'secret' }).id).not.toContain('secret')
  })

  test.each([
    [RESOURCE, RESOURCE, true],
    [`${RESOURCE}/`, RESOURCE, true],
    ['https://other.example/', RESOURCE, false],
    ['https://other.example/', undefined, true],
  ])('for the resource %s is let in to %s: %s (AU8)', (resource, own, isGood) => {
    const enter = (): unknown => of({ ...info, resource: new URL(resource) }, own)
    if (isGood) expect(enter()).toMatchObject({ clientId: 'desktop' })
    else expect(enter).toThrow('The access token is for another resource')
  })
})
