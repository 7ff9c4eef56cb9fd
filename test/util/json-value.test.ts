// JSON whose keys have escapes: engines read them wrong, after a text that has another key at the same place.
import fc from 'fast-check'
import { parseMessage } from '../../lib/inbound/parse-message.ts'
import { parseJson } from '../../lib/util/json.ts'
import { jsonValue } from '../../lib/util/json-value.ts'

/** As JSON, each character of a key as it is or as an escape, and white space wherever it may be, as `choices` says. */
function written(value: unknown, choose: (count: number) => number): string {
  const space = (): string => ['', '', '', ' ', '\n\t'][choose(5)]!
  const text = (content: string): string => {
    const escaped = Array.from({ length: content.length }, (_, at) => {
      const plain = JSON.stringify(content[at]).slice(1, -1)
      return choose(3) === 0 ? `\\u${content.charCodeAt(at).toString(16).padStart(4, '0')}` : plain
    })
    return `"${escaped.join('')}"`
  }
  const list = (open: string, items: string[], close: string): string =>
    `${open}${space()}${items.join(`${space()},${space()}`)}${space()}${close}`
  if (typeof value === 'string') return text(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value))
    return list(
      '[',
      value.map((item) => written(item, choose)),
      ']',
    )
  const members = Object.entries(value).map(([key, of]) => `${text(key)}${space()}:${space()}${written(of, choose)}`)
  return list('{', members, '}')
}

const keys = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.constantFrom('\\', '\\u', '\\u006d', 'a\\', 'a', '"', 'id', 'method', '__proto__', '\n'),
)
const values = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false, 0, -1.5e-7, 12, '', 'a\\b', '{"a":1}', '\n'),
    fc.string(),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.array(fc.tuple(keys, tie('any')), { maxLength: 4 }).map((members) => Object.fromEntries(members)),
  ),
})).any

test('SC9 whatever was parsed before, a key is what its text says, however it is written', () => {
  fc.assert(
    fc.property(values, fc.infiniteStream(fc.nat({ max: 59 })), (value, stream) => {
      const text = written(value, (count) => Number(stream.next().value) % count)
      expect(jsonValue(text)).toStrictEqual(value)
    }),
    { numRuns: 3_000 },
  )
})

test('SC9 a method cannot be hidden behind an escape', () => {
  parseMessage(String.raw`{"jsonrpc":"2.0","id":1,"method":"tools/list","\\u006d":1}`)
  const text = String.raw`{"jsonrpc":"2.0","id":1,"method":"tools/list","\u006dethod":"tools/call"}`
  expect(parseMessage(text)).toEqual({ flaw: 'duplicate-key' })
  const single = String.raw`{"jsonrpc":"2.0","id":1,"x":"tools/list","\u006dethod":"tools/call"}`
  parseMessage(String.raw`{"jsonrpc":"2.0","id":1,"x":"tools/list","\\u006d":1}`)
  expect(parseMessage(single).json).toEqual({ jsonrpc: '2.0', id: 1, x: 'tools/list', method: 'tools/call' })
})

test('SC9 the keys that one client writes do not change what another one has written', () => {
  const own = String.raw`{"_meta":{"own":1,"io.modelcontextprotocol\/protocolVersion":"2026-07-28"}}`
  parseMessage(String.raw`{"_meta":{"own":1,"io.modelcontextprotocol\\/protocolVersio":1}}`)
  expect(parseMessage(own).json).toEqual({
    _meta: { own: 1, 'io.modelcontextprotocol/protocolVersion': '2026-07-28' },
  })
})

test('of a key that stands twice the last value counts, and "__proto__" is a key like any other', () => {
  const value = jsonValue(String.raw`{"\u0061":1,"a":2,"__proto__":{"b":3}}`)
  expect(Object.entries(value as object)).toEqual([
    ['a', 2],
    ['__proto__', { b: 3 }],
  ])
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
})

test('text that is no JSON is refused as by JSON.parse()', () => {
  for (const text of [String.raw`{"\u0061":1,}`, String.raw`{"\u006":1}`, String.raw`{"\u0061":1}}`, '', '\\']) {
    expect(() => jsonValue(text)).toThrow(SyntaxError)
  }
})

test('text that is nested without end costs its sender an answer, and nobody else anything', () => {
  const depth = 200_000
  expect(parseJson(`${'['.repeat(depth)}{"\\u0061":1}${']'.repeat(depth)}`)).toBeUndefined()
})
