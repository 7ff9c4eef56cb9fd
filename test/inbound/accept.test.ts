// What the headers of a request must say.
import { checkAccept, checkVersion, GET_ACCEPTS, POST_ACCEPTS } from '../../lib/inbound/accept.ts'

test.each([
  'application/json, text/event-stream',
  'text/event-stream, application/json',
  'text/event-stream,application/json',
  'Application/JSON, Text/Event-Stream',
  'application/json;q=0.9, text/event-stream;q=0.8, */*;q=0.1',
])('HD1 a POST that accepts %j passes', (accept) => {
  expect(() => checkAccept(accept, POST_ACCEPTS)).not.toThrow()
})

test.each([undefined, '', '*/*', 'application/json', 'text/event-stream', 'application/*, text/*', 'text/html'])(
  'HD1 a POST that accepts %j is not_acceptable',
  (accept) => {
    expect(() => checkAccept(accept, POST_ACCEPTS)).toThrow(
      expect.objectContaining({
        code: 'not_acceptable',
        message: 'Accept must list application/json and text/event-stream',
      }),
    )
  },
)

test.each(['text/event-stream', 'application/json, text/event-stream', 'TEXT/EVENT-STREAM;q=1'])(
  'HD1 a GET that accepts %j passes',
  (accept) => {
    expect(() => checkAccept(accept, GET_ACCEPTS)).not.toThrow()
  },
)

test.each([undefined, '', '*/*', 'application/json'])('HD1 a GET that accepts %j is not_acceptable', (accept) => {
  expect(() => checkAccept(accept, GET_ACCEPTS)).toThrow(
    expect.objectContaining({ code: 'not_acceptable', message: 'Accept must list text/event-stream' }),
  )
})

test.each([undefined, '2025-03-26', '2025-06-18', '2025-11-25'])(
  'HD4 HD5 the version %j passes in a session that speaks 2025-06-18',
  (version) => {
    expect(() => checkVersion(version, '2025-06-18')).not.toThrow()
  },
)

test('HD4 a version that only this session knows passes', () => {
  expect(() => checkVersion('1999-01-01', '1999-01-01')).not.toThrow()
})

test.each(['', '1999-01-01', 'latest', '2025-06-18, 2025-06-18', '2025-06-18 ', '__proto__'])(
  'HD4 SC9 the version %j is a bad request, and the answer names the one to use',
  (version) => {
    expect(() => checkVersion(version, '2025-06-18')).toThrow(
      expect.objectContaining({ code: 'bad_request', message: expect.stringContaining('2025-06-18') }),
    )
  },
)
