// Where a token may stand in a request, and what is refused.
import { bearerToken, GatewayError, type GatewayRequest } from '../../../lib/index.ts'
import { showsToken } from '../../../lib/inbound/access/bearer.ts'

/** A request as node hands it over: the first of two headers, and both in the raw ones. */
function request(url: string, ...authorizations: string[]): GatewayRequest {
  const rawHeaders = ['Host', 'example.com', ...authorizations.flatMap((value) => ['AUTHORIZATION', value])]
  return { url, rawHeaders, headers: { authorization: authorizations[0] } } as unknown as GatewayRequest
}

test.each([
  ['Bearer abc', 'abc'],
  ['bearer abc', 'abc'],
  ['BEARER   abc ', 'abc'],
  ['Bearer a.b-c_d~e+f/g==', 'a.b-c_d~e+f/g=='],
  ['Basic abc', undefined],
  ['Bearerabc', undefined],
  ['DPoP abc', undefined],
])('%s holds the token %s', (authorization, token) => {
  expect(bearerToken(request('/weather/mcp', authorization))).toBe(token)
})

test('without the header there is no token', () => {
  expect(bearerToken(request('/weather/mcp'))).toBeUndefined()
  expect(bearerToken(request('/weather/mcp?q=access_token'))).toBeUndefined()
})

function refusal(...args: Parameters<typeof request>): unknown {
  try {
    return bearerToken(request(...args))
  } catch (error) {
    return error
  }
}

test.each([
  ['no token', ['/mcp', 'Bearer']],
  ['an empty one', ['/mcp', 'Bearer ']],
  ['two of them', ['/mcp', 'Bearer abc def']],
  ['a token with quotes', ['/mcp', 'Bearer "abc"']],
  ['a token and a scheme after it', ['/mcp', 'Bearer abc, Basic def']],
  ['two headers', ['/mcp', 'Bearer abc', 'Bearer abc']],
  ['two headers of which the first is another scheme', ['/mcp', 'Basic abc', 'Bearer abc']],
  ['a token in the query', ['/mcp?access_token=abc']],
  ['a token in the query and in the header', ['/mcp?a=b&access_token=abc', 'Bearer abc']],
  ['an encoded name in the query', ['/mcp?access%5Ftoken=abc']],
] as const)('%s is a malformed request (AU6, AU9)', (_, [url, ...authorizations]) => {
  const error = refusal(url, ...authorizations)
  expect(error).toBeInstanceOf(GatewayError)
  expect(error).toMatchObject({ code: 'bad_request', status: 400, challenge: { error: 'invalid_request' } })
})

test('a token is shown by its scheme, whatever it is worth', () => {
  expect(showsToken(request('/mcp', 'bearer x'))).toBe(true)
  expect(showsToken(request('/mcp', 'Bearer'))).toBe(true)
  expect(showsToken(request('/mcp', 'Basic x'))).toBe(false)
  expect(showsToken(request('/mcp'))).toBe(false)
})
