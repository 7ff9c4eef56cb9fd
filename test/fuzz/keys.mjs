// @ts-check
// Keys of messages: none that a lenient server folds into a deciding one carries anything past a scope rule.
import fc from 'fast-check'
import { property, same } from './property.mjs'
import { answerBytes, handshake, headersOf, modern, openSession, shown } from './mcp.mjs'

/** @typedef {import('./world.mjs').World} World */
/** An object as pairs, so that a key may stand in it twice. @typedef {[key: string, value: unknown][]} Pairs */

const subject = 'keys'

/** The letter that folds into another one, where there is one beside its capital. */
const FOLDING = new Map([
  ['s', '\u017F'],
  ['k', '\u212A'],
])

/** What a lenient parser makes of a key. @param {string} key */
export function fold(key) {
  return key.replaceAll('\u017F', 's').replaceAll('\u212A', 'k').toLowerCase().replace(/\0+$/, '')
}

/** Any key that folds to this one without being it. @param {string} key */
export function like(key) {
  const letters = fc.tuple(
    ...Array.from(key, (letter) =>
      fc.constantFrom(letter, letter, letter.toUpperCase(), FOLDING.get(letter) ?? letter),
    ),
  )
  return fc
    .tuple(letters, fc.constantFrom('', '', '\0', '\0\0'))
    .map(([spelled, end]) => spelled.join('') + end)
    .map((spelled) => (spelled === key ? key.toUpperCase() : spelled))
}

/** The key once more, or one that folds to it. @param {string} key */
const likeOrSame = (key) => fc.oneof({ weight: 8, arbitrary: like(key) }, { weight: 1, arbitrary: fc.constant(key) })

/** The text of an object, some of whose keys are written in escapes. @param {Pairs} pairs @param {number} escapes @returns {string} */
export function write(pairs, escapes = 0) {
  const texts = pairs.map(([key, value], index) => {
    const isEscaped = ((escapes >> (index % 8)) & 1) === 1
    const name = isEscaped
      ? `"${Array.from(key, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
      : JSON.stringify(key)
    return `${name}:${isPairs(value) ? write(value, escapes >> 1) : JSON.stringify(value)}`
  })
  return `{${texts.join(',')}}`
}

/** @param {unknown} value @returns {value is Pairs} */
const isPairs = (value) =>
  Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string')

/** What a lenient server takes for the value of a key: the first that folds to it, or the last. @param {unknown} object @param {string} key @param {'first' | 'last'} which */
function lenient(object, key, which) {
  if (!isPairs(object)) return undefined
  const values = object.filter(([name]) => fold(name) === key).map(([, value]) => value)
  return which === 'first' ? values[0] : values.at(-1)
}

/** What one would do that its client may not. @param {Pairs} message */
function forbidden(message) {
  for (const which of /** @type {const} */ (['first', 'last'])) {
    const method = lenient(message, 'method', which)
    const name = lenient(lenient(message, 'params', which), 'name', which)
    if (typeof method === 'string' && method.startsWith('admin/')) return `${method}, which counts ${which}`
    if (method === 'tools/call' && String(name).startsWith('delete_')) return `${String(name)}, which counts ${which}`
  }
  return undefined
}

/** @param {Pairs} pairs @param {[string, unknown]} pair @param {number} at */
const insert = (pairs, pair, at) => pairs.toSpliced(at % (pairs.length + 1), 0, pair)

/** A harmless message and what makes it harmful to a server that folds keys. */
const smuggled = fc
  .record({
    level: fc.constantFrom('name', 'params', 'method', 'admin'),
    at: fc.nat({ max: 8 }),
    key: fc.record({ name: likeOrSame('name'), params: likeOrSame('params'), method: likeOrSame('method') }),
  })
  .map(({ level, at, key }) => {
    /** @type {Pairs} */
    const meta = Object.entries(modern('x').params).map(([name, value]) => [name, value])
    /** @param {string} name @returns {Pairs} */
    const params = (name) => [...meta, ['name', name], ['arguments', {}]]
    /** @param {string} method @param {Pairs} its @returns {Pairs} */
    const message = (method, its) => [
      ['jsonrpc', '2.0'],
      ['id', 1],
      ['method', method],
      ['params', its],
    ]
    switch (level) {
      case 'name':
        return message('tools/call', insert(params('read_one'), [key.name, 'delete_all'], at))
      case 'params':
        return insert(message('tools/call', params('read_one')), [key.params, params('delete_all')], at)
      case 'method':
        return insert(message('ping', params('delete_all')), [key.method, 'tools/call'], at)
      case 'admin':
        return insert(message('ping', params('read_one')), [key.method, 'admin/wipe'], at)
    }
  })

/** Sends a message in one of the eras; gives what reached the server beside handshakes. @param {World} world @param {string} era @param {string} variant @param {string} text @param {Record<string, string>} headers */
async function deliver(world, era, variant, text, headers) {
  const upstream = await world.upstream((socket, { body }) => {
    socket.end(handshake(body) ?? answerBytes('application/json', '{"jsonrpc":"2.0","id":1,"result":{}}'))
  })
  const url = world.url(variant, upstream)
  const own = era === 'modern' ? headers : await openSession(world, url, era === 'batch' ? '2025-03-26' : undefined)
  const from = upstream.asked.length
  const answer = await world.post(url, era === 'batch' ? `[${text}]` : text, own)
  return { answer, arrived: upstream.asked.slice(from).map(({ body }) => body) }
}

/** Without what makes a message modern. @param {Pairs} message @returns {Pairs} */
const legacyOf = (message) =>
  message.map(([key, value]) => [key, isPairs(value) ? value.filter(([name]) => fold(name) !== '_meta') : value])

const refused = property(
  { name: 'no key that folds to a deciding one carries a message past a scope rule', subject, runs: 15 },
  fc.record({ era: fc.constantFrom('modern', 'legacy', 'batch'), message: smuggled, escapes: fc.nat({ max: 255 }) }),
  async (world, { era, message, escapes }) => {
    const method = String(message.find(([key]) => key === 'method')?.[1])
    const headers = headersOf(method, method === 'tools/call' ? 'read_one' : undefined)
    const sent = era === 'modern' ? message : legacyOf(message)
    const { answer, arrived } = await deliver(world, era, 'scoped', write(sent, escapes), headers)
    const wrong = forbidden(sent)
    if (arrived.length > 0 && wrong) throw new Error(`sent on, and the server would do ${wrong}: ${write(sent)}`)
    if (arrived.length === 0 && answer.status < 400) throw new Error(`${answer.status}, and nothing was sent on`)
  },
)

/** What the standard headers repeat: the method, and the parameter that names its object. */
const named = fc.constantFrom(
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
)
const unlikeHeaders = property(
  {
    name: 'no key that folds to one that headers repeat makes a server do another thing',
    subject,
    runs: 15,
  },
  named.chain(([method = '', key = '']) =>
    fc.record({
      method: fc.constant(method),
      key: fc.constant(key),
      isMethod: fc.boolean(),
      other: fc.record({ method: like('method'), key: like(key) }),
      at: fc.nat({ max: 8 }),
    }),
  ),
  async (world, { method, key, isMethod, other, at }) => {
    /** @type {Pairs} */
    const params = [...Object.entries(modern(method).params), [key, 'this']]
    /** @type {Pairs} */
    const its = isMethod ? params : insert(params, [other.key, 'that'], at)
    /** @type {Pairs} */
    const message = Object.entries({ jsonrpc: '2.0', id: 1, method, params: its })
    const text = write(isMethod ? insert(message, [other.method, 'ping'], at) : message)
    const { answer, arrived } = await deliver(world, 'modern', 'plain', text, headersOf(method, 'this'))
    if (arrived.length > 0 || answer.status < 400) throw new Error(`${shown(answer)}, and sent on: ${text}`)
  },
)

/** Keys and values of arguments, which decide nothing. */
const anyKey = fc.oneof(
  like('name'),
  like('method'),
  like('params'),
  fc.constantFrom('name', 'id', 'Name'),
  fc.string(),
)
const args = fc.dictionary(anyKey, fc.oneof(fc.string(), fc.constantFrom('delete_all', 'admin/wipe', 1, null)), {
  maxKeys: 5,
})

const crosses = property(
  { name: 'keys of arguments are the tool\u2019s own: they cross byte for byte', subject, runs: 15 },
  fc.record({ era: fc.constantFrom('modern', 'legacy', 'batch'), args, space: fc.constantFrom(undefined, 1) }),
  async (world, { era, args: given, space }) => {
    const { _meta, ...params } = modern('tools/call', { name: 'read_one', arguments: given }).params
    const sent = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: era === 'modern' ? { _meta, ...params } : params,
    }
    const text = JSON.stringify(sent, undefined, space)
    const { answer, arrived } = await deliver(world, era, 'scoped', text, headersOf('tools/call', 'read_one'))
    if (answer.status !== 200) throw new Error(`refused: ${shown(answer)}`)
    same(arrived[0] ?? Buffer.alloc(0), Buffer.from(era === 'batch' ? `[${text}]` : text), 'the message')
  },
)

const plain = property(
  { name: 'what a scope rule covers is never sent on, however its name is written', subject, runs: 15 },
  fc.record({
    era: fc.constantFrom('modern', 'legacy', 'batch'),
    isTool: fc.boolean(),
    rest: fc.string({ unit: 'grapheme-ascii', maxLength: 8 }).map((text) => text.replaceAll(/[\s=?]/g, '')),
    escapes: fc.nat({ max: 255 }),
  }),
  async (world, { era, isTool, rest, escapes }) => {
    const method = isTool ? 'tools/call' : `admin/${rest}`
    /** @type {Pairs} */
    const params = [...Object.entries(modern('x').params), ['name', `delete_${rest}`]]
    /** @type {Pairs} */
    const message = [
      ['id', 1],
      ['params', params],
      ['method', method],
      ['jsonrpc', '2.0'],
    ]
    const sent = era === 'modern' ? message : legacyOf(message)
    const headers = headersOf(method, isTool ? `delete_${rest}` : undefined)
    const { answer, arrived } = await deliver(world, era, 'scoped', write(sent, escapes), headers)
    if (arrived.length > 0 || answer.status !== 403) throw new Error(`${shown(answer)}, ${arrived.length} sent on`)
  },
)

/** @type {import('./property.mjs').Property[]} */
export const keys = [refused, unlikeHeaders, crosses, plain]
