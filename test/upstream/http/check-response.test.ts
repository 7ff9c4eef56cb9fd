// What a status and a content type mean, as a table.
import type { GatewayErrorCode } from '../../../lib/errors.ts'
import { checkResponse, type Expected } from '../../../lib/upstream/http/check-response.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const STREAM = { 'content-type': 'text/event-stream' }
const HTML = { 'content-type': 'text/html' }

const answer: Expected = { expects: 'answer', era: 'legacy', inSession: true }
const stream: Expected = { expects: 'stream', era: 'legacy', inSession: true }
const acceptance: Expected = { expects: 'acceptance', era: 'legacy', inSession: true }
const handshake: Expected = { expects: 'answer', era: 'legacy', inSession: false }
const modern: Expected = { expects: 'answer', era: 'modern', inSession: false }

type Headers = Readonly<Record<string, string | string[]>>
type Row = [what: string, expected: Expected, status: number, headers: Headers]

describe('a reply to relay', () => {
  test.each<Row>([
    ['JSON to a request', answer, 200, JSON_TYPE],
    ['JSON with a charset', answer, 200, { 'content-type': 'application/json; charset=utf-8' }],
    ['JSON in capitals', answer, 200, { 'content-type': 'Application/JSON' }],
    ['an event stream to a request', answer, 200, STREAM],
    ['an event stream to a listener', stream, 200, { 'content-type': 'text/event-stream;charset=utf-8' }],
    ['acceptance without a type', acceptance, 202, {}],
    ['acceptance as 204', acceptance, 204, {}],
    ['acceptance with a page', acceptance, 200, HTML],
    ['identity encoding, said aloud', answer, 200, { ...JSON_TYPE, 'content-encoding': 'identity' }],
    ['a JSON-RPC error with 400', answer, 400, JSON_TYPE],
    ['a JSON-RPC error with 500', answer, 500, JSON_TYPE],
    ['a JSON-RPC refusal of a notification', acceptance, 400, JSON_TYPE],
    ['a JSON-RPC refusal of a second listener', stream, 409, JSON_TYPE],
    ['a modern JSON-RPC error with 404', modern, 404, JSON_TYPE],
  ])('%s (HD21, ER8, RPC10)', (_, expected, status, headers) => {
    expect(checkResponse(expected, { status, headers })).toBeUndefined()
  })
})

describe('an error that stands for the reply', () => {
  test.each<[...Row, GatewayErrorCode, number]>([
    ['a page to a request', answer, 200, HTML, 'upstream_invalid', 502],
    ['no type to a request', answer, 200, {}, 'upstream_invalid', 502],
    [
      'two types to a request',
      answer,
      200,
      { 'content-type': ['application/json', 'text/html'] },
      'upstream_invalid',
      502,
    ],
    ['acceptance of a request', answer, 202, {}, 'upstream_invalid', 502],
    ['no content for a request', answer, 204, {}, 'upstream_invalid', 502],
    ['JSON to a listener', stream, 200, JSON_TYPE, 'upstream_invalid', 502],
    ['acceptance of a listener', stream, 202, {}, 'upstream_invalid', 502],
    ['gzip', answer, 200, { ...JSON_TYPE, 'content-encoding': 'gzip' }, 'upstream_invalid', 502],
    ['brotli on a stream', stream, 200, { ...STREAM, 'content-encoding': 'br' }, 'upstream_invalid', 502],
    ['301', answer, 301, JSON_TYPE, 'upstream_invalid', 502],
    ['302', stream, 302, STREAM, 'upstream_invalid', 502],
    ['304', answer, 304, {}, 'upstream_invalid', 502],
    ['307', answer, 307, JSON_TYPE, 'upstream_invalid', 502],
    ['308', acceptance, 308, {}, 'upstream_invalid', 502],
    ['401', answer, 401, JSON_TYPE, 'upstream_unauthorized', 502],
    ['403', stream, 403, HTML, 'upstream_unauthorized', 502],
    ['407', acceptance, 407, {}, 'upstream_unauthorized', 502],
    ['404 in a session', answer, 404, JSON_TYPE, 'session_not_found', 404],
    ['404 in a session, as a page', stream, 404, HTML, 'session_not_found', 404],
    ['404 in a session, to a notification', acceptance, 404, {}, 'session_not_found', 404],
    ['404 to a handshake', handshake, 404, JSON_TYPE, 'upstream_invalid', 502],
    ['405 to a listener', stream, 405, HTML, 'upstream_refused', 405],
    ['405 as JSON to a listener', stream, 405, JSON_TYPE, 'upstream_refused', 405],
    ['400 as a page', answer, 400, HTML, 'upstream_refused', 400],
    ['409 as a page', stream, 409, HTML, 'upstream_refused', 409],
    ['429 as a page', answer, 429, HTML, 'upstream_refused', 429],
    ['500 as a page', answer, 500, HTML, 'upstream_refused', 502],
    ['501 as a page', stream, 501, HTML, 'upstream_refused', 502],
    ['502 as a page', acceptance, 502, HTML, 'upstream_refused', 502],
    ['503 as a page', answer, 503, HTML, 'upstream_refused', 503],
    ['504 as a page', answer, 504, HTML, 'upstream_refused', 504],
    ['599', answer, 599, {}, 'upstream_refused', 502],
  ])('%s (HD17, HD21, ER8, ER9, UC9)', (_, expected, status, headers, code, answered) => {
    expect(checkResponse(expected, { status, headers })).toMatchObject({ code, status: answered })
  })

  test('says how a redirect is mended, and follows none (UC9)', () => {
    expect(checkResponse(answer, { status: 308, headers: { location: 'http://169.254.169.254/' } })?.message).toMatch(
      /redirect.*configure/,
    )
  })

  test.each([
    ['503 keeps it', 503, { 'retry-after': '17' }, { 'retry-after': '17' }],
    [
      '429 keeps it',
      429,
      { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' },
      { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' },
    ],
    ['503 without it gets a second', 503, {}, { 'retry-after': '1' }],
  ])('Retry-After: %s (HD20, ER9)', (_, status, headers, kept) => {
    expect(checkResponse(answer, { status, headers })?.headers).toEqual(kept)
  })

  test("405 says what is allowed: the upstream's own list, or what is left without GET (RT3, RT7)", () => {
    expect(checkResponse(stream, { status: 405, headers: { allow: 'POST' } })?.headers).toEqual({ allow: 'POST' })
    expect(checkResponse(stream, { status: 405, headers: {} })?.headers).toEqual({ allow: 'POST, DELETE' })
  })

  test('brings none of the upstream credentials talk along (HD20)', () => {
    const error = checkResponse(answer, {
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="upstream"', 'set-cookie': ['a=1'] },
    })
    expect(error?.headers).toEqual({})
  })
})
