// What the headers of a request must say.
import { acceptsOfGet, acceptsOfPost, checkVersion, requireEvents } from '../../lib/inbound/accept.ts'

const BOTH = { json: true, events: true }
const JSON_ALONE = { json: true, events: false }

test.each([
  'application/json, text/event-stream',
  'text/event-stream, application/json',
  'text/event-stream,application/json',
  'Application/JSON, Text/Event-Stream',
  'application/json;q=0.9, text/event-stream;q=0.8, */*;q=0.1',
  'application/json; charset=utf-8, text/event-stream;charset=UTF-8',
  '*/*',
  'text/html, */*;q=0.1',
  'application/*, text/*',
])('HD1 a POST that accepts %j takes both', (accept) => {
  expect(acceptsOfPost(accept)).toEqual(BOTH)
  expect(acceptsOfGet(accept)).toEqual(BOTH)
})

test.each([
  'application/json',
  'application/*',
  'application/json, text/event-stream;q=0',
  'application/json, text/event-streams',
  'text/event-stream;q=0, */*',
])('HD1 a POST that accepts %j takes JSON alone, and such a GET is not_acceptable', (accept) => {
  expect(acceptsOfPost(accept)).toEqual(JSON_ALONE)
  expect(() => acceptsOfGet(accept)).toThrow(expect.objectContaining({ code: 'not_acceptable' }))
})

test.each([
  undefined,
  '',
  'text/event-stream',
  'text/html',
  'application/jsonp',
  'application/json;q=0, */*',
  'application/json;q=0.0',
  '*',
  'text/html;why="application/json"',
  'text/html;why="a, application/json"',
])('HD1 a POST that accepts %j is not_acceptable', (accept) => {
  expect(() => acceptsOfPost(accept)).toThrow(
    expect.objectContaining({
      code: 'not_acceptable',
      message: 'Accept must list application/json and text/event-stream',
    }),
  )
})

test.each(['text/event-stream', 'TEXT/EVENT-STREAM;q=1', 'text/*'])('HD1 a GET that accepts %j passes', (accept) => {
  expect(acceptsOfGet(accept)).toMatchObject({ events: true })
})

test.each([undefined, '', 'application/json', 'text/event-stream;q=0'])(
  'HD1 a GET that accepts %j is not_acceptable',
  (accept) => {
    expect(() => acceptsOfGet(accept)).toThrow(
      expect.objectContaining({ code: 'not_acceptable', message: 'Accept must list text/event-stream' }),
    )
  },
)

test('HD1 what is said in thousands of ways is parsed each time', () => {
  for (let each = 0; each < 300; each += 1) {
    expect(acceptsOfPost(`application/json, text/x${each}`)).toEqual(JSON_ALONE)
    expect(acceptsOfPost(`*/*, text/x${'y'.repeat(each)}`)).toEqual(BOTH)
  }
})

test('HD1 a listener of the modern era has to take event streams', () => {
  expect(() => requireEvents(JSON_ALONE)).toThrow(expect.objectContaining({ code: 'not_acceptable' }))
  expect(() => requireEvents(BOTH)).not.toThrow()
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
