// @ts-check
// Handshakes: whatever an upstream says in one, the session that comes of it works, or there is none.
import fc from 'fast-check'
import { answerBytes, handshake, openSession, shown } from './mcp.mjs'
import { property } from './property.mjs'

const subject = 'heads'
const RESULT = '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'

const revision = fc.oneof(
  fc.constantFrom('2025-06-18', '1\r\n2', 'a\nb', '\r', '\u0000', '', 'x'.repeat(20_000), '\u2028', ' 2025-06-18 '),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  fc.jsonValue({ maxDepth: 1 }),
)
const negotiated = property(
  {
    name: 'whatever revision a handshake agrees on, its session works or was never opened',
    subject,
    runs: 30,
  },
  fc.record({ variant: fc.constantFrom('plain', 'sealed', 'log'), agreed: revision }),
  async (world, { variant, agreed }) => {
    const upstream = await world.upstream((socket, { body }) => {
      const { id, method } = body.length > 0 ? JSON.parse(body.toString()) : {}
      const result =
        method === 'initialize'
          ? { protocolVersion: agreed, capabilities: {}, serverInfo: { name: 'x', version: '1' } }
          : {}
      socket.end(answerBytes('application/json', JSON.stringify({ jsonrpc: '2.0', id, result })))
    })
    const url = world.url(variant, upstream)
    const opened = await openSession(world, url).catch((/** @type {Error} */ error) => error)
    if (opened instanceof Error) {
      if (!opened.message.startsWith('no session: ')) throw opened
      return
    }
    const answer = await world.post(url, '{"jsonrpc":"2.0","id":1,"method":"ping"}', {
      'mcp-session-id': opened['mcp-session-id'],
    })
    if (answer.status !== 200)
      throw new Error(`a session of revision ${JSON.stringify(agreed)?.slice(0, 60)}: ${shown(answer)}`)
  },
)

const sessionGiven = property(
  { name: 'whatever session id an upstream gives, the session works or was never opened', subject, runs: 15 },
  fc.oneof(fc.stringMatching(/^[!-~]{1,60}$/), fc.stringMatching(/^[ -~\u00A1-\u00FF]{1,30}$/)),
  async (world, id) => {
    const upstream = await world.upstream((socket, { body, headers }) => {
      const opened = handshake(body, `mcp-session-id: ${id}\r\n`)
      if (opened) return void socket.end(opened)
      const isKnown = Buffer.from(String(headers['mcp-session-id']), 'latin1').toString().trim() === id.trim()
      return void socket.end(
        isKnown ? answerBytes('application/json', RESULT) : 'HTTP/1.1 404 No\r\nconnection: close\r\n\r\n',
      )
    })
    const url = world.url('plain', upstream)
    const opened = await openSession(world, url).catch((/** @type {Error} */ error) => error)
    if (opened instanceof Error) return
    const answer = await world.post(url, '{"jsonrpc":"2.0","id":1,"method":"ping"}', opened)
    if (answer.status !== 200) throw new Error(`a session that is ${JSON.stringify(id)} there: ${shown(answer)}`)
  },
)

/** @type {import('./property.mjs').Property[]} */
export const handshakes = [negotiated, sessionGiven]
