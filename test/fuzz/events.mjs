// @ts-check
// Event streams: any of them, in any pieces; and what one says, by the letter of the WHATWG's parser.
import fc from 'fast-check'

/** The data of each event that has any; of one with empty lines alone there is none to speak of. @param {Buffer} bytes @returns {string[]} */
export function dataOf(bytes) {
  /** @type {string[]} */
  const found = []
  /** @type {string[]} */
  let data = []
  const lines = bytes
    .toString()
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
  // What has no line end after it has not come yet.
  lines.pop()
  for (const line of lines) {
    if (line === '') {
      if (data.some((value) => value !== '')) found.push(data.join('\n'))
      data = []
    } else if (/^data(:|$)/.test(line)) data.push(line.slice(5).replace(/^ /, ''))
  }
  return found
}

/** Whether nothing is unfinished at the end. @param {Buffer} bytes */
export function isWhole(bytes) {
  const text = bytes.toString()
  return (
    text.replace(/^\uFEFF/, '') === '' || /(\r\n|\n|\r)(\r\n|\n|\r)$/.test(text) || /^\uFEFF?(\r\n|\n|\r)+$/.test(text)
  )
}

/** @param {string} text */
const oneLine = (text) => text.replace(/[\r\n]/g, ' ')
const words = fc.string({ unit: 'grapheme', maxLength: 40 }).map(oneLine)
const ends = fc.constantFrom('\n', '\r\n', '\r')

/** A message on as many data lines as its JSON has. @param {unknown} message @param {string} end @param {number} indent */
function dataLines(message, end, indent) {
  return JSON.stringify(message, undefined, indent)
    .split('\n')
    .map((line) => `data: ${line}${end}`)
    .join('')
}

const notification = fc.record({
  jsonrpc: fc.constant('2.0'),
  method: fc.constantFrom('notifications/message', 'notifications/progress', 'notifications/x'),
  params: fc.dictionary(fc.constantFrom('data', 'id', 'result', 'error', 'method'), words, { maxKeys: 3 }),
})
/** What stands beside an event's data, or all alone. */
const field = fc.oneof(
  words.map((word) => `: ${word}`),
  fc.constantFrom('event: message', 'data', ':', 'data:', 'retry: 10', 'retry: never'),
  words.map((word) => `x-${word.replaceAll(':', '')}: ${word}`),
  words.map((word) => `data: ${word}`),
)

/** An event without an answer in it; `message` is what else it may say. @param {fc.Arbitrary<unknown>} message */
function eventOf(message) {
  const fields = fc.array(field, { maxLength: 3 })
  return fc
    .tuple(fc.boolean(), message, fields, ends, ends, fc.constantFrom(0, 2))
    .map(([says, said, others, end, blank, indent]) => {
      const lines = says ? others.filter((line) => !line.startsWith('data')) : others
      const beside = lines.map((line) => line + end).join('')
      // A carriage return before a line feed would be one line end with it.
      return beside + (says ? dataLines(said, end, indent) : '') + (end === '\r' && blank === '\n' ? '\r' : blank)
    })
}

/** The answer to a request. @param {unknown} id */
export const answerTo = (id) =>
  fc.oneof(
    words.map((text) => ({ jsonrpc: '2.0', id, result: { text } })),
    words.map((text) => ({ id, result: { content: [text] }, jsonrpc: '2.0' })),
    words.map((message) => ({ jsonrpc: '2.0', id, error: { code: -32000, message } })),
  )

/** Any stream that answers no request. */
export const chatter = fc.array(eventOf(notification), { maxLength: 6 }).map((events) => events.join(''))

/** A stream that answers one. @param {fc.Arbitrary<unknown>} answer */
export function streamWith(answer) {
  const says = fc
    .tuple(answer, ends, fc.constantFrom(0, 2))
    .map(([said, end, indent]) => dataLines(said, end, indent) + end)
  return fc.tuple(chatter, says, chatter).map(([before, said, after]) => before + said + after)
}

/** Evenly from 0 to 1, where fc.double() is mostly next to nothing. */
export const fraction = fc.nat({ max: 10_000 }).map((part) => part / 10_000)

/** Where to cut: fractions of the length; or into single bytes. */
export const cuts = fc.oneof(
  { weight: 4, arbitrary: fc.array(fraction, { maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constant(/** @type {const} */ ('singly')) },
)

/** @param {string | Buffer} given @param {readonly number[] | 'singly'} where @returns {Buffer[]} */
export function cutAt(given, where) {
  const bytes = Buffer.from(given)
  if (where === 'singly') return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
  const places = new Set([...where.map((part) => Math.floor(part * bytes.length)), bytes.length])
  let from = 0
  return [...places]
    .toSorted((a, b) => a - b)
    .map((to) => bytes.subarray(from, (from = to)))
    .filter(({ length }) => length > 0)
}
