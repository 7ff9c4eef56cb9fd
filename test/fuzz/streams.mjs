// @ts-check
// Event streams of upstreams: what the client gets is what was sent, and what is held on the way has a bound.
import { once } from 'node:events'
import fc from 'fast-check'
import { answerTo, chatter, cutAt, cuts, dataOf, fraction, isWhole, streamWith } from './events.mjs'
import { atMost, property, same } from './property.mjs'
import { chunk, crumbs, handshake, headersOf, modern, opening, openSession } from './mcp.mjs'
import { soon, whole } from './world.mjs'

/** @typedef {import('./world.mjs').World} World */

const subject = 'streams'
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n'
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Waits for an event, or the end. @param {import('node:stream').Duplex | import('node:stream').Readable} stream @param {string} event */
async function first(stream, event) {
  const other = new AbortController()
  const { signal } = other
  await Promise.race([event, 'close'].map((name) => once(stream, name, { signal }).catch(() => {})))
  other.abort()
}

/** How a body is framed, and how its connection ends. */
const framing = fc.constantFrom('chunked', 'length', 'close')

/** Sends a body in pieces; where `isWhole` is false its end never comes. @param {import('node:net').Socket} socket @param {Buffer[]} pieces @param {string} framed */
async function sendStream(socket, pieces, framed, { isComplete = true, apart = false } = {}) {
  const length = pieces.reduce((sum, piece) => sum + piece.length, isComplete ? 0 : 1)
  const how = { chunked: 'transfer-encoding: chunked\r\n', length: `content-length: ${length}\r\n`, close: '' }[framed]
  socket.setNoDelay(true)
  socket.write(`${HEAD}${how}\r\n`)
  for (const piece of pieces) {
    socket.write(framed === 'chunked' ? chunk(piece) : piece)
    if (apart) await turn()
  }
  socket.end(framed === 'chunked' && isComplete ? '0\r\n\r\n' : '')
}

const call = modern('tools/call', { name: 'echo', arguments: {} })
const legacyCall = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } }

/** Every way of a stream through the gateway. */
const ways = fc.constantFrom('plain modern', 'cache modern', 'plain legacy', 'log legacy')

/** Calls a tool whose answer is a stream. @param {World} world @param {string} way @param {(socket: import('node:net').Socket) => unknown} answer */
async function callBy(world, way, answer) {
  const [variant = '', era] = way.split(' ')
  const upstream = await world.upstream(async (socket, { body, method }) => {
    if (method !== 'POST') return void socket.end('HTTP/1.1 405 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    const opened = handshake(body)
    if (opened) socket.end(opened)
    else await answer(socket)
  })
  const url = world.url(variant, upstream)
  if (era === 'listening') {
    const text = JSON.stringify(modern('subscriptions/listen', { notifications: { toolsListChanged: true } }))
    return world.open(url, text, headersOf('subscriptions/listen'))
  }
  if (era === 'modern') return world.open(url, JSON.stringify(call), headersOf('tools/call', 'echo'))
  return world.open(url, JSON.stringify(legacyCall), await openSession(world, url))
}

/** @param {string} data */
function isAnswer(data) {
  try {
    const { id, method } = JSON.parse(data)
    return id === 1 && method === undefined
  } catch {
    return false
  }
}

/** @param {string[]} got @param {string[]} want */
function checkData(got, want) {
  if (JSON.stringify(got) === JSON.stringify(want)) return
  const [some, all] = [got, want].map((data) => JSON.stringify(data.map((one) => one.slice(0, 200))))
  throw new Error(`the client got ${some} for ${all}`)
}

const crosses = property(
  { name: 'an answered stream is what was sent, whatever is in it and however it comes', subject, runs: 25 },
  fc.record({ way: ways, text: streamWith(answerTo(1)), where: cuts, framed: framing, apart: fc.boolean() }),
  async (world, { way, text, where, framed, apart }) => {
    const bytes = Buffer.from(text)
    const response = await callBy(world, way, (socket) => sendStream(socket, cutAt(bytes, where), framed, { apart }))
    const { body, complete } = await whole(response)
    if (!complete) throw new Error('the stream was cut')
    checkData(dataOf(body), dataOf(bytes))
    if (!way.startsWith('log')) same(body, bytes, 'the stream')
  },
)

/** A long notification. @param {number} pad */
const long = (pad) => `data: {"jsonrpc":"2.0","method":"notifications/x","params":{"pad":"${'p'.repeat(pad)}"}}\n\n`

const breaks = property(
  { name: 'a stream that breaks off brings what came, and an error or a cut connection', subject, runs: 25 },
  fc.record({
    way: ways,
    text: fc.oneof(streamWith(answerTo(1)), chatter),
    pad: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 200_000, max: 600_000 })),
    upTo: fraction,
    where: cuts,
    framed: framing,
  }),
  async (world, { way, text, pad, upTo, where, framed }) => {
    const bytes = Buffer.from(text + (pad > 0 ? long(pad) : ''))
    const came = bytes.subarray(0, Math.round(upTo * bytes.length))
    const pieces = cutAt(came, where === 'singly' && pad > 0 ? [0.5] : where)
    const response = await callBy(world, way, (socket) => sendStream(socket, pieces, framed, { isComplete: false }))
    const { status, body, complete } = await whole(response)
    const got = dataOf(body)
    const sent = dataOf(came)
    if (status !== 200) throw new Error(`status ${status}`)
    if (complete) {
      if (!isWhole(body))
        throw new Error(`half an event, and a complete answer: ${JSON.stringify(body.toString().slice(-200))}`)
      const last = got.find(isAnswer)
      if (last === undefined) throw new Error(`no answer and no error: ${JSON.stringify(got).slice(0, 500)}`)
      if (!sent.includes(last)) got.pop()
      checkData(got, sent)
    } else checkData(got, sent.slice(0, got.length))
  },
)

const inCrumbs = property(
  { name: 'a long event that comes in single bytes is whole at the client', subject, runs: 1 },
  fc.integer({ min: 130_000, max: 200_000 }),
  async (world, length) => {
    const message = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { text: 'x'.repeat(length) } })
    const answer = `${HEAD}transfer-encoding: chunked\r\n\r\n${crumbs(`data: ${message}\n\n`)}0\r\n\r\n`
    for (const way of ['log legacy', 'plain modern']) {
      const { body, complete } = await whole(await callBy(world, way, (socket) => socket.end(answer)))
      if (complete) same(Buffer.from(dataOf(body).join('\n')), Buffer.from(message), 'the answer')
    }
  },
)

const crumbsHeld = property(
  { name: 'what is held of an event in single bytes goes by its bytes', subject, runs: 1 },
  fc.record({
    way: ways,
    size: fc.integer({ min: 1, max: 2 }),
    pieces: fc.integer({ min: 80_000, max: 120_000 }),
  }),
  async (world, { way, size, pieces }) => {
    const sent = crumbs('x'.repeat(size * pieces), size)
    /** @type {import('node:net').Socket | undefined} */
    let upstream
    const response = await callBy(world, way, (socket) => {
      upstream = socket
      socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n${chunk('data: ').toString()}`)
    })
    response.resume()
    const held = await world.held(sent.length, async () => upstream?.write(sent))
    atMost(held, 8 * size * pieces + 2 ** 21, `held of ${size * pieces} bytes`)
  },
)

/** How an event may begin that then goes on and on. */
const beginning = fc.oneof(
  fc.constantFrom(
    'data: {"jsonrpc":"2.0","params":{"data":"',
    'data: {"x":1,"result":"',
    'data: "',
    'data: \ndata: {"',
  ),
  fc.integer({ min: 513, max: 900 }).map((length) => `: ${'c'.repeat(length)}\ndata: {"method":"x","params":"`),
  fc
    .integer({ min: 513, max: 900 })
    .map((length) => `data: {"x-trace":"${'t'.repeat(length)}","method":"x","params":"`),
  fc.constantFrom(': ', 'x: ', 'id: ', ''),
)

const giant = property(
  { name: 'what is held of an event without an end is bounded while the client reads', subject, runs: 2 },
  fc.record({
    way: fc.constantFrom('plain modern', 'plain legacy', 'plain listening', 'cache listening', 'log legacy'),
    head: beginning,
    MiB: fc.integer({ min: 6, max: 9 }),
  }),
  async (world, { way, head, MiB }) => {
    // A log keeps events of up to 16 MiB.
    const isLogged = way.startsWith('log')
    const most = (isLogged ? 20 : 3) * 2 ** 20
    const bytes = (isLogged ? MiB + 20 : MiB) * 2 ** 20
    /** @type {import('node:net').Socket | undefined} */
    let upstream
    const response = await callBy(world, way, (socket) => {
      upstream = socket
      socket.write(`${HEAD}\r\n`)
    })
    let read = 0
    response.on('data', (part) => (read += part.length))
    const held = await world.held(bytes, async () => {
      upstream?.write(head)
      for (let sent = 0; sent < bytes; sent += 2 ** 16) {
        if (upstream?.write(Buffer.alloc(2 ** 16, 'y')) === false) await soon(first(upstream, 'drain'), 'room upstream')
      }
      // A gateway may hold back what it has a bound for.
      while (read < bytes - most && !response.closed) await soon(first(response, 'data'), 'the rest')
    })
    if (!response.closed) atMost(held, most, `held of ${bytes} bytes, with ${JSON.stringify(head.slice(-40))} in front`)
  },
)

/** Lines and events that mean nothing. */
const noise = fc.constantFrom(
  'x',
  'foo: bar',
  'retry: soon',
  'data: {',
  'data: nonsense',
  'event',
  'data:{"a":}',
  'x\n',
  'data: [\n',
)
const costly = property(
  { name: 'lines and events that mean nothing cost no errors', subject, runs: 16 },
  fc.record({
    way: fc.constantFrom('plain modern', 'cache tools/list', 'plain initialize', 'log legacy'),
    line: noise,
    lines: fc.integer({ min: 2_000, max: 6_000 }),
    end: fc.constantFrom('', '\n'),
  }),
  async (world, { way, line, lines, end }) => {
    const [variant = '', method = ''] = way.split(' ')
    const bytes = Buffer.concat([
      Buffer.from(`${line}\n`.repeat(lines)),
      Buffer.from(`${end}data: {"jsonrpc":"2.0","id":1,"result":{"tools":[]}}\n\n`),
    ])
    const before = await world.ask('errors')
    const answer = (/** @type {any} */ socket) => sendStream(socket, cutAt(bytes, [0.5]), 'chunked', { apart: true })
    if (/modern|legacy/.test(method)) await whole(await callBy(world, way, answer))
    else {
      const url = world.url(variant, await world.upstream(answer))
      if (method === 'initialize') await world.post(url, JSON.stringify(opening(1)))
      else await world.post(url, JSON.stringify(modern(method)), headersOf(method))
    }
    const errors = (await world.ask('errors')) - before
    if (errors > 200) throw new Error(`${errors} errors were made of ${lines} lines`)
  },
)

/** @type {import('./property.mjs').Property[]} */
export const streams = [crosses, breaks, inCrumbs, crumbsHeld, giant, costly]
