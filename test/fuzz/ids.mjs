// @ts-check
// Ids of requests, sessions and events: an answer is the one to the id that was asked, a session its owner's alone.
import fc from 'fast-check'
import { answerTo, chatter, dataOf } from './events.mjs'
import { errorOf, property } from './property.mjs'
import { answerBytes, handshake, headersOf, modern, openSession, shown } from './mcp.mjs'

const subject = 'ids'

const requestId = fc.oneof(
  fc.maxSafeInteger(),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom(0, -1, 1, '1', '', 'null', '__proto__', 'a"b\\', '\u2028'),
)
/** An id that is another one, most of them nearly the same. @param {string | number} id */
const otherThan = (id) =>
  fc
    .oneof(
      requestId,
      fc.constantFrom(null, undefined, true, `${id}`, ` ${id}`, `${id} `, [id], { id }),
      fc.constant(typeof id === 'string' ? Number(id) : id + 1),
    )
    .filter((other) => other !== id && !Number.isNaN(other))

const asked = requestId.chain((id) => fc.tuple(fc.constant(id), otherThan(id)))

/** The answers that are to an id, from a stream or a document. @param {import('./world.mjs').Answer} answer @param {string | number} id */
function answersTo({ headers, body }, id) {
  const texts = headers['content-type']?.startsWith('text/event-stream') ? dataOf(body) : [body.toString()]
  return texts.filter((text) => {
    try {
      const message = JSON.parse(text)
      return message?.id === id && message.method === undefined
    } catch {
      return false
    }
  })
}

/** @param {import('./world.mjs').World} world @param {string | number} id @param {string} type @param {string} body */
async function ask(world, id, type, body) {
  const upstream = await world.upstream((socket) => void socket.end(answerBytes(type, body)))
  const text = JSON.stringify(modern('tools/call', { name: 'echo' }, id))
  return world.post(world.url('plain', upstream), text, headersOf('tools/call', 'echo'))
}

const notAnother = property(
  { name: 'the answer to another id is none: who waits gets an error, or is cut off', subject, runs: 8 },
  fc.record({
    ids: asked.chain(([id, other]) => fc.tuple(fc.constant(id), answerTo(other))),
    before: chatter,
    after: chatter,
  }),
  async (world, { ids: [id, message], before, after }) => {
    const stream = `${before}data: ${JSON.stringify(message)}\n\n${after}`
    const answer = await ask(world, id, 'text/event-stream', stream)
    const got = answersTo(answer, id)
    if (answer.complete && got.length !== 1)
      throw new Error(`${got.length} answers to ${JSON.stringify(id)} in ${answer.body.toString()}`)
  },
)

const notAnotherDocument = property(
  { name: 'a document with the answer to another id is none', subject, runs: 8 },
  asked.chain(([id, other]) => fc.tuple(fc.constant(id), answerTo(other))),
  async (world, [id, message]) => {
    const answer = await ask(world, id, 'application/json', JSON.stringify(message))
    if (answer.complete && answersTo(answer, id).length !== 1) throw new Error(shown(answer))
  },
)

const own = property(
  { name: 'an answer comes back under the id that was asked, whatever that is', subject, runs: 25 },
  requestId.chain((id) => fc.record({ id: fc.constant(id), message: answerTo(id), isStream: fc.boolean() })),
  async (world, { id, message, isStream }) => {
    const text = JSON.stringify(message)
    const body = isStream ? `data: ${text}\n\n` : text
    const answer = await ask(world, id, isStream ? 'text/event-stream' : 'application/json', body)
    if (!answer.complete || answersTo(answer, id).join() !== text) throw new Error(shown(answer))
  },
)

const failing = property(
  { name: 'an error of the gateway stands under the id that was asked', subject, runs: 15 },
  requestId,
  async (world, id) => {
    const answer = await ask(world, id, 'text/html', 'sorry')
    const error = errorOf(answer)
    if (error?.id !== id) throw new Error(shown(answer))
  },
)

/** Ways to make another id of one. */
const tampering = fc.oneof(
  fc.record({ at: fc.nat({ max: 400 }), by: fc.stringMatching(/^[!-~]{1,3}$/), cut: fc.nat({ max: 3 }) }),
  fc.record({ at: fc.constant(0), by: fc.stringMatching(/^[!-~]{0,80}$/), cut: fc.constant(400) }),
)

const sessions = property(
  { name: 'no session id but the one that was given opens a session', subject, runs: 20 },
  fc.record({
    variant: fc.constantFrom('plain', 'sealed', 'log'),
    change: tampering,
    method: fc.constantFrom('POST', 'GET', 'DELETE'),
  }),
  async (world, { variant, change: { at, by, cut }, method }) => {
    const upstream = await world.upstream((socket, { body }) => {
      socket.end(handshake(body) ?? answerBytes('application/json', '{"jsonrpc":"2.0","id":1,"result":{}}'))
    })
    const url = world.url(variant, upstream)
    const headers = await openSession(world, url)
    const id = headers['mcp-session-id']
    const from = at === 0 ? 0 : at % id.length
    const forged = id.slice(0, from) + by + id.slice(from + cut)
    if (forged === id) return
    const before = upstream.asked.length
    const sent = { ...headers, 'mcp-session-id': forged }
    const body = method === 'POST' ? '{"jsonrpc":"2.0","id":1,"method":"ping"}' : undefined
    const answer = method === 'DELETE' ? await remove(url, sent) : await world.post(url, body, sent)
    if (answer.status !== 404 && answer.status !== 400) throw new Error(`${answer.status} for ${forged} of ${id}`)
    if (upstream.asked.length > before) throw new Error(`${forged} went for ${id}`)
  },
)

/** @param {string} url @param {Record<string, string>} headers */
async function remove(url, headers) {
  const { status } = await fetch(url, { method: 'DELETE', headers: { ...headers, connection: 'close' } })
  return { status }
}

const eventId = fc.oneof(
  { weight: 1, arbitrary: fc.stringMatching(/^[!-~]{1,20}$/) },
  {
    weight: 3,
    arbitrary: fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
      .map((text) => text.replaceAll(/[\s\0\u0085]/gu, '-')),
  },
)

const resumed = property(
  { name: 'a stream that broke after an event of any id is resumed behind it', subject, runs: 16 },
  fc.record({ variant: fc.constantFrom('plain', 'log'), id: eventId }),
  async (world, { variant, id }) => {
    /** @type {string[]} */
    const after = []
    const message = '{"jsonrpc":"2.0","id":1,"result":{"text":"all"}}'
    const stream = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n'
    const upstream = await world.upstream((socket, { method, body, headers }) => {
      const opened = handshake(body)
      if (opened) return void socket.end(opened)
      if (method === 'POST') {
        return void socket.end(
          `${stream}content-length: 9999\r\n\r\nretry: 1\nid: ${id}\ndata: {"jsonrpc":"2.0","method":"x"}\n\n`,
        )
      }
      after.push(Buffer.from(String(headers['last-event-id']), 'latin1').toString())
      return void socket.end(answerBytes('text/event-stream', `data: ${message}\n\n`))
    })
    const url = world.url(variant, upstream)
    const headers = await openSession(world, url)
    const answer = await world.post(
      url,
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}',
      headers,
    )
    if (after[0] !== id || answersTo(answer, 1)[0] !== message) {
      throw new Error(`resumed after ${JSON.stringify(after)}, not ${JSON.stringify(id)}: ${shown(answer)}`)
    }
  },
)

/** @type {import('./property.mjs').Property[]} */
export const ids = [notAnother, notAnotherDocument, own, failing, sessions, resumed]
