// @ts-check
// Bodies both ways: what arrives is what was sent, and half a document never looks whole.
import fc from 'fast-check'
import { answerTo, cutAt, cuts, fraction } from './events.mjs'
import { atMost, errorOf, property, same } from './property.mjs'
import { answerBytes, chunk, crumbs, headersOf, modern, opening, shown } from './mcp.mjs'
import { closed, soon } from './world.mjs'

/** @typedef {import('./world.mjs').World} World */

const subject = 'bodies'
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n'
const RESULT = '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** The head of a POST of revision 2026-07-28. @param {string} url @param {string} more */
function headOf(url, more) {
  const own = Object.entries(headersOf('tools/call', 'echo')).map(([name, value]) => `${name}: ${value}\r\n`)
  const accept = 'accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n'
  const { host, pathname } = new URL(url)
  return `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${accept}${own.join('')}${more}\r\n`
}

/** Everything that comes until the connection closes. @param {import('node:net').Socket} socket */
async function received(socket) {
  /** @type {Buffer[]} */
  const parts = []
  socket.on('data', (part) => parts.push(part))
  await soon(closed(socket), 'the end of an answer')
  return Buffer.concat(parts).toString()
}

/** A tool call with these arguments. @param {unknown} args */
const callWith = (args) => JSON.stringify(modern('tools/call', { name: 'echo', arguments: args }))

const crosses = property(
  { name: 'a request reaches the upstream byte for byte, in whatever pieces it comes', subject, runs: 15 },
  fc.record({
    args: fc.dictionary(fc.string(), fc.jsonValue()),
    where: cuts,
    isChunked: fc.boolean(),
    apart: fc.boolean(),
  }),
  async (world, { args, where, isChunked, apart }) => {
    const upstream = await world.upstream((socket) => void socket.end(answerBytes('application/json', RESULT)))
    const url = world.url('plain', upstream)
    const body = Buffer.from(callWith(args))
    const socket = await world.connect()
    const answer = received(socket)
    socket.setNoDelay(true)
    socket.write(headOf(url, isChunked ? 'transfer-encoding: chunked\r\n' : `content-length: ${body.length}\r\n`))
    for (const piece of cutAt(body, where)) {
      socket.write(isChunked ? chunk(piece) : piece)
      if (apart) await turn()
    }
    if (isChunked) socket.write('0\r\n\r\n')
    const got = await answer
    if (!got.startsWith('HTTP/1.1 200 ') || !got.endsWith(RESULT)) throw new Error(got)
    same(upstream.asked[0]?.body ?? Buffer.alloc(0), body, 'the request')
  },
)

const crumbsHeld = property(
  { name: 'what is held of a request in single bytes goes by its bytes', subject, runs: 1 },
  fc.record({ size: fc.integer({ min: 1, max: 4 }), pieces: fc.integer({ min: 60_000, max: 120_000 }) }),
  async (world, { size, pieces }) => {
    const upstream = await world.upstream((socket) => void socket.end(answerBytes('application/json', RESULT)))
    const [before = '', after = ''] = callWith({ text: '<>' }).split('<>')
    const bytes = crumbs('x'.repeat(size * pieces), size)
    const socket = await world.connect()
    const answer = received(socket)
    const held = await world.held(bytes.length, async () => {
      socket.write(headOf(world.url('plain', upstream), 'transfer-encoding: chunked\r\n'))
      socket.write(chunk(before))
      socket.write(bytes)
    })
    atMost(held, 8 * size * pieces + 2 ** 21, `held of ${size * pieces} bytes`)
    socket.write(chunk(after))
    socket.write('0\r\n\r\n')
    if (!(await answer).endsWith(RESULT)) throw new Error(await answer)
    same(
      upstream.asked[0]?.body ?? Buffer.alloc(0),
      Buffer.from(before + 'x'.repeat(size * pieces) + after),
      'the request',
    )
  },
)

/** Which documents somebody has to look into. */
const documents = fc.constantFrom('plain initialize', 'cache tools/list', 'plain tools/call')

/** Asks for a document. @param {World} world @param {string} way @param {import('./world.mjs').Script} script */
async function askFor(world, way, script) {
  const [variant = '', method = ''] = way.split(' ')
  const url = world.url(variant, await world.upstream(script))
  if (method === 'initialize') return { url, text: JSON.stringify(opening(1)), headers: {} }
  if (method === 'tools/call') return { url, text: callWith({}), headers: headersOf(method, 'echo') }
  return { url, text: JSON.stringify(modern(method)), headers: headersOf(method) }
}

const answerCrumbs = property(
  { name: 'what is held of a document in single bytes goes by its bytes', subject, runs: 1 },
  fc.record({
    way: fc.constantFrom('plain initialize', 'cache tools/list'),
    pieces: fc.integer({ min: 60_000, max: 120_000 }),
  }),
  async (world, { way, pieces }) => {
    const bytes = crumbs('x'.repeat(pieces))
    /** @type {(socket: import('node:net').Socket) => void} */
    let begun = () => {}
    const asked = new Promise((/** @type {(socket: import('node:net').Socket) => void} */ resolve) => (begun = resolve))
    const { url, text, headers } = await askFor(world, way, (socket) => {
      socket.write(
        `${HEAD}transfer-encoding: chunked\r\n\r\n${chunk('{"jsonrpc":"2.0","id":1,"result":{"text":"').toString()}`,
      )
      begun(socket)
    })
    void world.post(url, text, headers).catch(() => {})
    const upstream = await soon(asked, 'the request')
    const held = await world.held(bytes.length, async () => upstream.write(bytes))
    atMost(held, 8 * pieces + 2 ** 21, `held of ${pieces} bytes`)
  },
)

/** An answer from some bytes to some hundred thousand. */
const document = fc
  .record({ answer: answerTo(1), pad: fc.oneof(fc.constant(0), fc.nat({ max: 200_000 })) })
  .map(({ answer, pad }) => JSON.stringify({ pad: 'p'.repeat(pad), ...answer }))

/** The client got all of it, an error, or a connection that broke. @param {import('./world.mjs').Answer} answer @param {string} all */
function checkWhole(answer, all) {
  if (!answer.complete || errorOf(answer)) return
  same(answer.body, Buffer.from(all), `${answer.status} and complete`)
}

const answers = property(
  { name: 'a document is what was sent, in whatever pieces it comes', subject, runs: 15 },
  fc.record({ way: documents, text: document, where: cuts, framed: fc.constantFrom('chunked', 'length', 'close') }),
  async (world, { way, text, where, framed }) => {
    const bytes = Buffer.from(text)
    const pieces = cutAt(bytes, where === 'singly' && bytes.length > 2_000 ? [0.5] : where)
    const how = { chunked: 'transfer-encoding: chunked\r\n', length: `content-length: ${bytes.length}\r\n`, close: '' }[
      framed
    ]
    const asked = await askFor(world, way, async (socket) => {
      socket.write(`${HEAD}${how}\r\n`)
      for (const piece of pieces) {
        socket.write(framed === 'chunked' ? chunk(piece) : piece)
        await turn()
      }
      socket.end(framed === 'chunked' ? '0\r\n\r\n' : '')
    })
    const answer = await world.post(asked.url, asked.text, asked.headers)
    if (!answer.complete || answer.status !== 200) throw new Error(shown(answer).slice(0, 200))
    same(answer.body, bytes, 'the document')
  },
)

/** @param {string} name @param {string} known @param {number} runs @param {readonly string[]} framings */
const cutShort = (name, known, runs, framings) =>
  property(
    { name, subject, ...(known !== '' && { known }), runs },
    fc.record({
      way: documents,
      text: document,
      upTo: fraction,
      framed: fc.constantFrom(...framings),
      isReset: fc.boolean(),
    }),
    async (world, { way, text, upTo, framed, isReset }) => {
      const bytes = Buffer.from(text)
      const came = bytes.subarray(0, Math.min(Math.round(upTo * bytes.length), bytes.length - 1))
      const lengths = { length: bytes.length, wrong: came.length }
      const asked = await askFor(world, way, async (socket) => {
        if (framed === 'chunked') socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`)
        else if (framed === 'close') socket.write(`${HEAD}\r\n`)
        else socket.write(`${HEAD}content-length: ${lengths[/** @type {'length'} */ (framed)]}\r\n\r\n`)
        if (came.length > 0) socket.write(framed === 'chunked' ? chunk(came) : came)
        await turn()
        if (isReset && framed !== 'close') socket.resetAndDestroy()
        else socket.end()
      })
      checkWhole(await world.post(asked.url, asked.text, asked.headers), text)
    },
  )

const broken = cutShort('a document whose connection breaks is never complete', '', 15, ['chunked', 'length'])
const endless = cutShort('a document without a length that is cut is never complete', '', 15, ['close'])
const misjudged = cutShort('a document that is longer than its length is never complete', '', 15, ['wrong'])

/** Texts that are JSON, nearly, or not at all. */
const texts = fc.oneof(
  fc.json(),
  fc
    .tuple(fc.json(), fc.nat({ max: 60 }), fc.string({ maxLength: 3 }))
    .map(([json, at, by]) => json.slice(0, at) + by + json.slice(at)),
  fc.uint8Array({ maxLength: 80 }),
  fc
    .dictionary(
      fc.constantFrom('jsonrpc', 'id', 'method', 'params', 'result', 'error'),
      fc.oneof(fc.constant('2.0'), fc.jsonValue()),
    )
    .map((value) => JSON.stringify(value)),
)
const rubbish = property(
  { name: 'a body of any bytes gets an answer, and none is a fault of the gateway', subject, runs: 30 },
  fc.record({ text: texts, isModern: fc.boolean() }),
  async (world, { text, isModern }) => {
    const upstream = await world.upstream((socket) => void socket.end(answerBytes('application/json', RESULT)))
    const answer = await world.post(
      world.url('plain', upstream),
      Buffer.from(/** @type {any} */ (text)),
      isModern ? headersOf('x') : {},
    )
    // It may be a request by chance, which the server answers under another id: 502.
    const isTheServers = upstream.asked.length > 0 && answer.status === 502
    if (!answer.complete || (answer.status >= 500 && !isTheServers)) throw new Error(shown(answer))
    if (upstream.asked.length === 0 && !errorOf(answer)) throw new Error(shown(answer))
  },
)

const nested = property(
  { name: 'a body of any depth gets an answer, and none is a fault of the gateway', subject, runs: 20 },
  fc.record({
    way: fc.constantFrom('plain tools/call', 'parsed tools/call', 'cache tools/list', 'cache resources/read'),
    depth: fc.integer({ min: 4_000, max: 30_000 }),
    open: fc.constantFrom('[', '{"a":'),
  }),
  async (world, { way, depth, open }) => {
    const [variant = '', method = ''] = way.split(' ')
    const upstream = await world.upstream((socket) => void socket.end(answerBytes('application/json', RESULT)))
    const deep = `${open.repeat(depth)}1${(open === '[' ? ']' : '}').repeat(depth)}`
    const [before, after] = JSON.stringify(modern(method, { name: 'echo', uri: 'echo', arguments: '<>' })).split('"<>"')
    const headers = headersOf(method, method === 'tools/list' ? undefined : 'echo')
    const answer = await world.post(world.url(variant, upstream), `${before}${deep}${after}`, headers)
    if (!answer.complete || answer.status >= 500) throw new Error(shown(answer))
  },
)

/** @type {import('./property.mjs').Property[]} */
export const bodies = [crosses, crumbsHeld, answerCrumbs, answers, broken, endless, misjudged, rubbish, nested]
