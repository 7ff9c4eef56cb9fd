// What a refused client reads in WWW-Authenticate.
import { GatewayError } from '../../../lib/index.ts'
import { challengeHeaders } from '../../../lib/inbound/access/challenge.ts'

const asked = { metadataUrl: 'https://app.example.com/mcp/.well-known/x', scopes: ['mcp'] }
const challenge = (error: GatewayError, to = asked): string | undefined =>
  challengeHeaders(error, to)['www-authenticate']

test('who showed no token is told where to get one, and of no error (AU3, AU7)', () => {
  expect(challengeHeaders(new GatewayError('unauthorized', 'Authentication required'), asked)).toEqual({
    'www-authenticate': 'Bearer scope="mcp", resource_metadata="https://app.example.com/mcp/.well-known/x"',
    'cache-control': 'no-store',
  })
})

test('without metadata and scopes the scheme is all there is', () => {
  const error = new GatewayError('unauthorized', 'x')
  expect(challengeHeaders(error, { metadataUrl: undefined, scopes: [] })['www-authenticate']).toBe('Bearer')
})

test('who showed a token that is not good is told why (AU6)', () => {
  const error = new GatewayError('unauthorized', 'It has expired', { challenge: { error: 'invalid_token' } })
  expect(challenge(error)).toBe(
    'Bearer error="invalid_token", error_description="It has expired", scope="mcp", ' +
      'resource_metadata="https://app.example.com/mcp/.well-known/x"',
  )
})

test('who lacks a scope is told all that the operation needs (AU7)', () => {
  const error = new GatewayError('insufficient_scope', 'Ask for more', { challenge: { scopes: ['mcp', 'write'] } })
  expect(challenge(error)).toMatch(/^Bearer error="insufficient_scope", .*scope="mcp write", resource_metadata=/)
})

test('a malformed request is told so, and of no scope', () => {
  const error = new GatewayError('bad_request', 'Two headers', { challenge: { error: 'invalid_request' } })
  expect(challenge(error)).toMatch(/^Bearer error="invalid_request", error_description="Two headers", resource_/)
})

test('an error that asks for nothing adds no header, and neither does one whose hook has said it itself', () => {
  expect(challengeHeaders(new GatewayError('forbidden', 'x'), asked)).toEqual({})
  const headers = { 'www-authenticate': 'Basic realm="app"' }
  expect(challengeHeaders(new GatewayError('unauthorized', 'x', { headers }), asked)).toEqual({})
})

test('no message breaks out of its quotes or of its line (SC6)', () => {
  const message = 'a "b" \\c\r\nSet-Cookie: d=é'
  const error = new GatewayError('unauthorized', message, { challenge: { error: 'invalid_token' } })
  expect(challenge(error)).toContain(`error_description="a 'b' ?c??Set-Cookie: d=?",`)
})
