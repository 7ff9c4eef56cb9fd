// @ts-check
// Heads both ways, from raw sockets: whatever one says, somebody gets an answer, an error, or a cut connection.
import fc from 'fast-check'
import { errorOf, property, same } from './property.mjs'
import { answerBytes, headersOf, modern, opening, shown } from './mcp.mjs'
import { closed, soon } from './world.mjs'

const subject = 'heads'
const RESULT = '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
const CALL = JSON.stringify(modern('tools/call', { name: 'echo', arguments: {} }))

/** What may stand in a header, or may not. */
const value = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[ -~]{0,30}$/) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('\u0000', 'a\rb', 'a\nb: c', 'x'.repeat(9_000), 'x'.repeat(20_000), '\t', ' ', '\u00FF'),
  },
)
/** @param {readonly string[]} names */
const headerLine = (names) =>
  fc
    .tuple(
      fc.oneof(
        fc.constantFrom(...names),
        fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/),
        fc.constantFrom('', ' ', 'a b', 'é'),
      ),
      value,
    )
    .map(([name, said]) => `${name}: ${said}\r\n`)

const ofAnswers =
  'Set-Cookie Mcp-Session-Id Retry-After Content-Encoding Date Trailer Keep-Alive Allow Connection WWW-Authenticate Location'.split(
    ' ',
  )
const types = fc.constantFrom(
  'application/json',
  'application/json; charset=utf-8',
  'Application/JSON',
  'text/html',
  'text/event-stream',
  'text/plain, application/json',
  '',
  'application/json\r\ncontent-type: text/html',
)
const length = `content-length: ${RESULT.length}\r\n`
const framings = fc.constantFrom(
  length,
  '',
  `${length}${length}`,
  `${length}content-length: 3\r\n`,
  'content-length: -1\r\n',
  'content-length: 9999\r\n',
  'content-length: x\r\n',
  'transfer-encoding: chunked\r\n',
  `transfer-encoding: chunked\r\n${length}`,
  'transfer-encoding: gzip\r\n',
)
const early = fc.array(
  fc.constantFrom(
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n',
    'HTTP/1.1 102 P\r\n\r\n',
  ),
  { maxLength: 3 },
)
const answerHead = fc.record({
  early,
  version: fc.oneof(
    { weight: 8, arbitrary: fc.constant('HTTP/1.1') },
    { weight: 1, arbitrary: fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'ICY', '') },
  ),
  status: fc.oneof(
    fc.constantFrom(200, 200, 201, 400, 401, 404, 429, 500, 503, 301, 101),
    fc.integer({ min: 206, max: 999 }),
  ),
  reason: fc.stringMatching(/^[ -~]{0,10}$/),
  type: types,
  framing: framings,
  more: fc.array(headerLine(ofAnswers), { maxLength: 3 }),
  isBroken: fc.boolean(),
})
/** @typedef {typeof answerHead extends fc.Arbitrary<infer T> ? T : never} AnswerHead */

/** @param {AnswerHead} head */
function headBytes({ early: before, version, status, reason, type, framing, more }) {
  const lines = [`content-type: ${type}\r\n`, framing, ...more, 'connection: close\r\n']
  return Buffer.from(`${before.join('')}${version} ${status} ${reason}\r\n${lines.join('')}\r\n`)
}

/** An answer whose head is this comes whole, as an error or not at all. @param {import('./world.mjs').World} world @param {AnswerHead} head @param {boolean} opens */
async function checkAnswer(world, head, opens) {
  const upstream = await world.upstream((socket) => {
    socket.write(headBytes(head))
    const body = head.type.startsWith('text/event-stream') ? `data: ${RESULT}\n\n` : RESULT
    socket.write(
      head.framing.startsWith('transfer-encoding: chunked')
        ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
        : body,
    )
    if (head.isBroken) socket.resetAndDestroy()
    else socket.end()
  })
  const text = opens ? JSON.stringify(opening(1)) : CALL
  const answer = await world.post(world.url('plain', upstream), text, opens ? {} : headersOf('tools/call', 'echo'))
  if (!answer.complete || errorOf(answer)) return
  if (answer.headers['content-type']?.startsWith('text/event-stream')) {
    // Half an event is followed by an error in words.
    if (!/^data: \{"jsonrpc":"2.0","id":1,"result":|"error":/m.test(answer.body.toString()))
      throw new Error(shown(answer))
  } else same(answer.body, Buffer.from(RESULT), `${answer.status} and complete`)
}

const anyAnswer = property(
  { name: 'an answer with any head comes whole, as an error, or is cut', subject, runs: 30 },
  fc.record({ head: answerHead, opens: fc.boolean() }),
  (world, { head, opens }) => checkAnswer(world, head, opens),
)

const bodiless = property(
  { name: 'an answer whose status has no body is an error', subject, runs: 16 },
  fc.record({
    status: fc.constantFrom(204, 205),
    type: fc.constantFrom('application/json', 'text/event-stream'),
    framing: fc.constantFrom('', 'content-length: 0\r\n'),
  }),
  async (world, { status, type, framing }) => {
    const bytes = `HTTP/1.1 ${status} X\r\ncontent-type: ${type}\r\n${framing}connection: close\r\n\r\n`
    const upstream = await world.upstream((socket) => void socket.end(bytes))
    const answer = await world.post(world.url('plain', upstream), CALL, headersOf('tools/call', 'echo'))
    if (answer.complete && !errorOf(answer) && !answer.body.includes('"error"')) throw new Error(shown(answer))
  },
)

const ofRequests =
  'Authorization Cookie Accept Content-Type Content-Length Transfer-Encoding Mcp-Session-Id MCP-Protocol-Version Mcp-Method Mcp-Name Mcp-Param-X Last-Event-ID Host Origin Expect Upgrade Connection Content-Encoding X-Forwarded-For Proxy-Authorization traceparent'.split(
    ' ',
  )
const callLength = `content-length: ${CALL.length}\r\n`
const requestHead = fc.record({
  method: fc.oneof(
    { weight: 6, arbitrary: fc.constant('POST') },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'GET',
        'DELETE',
        'OPTIONS',
        'HEAD',
        'PUT',
        'post',
        'CONNECT',
        'TRACE',
        'P\u0000ST',
        '',
      ),
    },
  ),
  path: fc.oneof(
    { weight: 6, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.constantFrom('/', '?a=1', '%2e', '/..', '#x', ' x', '%', '\u00E9', 'x'.repeat(20_000)) },
  ),
  version: fc.oneof(
    { weight: 8, arbitrary: fc.constant('HTTP/1.1') },
    { weight: 1, arbitrary: fc.constantFrom('HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', '', 'X') },
  ),
  framing: fc.constantFrom(
    callLength,
    callLength,
    callLength,
    `${callLength}${callLength}`,
    `${callLength}transfer-encoding: chunked\r\n`,
    'content-length: 7\r\n',
    'content-length: 99999\r\n',
    '',
    'transfer-encoding: x\r\n',
    'content-length: +5\r\n',
    `content-length : ${CALL.length}\r\n`,
  ),
  more: fc.array(headerLine(ofRequests), { maxLength: 4 }),
  left: fc.subarray(['accept', 'content-type', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'host'], {
    maxLength: 2,
  }),
})
const SECRET = 'the-clients-own'

const anyRequest = property(
  { name: 'a request with any head gets an answer or is cut, and only what was asked goes on', subject, runs: 40 },
  requestHead,
  async (world, { method, path, version, framing, more, left }) => {
    const upstream = await world.upstream((socket) => void socket.end(answerBytes('application/json', RESULT)))
    const { host, pathname } = new URL(world.url('plain', upstream))
    const usual = {
      host,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...headersOf('tools/call', 'echo'),
    }
    const lines = Object.entries(usual).map(([name, said]) => (left.includes(name) ? '' : `${name}: ${said}\r\n`))
    const secrets = `authorization: Bearer ${SECRET}\r\ncookie: a=${SECRET}\r\n`
    const socket = await world.connect()
    /** @type {Buffer[]} */
    const parts = []
    socket.on('data', (part) => parts.push(part))
    socket.end(
      `${method} ${pathname}${path} ${version}\r\n${lines.join('')}${secrets}${more.join('')}${framing}connection: close\r\n\r\n${CALL}`,
    )
    await soon(closed(socket), 'the end of the connection')
    const got = Buffer.concat(parts).toString('latin1')
    if (got !== '' && !/^HTTP\/1\.1 [1-5]\d\d /.test(got)) throw new Error(`no HTTP: ${got.slice(0, 200)}`)
    if (got.startsWith('HTTP/1.1 500 ')) throw new Error(got)
    for (const { body, rawHeaders } of upstream.asked) {
      if (body.length > 0) same(body, Buffer.from(CALL), 'what reached the upstream')
      if (rawHeaders.join('\n').includes(SECRET))
        throw new Error(`what is the client's own crossed: ${rawHeaders.join()}`)
    }
    if (upstream.asked.length > 1) throw new Error(`${upstream.asked.length} requests went on for one`)
  },
)

/** @type {import('./property.mjs').Property[]} */
export const heads = [anyAnswer, bodiless, anyRequest]
