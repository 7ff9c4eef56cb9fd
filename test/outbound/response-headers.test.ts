// Which headers of a reply a client gets, by the list itself.
import type { Reply, ReplyHeaders } from '../../lib/exchange/reply.ts'
import { clientHeaders } from '../../lib/outbound/response-headers.ts'

const replyWith = (headers: ReplyHeaders): Reply => ({ kind: 'empty', status: 200, headers })

test('clientHeaders lets content type, length, Retry-After and the like back and nothing else (HD20)', () => {
  const listed = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': '2',
    'cache-control': 'no-store',
    'retry-after': '7',
    allow: 'POST',
  }
  const unlisted = {
    'set-cookie': ['a=1', 'b=2'],
    'www-authenticate': 'Bearer resource_metadata="https://upstream.example/"',
    'proxy-authenticate': 'Basic',
    'mcp-session-id': 'upstream-id',
    server: 'nginx',
    'x-powered-by': 'PHP',
    'access-control-allow-origin': '*',
    'strict-transport-security': 'max-age=1',
    'clear-site-data': '"*"',
    location: 'https://upstream.example/',
    connection: 'close',
    'transfer-encoding': 'chunked',
    'content-encoding': 'identity',
  }
  expect(clientHeaders(replyWith({ ...listed, ...unlisted }))).toEqual(listed)
})

test('clientHeaders passes over what has no value, or several (SC10)', () => {
  expect(clientHeaders(replyWith({ 'retry-after': undefined, allow: ['POST', 'GET'] }))).toEqual({})
})

test('a client gets the session id that the gateway gave, and never that of the server (HD19)', () => {
  const reply = { ...replyWith({ 'mcp-session-id': 'upstream-id' }), sessionId: 'gateway-id' }
  expect(clientHeaders(reply)).toEqual({ 'mcp-session-id': 'gateway-id' })
})
