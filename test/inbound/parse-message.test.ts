// A message that two parsers could read differently is found, and one too deep to be parsed; no other is.
import fc from 'fast-check'
import { MAX_DEPTH, parseMessage, type TextFlaw } from '../../lib/inbound/parse-message.ts'
import { jsonValue } from '../../lib/util/json-value.ts'

/** Why a text is refused; what is not must be parsed. */
function findFlaw(text: string): TextFlaw | undefined {
  const { json, flaw } = parseMessage(text)
  if (!flaw) expect(json).toEqual(jsonValue(text))
  return flaw
}

const DECIDING = ['jsonrpc', 'id', 'method', 'params', 'name', 'uri', '_meta', 'result', 'error']

test.each([
  '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
  '{"method":"ping","id":1,"jsonrpc":"2.0","id":2}',
  '{"method":"tools/call","params":{"name":"safe","arguments":{},"name":"unsafe"}}',
  '{"method":"resources/read","params":{"uri":"a","uri":"b"}}',
  '{"method":"tools/call","params":{},"params":{"name":"unsafe"}}',
  '{"method":"x","params":{"_meta":{},"_meta":{"k":1}}}',
  '{"id":1,"result":{},"result":{"a":1}}',
  '{"method":"ping","\\u006dethod":"tools/call"}',
  '{"\\u006dethod":"ping","method":"tools/call"}',
  '{"method" : "ping" , "method"\n:\t"tools/call"}',
  '[{"method":"ping"},{"method":"ping","method":"x"}]',
  '[{"method":"tools/call","params":{"name":"a","name":"b"}}]',
])('SC9 %s is found', (text) => {
  expect(findFlaw(text)).toBe('duplicate-key')
})

test.each([
  '{}',
  '[]',
  'null',
  '"method"',
  '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  '[{"id":1,"method":"ping"},{"id":2,"method":"ping"}]',
  '{"method":"tools/call","params":{"name":"name","arguments":{"name":"x","method":"y","id":3}}}',
  '{"method":"method","params":{"name":"\\"name\\":1,\\"name\\":2"}}',
  '{"method":"a","x":["method","method"]}',
  '{"method":"a","x":"\\\\","y":"method"}',
  '{"id":"\\u0041","method":"\\u0041"}',
  '{"id":{"id":{"id":{"id":{"id":1}}}}}',
])('SC9 %s is left alone', (text) => {
  expect(findFlaw(text)).toBeUndefined()
})

/** JSON that likes to hold what the scan looks for. */
const key = fc.oneof(fc.constantFrom(...DECIDING), fc.string(), fc.constantFrom('"', '\\', '":', '{', '\u2028', 'é'))
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(fc.string(), key, fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(key, tie('json'), { maxKeys: 5 }),
  ),
}))

test('SC9 nothing that JSON.stringify writes has a duplicate key', () => {
  fc.assert(
    fc.property(json, fc.constantFrom(0, 2, '\t'), (value, space) => {
      expect(findFlaw(JSON.stringify(value, null, space))).toBeUndefined()
    }),
    { numRuns: 500 },
  )
})

test('SC9 the end of a string is found among escapes', () => {
  const piece = fc.constantFrom('\\', '\\\\', '"', 'x', 'x'.repeat(1000), '{', ':', '\n')
  fc.assert(
    // V8 searches text of one and of two bytes a character in different ways.
    fc.property(fc.array(piece, { maxLength: 40 }), fc.constantFrom('', 'ä', '漢'), (pieces, other) => {
      const value = JSON.stringify(pieces.join('') + other)
      expect(findFlaw(`{"x":${value},"id":1}`)).toBeUndefined()
      expect(findFlaw(`{"id":${value},"x":[${value}],"id":1}`)).toBe('duplicate-key')
    }),
    { numRuns: 500 },
  )
})

/** JSON in which any key may stand twice. */
const { text: anyText } = fc.letrec<{ text: string }>((tie) => {
  const name = fc
    .constantFrom('id', 'x', '"', '\\', '":{', 'é', '漢', 'k'.repeat(70))
    .map((word) => JSON.stringify(word))
  const space = fc.constantFrom('', '', ' ', '\r\n\t')
  const pair = fc
    .tuple(name, space, tie('text'))
    .map(([quoted, gap, value]) => `${gap}${quoted}${gap}:${gap}${value}${gap}`)
  return {
    text: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      fc.oneof(name, fc.constantFrom('0', '-1.5e3', 'true', 'null')),
      fc.array(tie('text'), { maxLength: 3 }).map((items) => `[${items.join(',')}]`),
      fc.array(pair, { maxLength: 3 }).map((pairs) => `{${pairs.join(',')}}`),
    ),
  }
})

/** The same, one character at a time: whether a key stands twice in an object that is nested no deeper than 4 levels. */
function hasDuplicate(text: string): boolean {
  const open: Set<string>[] = []
  let string: string | undefined
  let last = ''
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!
    if (string !== undefined) {
      if (char === '\\') string += char + text[(at += 1)]!
      else if (char === '"') [last, string] = [JSON.parse(`${string}"`) as string, undefined]
      else string += char
    } else if (char === '"') string = char
    else if (char === '{' || char === '[') open.push(new Set())
    else if (char === '}' || char === ']') open.pop()
    else if (char === ':') {
      if (open.length <= 4 && open.at(-1)!.has(last)) return true
      open.at(-1)!.add(last)
    }
  }
  return false
}

test('SC9 what the scan leaps over decides nothing: a scan of every character finds the same', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(findFlaw(text)).toBe(hasDuplicate(text) ? 'duplicate-key' : undefined)
    }),
    { numRuns: 2000 },
  )
})

/** Writes a key as itself, or with one of its letters escaped. */
function written(name: string, escaped: boolean): string {
  if (!escaped) return JSON.stringify(name)
  return `"\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}"`
}

const spaces = fc.stringMatching(/^[ \t\r\n]{0,2}$/)
const member = (name: fc.Arbitrary<string>) =>
  fc.tuple(name, fc.boolean(), spaces, json).map(([text, escaped, space, value]) => ({ text, escaped, space, value }))

test('SC9 a deciding key that stands twice is found, in the message, its params and their _meta, also in a batch', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(member(fc.constantFrom(...DECIDING)), { selector: ({ text }) => text, minLength: 1 }),
      fc.nat(),
      fc.nat(),
      member(fc.constant('')),
      fc.nat({ max: 2 }),
      fc.boolean(),
      (members, which, where, second, depth, batch) => {
        const doubled = members[which % members.length]!
        const all = [...members]
        all.splice(where % (members.length + 1), 0, { ...second, text: doubled.text })
        const inner = all
          .map(
            ({ text, escaped, space, value }) => `${space}${written(text, escaped)}${space}:${JSON.stringify(value)}`,
          )
          .join(',')
        const around = ['', '{"params":', '{"params":{"_meta":'][depth]!
        const message = `${around}{${inner}}${'}'.repeat(depth)}`
        expect(() => JSON.parse(message) as unknown).not.toThrow()
        expect(findFlaw(batch ? `[{"id":0},${message}]` : message)).toBe('duplicate-key')
      },
    ),
    { numRuns: 500 },
  )
})

test.each([
  ['a key of the message', '{"method":"ping","Method":"x"}'],
  ['one that stands alone', '{"Method":"x"}'],
  ['one in escapes', String.raw`{"method":"ping","\u004dethod":"x"}`],
  ['one with U+017F', '{"param\u017f":{}}'],
  ['one with U+212A, in a parameter', '{"params":{"tas\u212aId":1}}'],
  ['one with the dotless i of Turkish', '{"params":{"ur\u0131":1}}'],
  ['one with a NUL at its end', String.raw`{"params":{"name\u0000":1}}`],
  ['one with a NUL and more at its end', String.raw`{"params":{"name\u0000x":1}}`],
  ['the arguments of a tool', '{"params":{"arguments":{},"Arguments":{}}}'],
  ['what a completion is for', '{"params":{"ref":{"type":"ref/prompt","name":"a","NAME":"b"}}}'],
  ['the resources of a listener', '{"params":{"notifications":{"ResourceSubscriptions":["x://a"]}}}'],
  ['the envelope', '{"params":{"_meta":{"IO.modelcontextprotocol/protocolVersion":"x"}}}'],
  ['a message of a batch', ' [{"method":"ping"},{"method":"ping","params":{"_Meta":{}}}]'],
])('SC9 a key that folds to a deciding one is found: %s', (_, text) => {
  expect(() => JSON.parse(text) as unknown).not.toThrow()
  expect(findFlaw(text)).toBe('folding-key')
})

test.each([
  '{"params":{"arguments":{"Name":1,"Method":2,"_META":3}}}',
  '{"result":{"Method":1,"Params":{"Name":1}}}',
  '{"other":{"Name":1}}',
  '{"params":{"x":[{"Name":1}]}}',
  '{"params":{"_meta":{"Name":1,"example.com/x":{"progresstoken":1}}}}',
  '[[{"Method":1}]]',
])('SC9 below what decides, any keys may stand: %s', (text) => {
  expect(findFlaw(text)).toBeUndefined()
})

test('SC6 nesting is found past the bound, whatever it is made of, and before anything else', () => {
  const levels = (count: number, open: string, close: string) => open.repeat(count) + '1' + close.repeat(count)
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    expect(findFlaw(levels(MAX_DEPTH, open, close))).toBeUndefined()
    expect(findFlaw(levels(MAX_DEPTH + 1, open, close))).toBe('too-deep')
  }
  expect(findFlaw(`{"id":1,"id":2,"x":${levels(MAX_DEPTH, '[', ']')}}`)).toBe('too-deep')
  expect(findFlaw('['.repeat(MAX_DEPTH + 1))).toBe('too-deep')
  expect(findFlaw('['.repeat(MAX_DEPTH))).toBe('not-json')
  expect(findFlaw(`"${'['.repeat(MAX_DEPTH + 1)}`)).toBe('not-json')
  expect(findFlaw(JSON.stringify('['.repeat(MAX_DEPTH + 1)))).toBeUndefined()
})

test('any text is scanned to its end, JSON or not', () => {
  const pieces = fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', '"a"', '"\\x"', ' ', '1')
  fc.assert(fc.property(fc.array(pieces), (text) => void findFlaw(text.join(''))))
})
