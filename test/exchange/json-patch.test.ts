// Changing a JSON text: what keeps its value keeps its bytes, and what is read afterwards is what was meant.
import fc from 'fast-check'
import { addMembersAt, addMembersToOnly, patchJson, patchObject, patchObjectAt } from '../../lib/exchange/json-patch.ts'
import { itemTexts } from '../../lib/exchange/json-text.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** What JSON.parse makes another thing of, or what JSON.stringify writes otherwise. */
const oddNumbers = ['1.0', '-0', '1e2', '1E+2', '1e400', '-1e400', '12345678901234567890', '0.1000', '9007199254740993']
const oddStrings = [
  String.raw`"\u0061b"`,
  String.raw`"\/"`,
  String.raw`"\ud83d\ude00"`,
  String.raw`"\ud800"`,
  '"\u2028"',
]
const keys = fc.oneof(
  fc.constantFrom('a', 'b', '__proto__', 'constructor', 'toString', ''),
  fc.string({ maxLength: 4 }),
)
const space = fc.constantFrom('', ' ', '\n', '\t ', '\r\n')

/** Texts of JSON values, as others may write them. */
const { value: values } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('null', 'true', 'false', '0', ...oddNumbers, ...oddStrings),
    fc.string().map((text) => JSON.stringify(text)),
    tie('array'),
    tie('object'),
  ),
  array: fc
    .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
    .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
  object: membersOf(tie('value')),
}))

function membersOf(value: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const member = fc.tuple(space, keys, space, space, value, space)
  return fc
    .tuple(fc.uniqueArray(member, { maxLength: 4, selector: ([, key]) => key }), space)
    .map(([members, rest]) => {
      const texts = members.map(([a, key, b, c, text, d]) => `${a}${JSON.stringify(key)}${b}:${c}${text}${d}`)
      return `{${texts.join(',') || rest}}`
    })
}

const objects = fc.tuple(space, membersOf(values), space).map((parts) => parts.join(''))
const read = (text: string): { [key: string]: Json } => JSON.parse(text) as { [key: string]: Json }
/** JSON has no minus zero of its own: what was -0 may be written 0. */
const plain = (value: unknown): unknown => (Object.is(value, -0) ? 0 : value)
const same = (text: string): unknown => JSON.parse(text, (_, value: unknown) => plain(value))
/** A copy with own members alone, whatever they are called. */
const jsonOf = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json

test('a text that is patched with the values that it has stays the very text', () => {
  fc.assert(
    fc.property(objects, (text) => {
      expect(patchObject(text, read(text))).toBe(text)
      expect(patchObject(text, {})).toBe(text)
    }),
    { numRuns: 1000 },
  )
})

test('what a patched text says is what was meant, and the members that were not meant keep their bytes', () => {
  const changes = fc.dictionary(keys, fc.option(fc.jsonValue(), { nil: undefined }), { maxKeys: 3 })
  fc.assert(
    fc.property(objects, changes, (text, change) => {
      const patched = patchObject(text, change)
      const before = read(text)
      const kept = Object.entries(before).filter(([key]) => !Object.hasOwn(change, key))
      const put = Object.entries(change).filter(([, value]) => value !== undefined)
      const expected = Object.fromEntries([...kept, ...put.map(([key, value]) => [key, jsonOf(value)] as const)])
      expect(same(patched)).toEqual(same(withInfinities(expected)))
      for (const [key] of kept) expect(memberText(patched, key)).toBe(memberText(text, key))
    }),
    { numRuns: 1000 },
  )
})

/** JSON.stringify has no infinities, which JSON texts have. */
function withInfinities(value: unknown): string {
  const text = JSON.stringify(value, (_, one: unknown) =>
    one === Infinity || one === -Infinity ? `<${one > 0 ? '' : '-'}1e400>` : one,
  )
  return text.replaceAll(/"<(-?1e400)>"/g, '$1')
}

/** The text of a member, found by cutting all the others out. */
function memberText(text: string, key: string): string {
  const others = Object.keys(read(text)).filter((other) => other !== key)
  const alone = patchObject(text, Object.fromEntries(others.map((other) => [other, undefined])))
  return alone.trim().slice(1, -1).trim()
}

test('a text that is patched from the value that it says to the same value is the very text', () => {
  fc.assert(
    fc.property(objects, (text) => {
      const value = read(text)
      expect(patchJson(text, value, value)).toBe(text)
      // Also where only what is inside is the same.
      expect(patchJson(text, value, { ...value })).toBe(text)
      expect(patchJson(text, value, read(text))).toBe(text)
    }),
    { numRuns: 1000 },
  )
})

test('what is taken out of a list leaves the bytes of all that stays, wherever it stands then', () => {
  const lists = fc.array(values, { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(lists, fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), (items, kept) => {
      const text = `{"list":[${items.map((item) => `{"item":[${item}],"n":1.0}`).join(',')}]}`
      const value = read(text) as { list: Json[] }
      const after = { list: value.list.filter((_, index) => kept[index]) }
      const texts = itemTexts(text).length === 0 ? [] : items.filter((_, index) => kept[index])
      expect(itemTexts(patchJson(text, value, after))).toEqual(texts.map((item) => `{"item":[${item}],"n":1.0}`))
      const changed = { list: after.list.map((item) => Object.assign({}, item, { more: 1 })) }
      expect(itemTexts(patchJson(text, value, changed))).toEqual(
        texts.map((item) => `{"item":[${item}],"n":1.0,"more":1}`),
      )
    }),
    { numRuns: 500 },
  )
})

describe('a change deep inside', () => {
  test('leaves everything around it byte for byte', () => {
    const text = '{"id": 12345678901234567890, "params": {"list": [1.0, {"x": 1e400, "y": "\\u0061"} , 3], "z": -0}}'
    const { params } = read(text) as { params: { list: [number, { x: number; y: string }, number]; z: number } }
    const changed = { ...params, list: [1, { ...params.list[1], y: 'other' }, 3] }
    expect(patchObject(text, { params: changed })).toBe(text.replace('"\\u0061"', '"other"'))
  })

  test('to the length of a list keeps the bytes of the items that stay', () => {
    const text = '{"a":[12345678901234567890, 1.0]}'
    expect(patchObject(text, { a: [Number('12345678901234567890'), 1, 2] })).toBe('{"a":[12345678901234567890,1.0,2]}')
    expect(patchObject(text, { a: [Number('12345678901234567890')] })).toBe('{"a":[12345678901234567890]}')
  })

  test('takes members away whose names every object has', () => {
    const text = '{"a":{"constructor":1,"__proto__":2,"toString":3,"b":4}}'
    expect(patchObject(text, { a: { b: 4 } })).toBe('{"a":{"b":4}}')
  })

  test.each([
    ['{"a":[1,2]}', { a: [1, undefined] }, '{"a":[1,null]}'],
    ['{"a":[1]}', { a: [1, undefined] }, '{"a":[1,null]}'],
    ['{"a":1}', { a: { b: 1 } }, '{"a":{"b":1}}'],
    ['{"a":{"b":1}}', { a: [1] }, '{"a":[1]}'],
    ['{"a":[1]}', { a: { 0: 1 } }, '{"a":{"0":1}}'],
    ['{"a":null}', { a: 0 }, '{"a":0}'],
    ['{"a":{"b":1}}', { a: null }, '{"a":null}'],
    ['{"a":"1"}', { a: 1 }, '{"a":1}'],
    ['{}', { a: 1, b: undefined }, '{"a":1}'],
    [' { } ', {}, ' { } '],
  ])('%s with %j is %s', (text, changes, expected) => {
    expect(patchObject(text, changes)).toBe(expected)
  })
})

describe('a key that stands twice', () => {
  test('stands once afterwards, with its last value, or the new one: no reader can find another', () => {
    const text = '{"a": 1, "b": 1.0, "a": 2.0}'
    expect(patchObject(text, {})).toBe('{"a": 2.0,"b": 1.0}')
    expect(patchObject(text, { a: 3 })).toBe('{"a": 3,"b": 1.0}')
    expect(patchObject(text, { a: undefined })).toBe('{"b": 1.0}')
  })

  test('is found in any spelling', () => {
    expect(patchObject(String.raw`{"a":1,"\u0061":2}`, { a: 3 })).toBe(String.raw`{"\u0061":3}`)
  })
})

describe('the items of a list', () => {
  test('are found whatever stands in them, as it stands there', () => {
    fc.assert(
      fc.property(fc.array(values), space, (items, gap) => {
        const text = `${gap}[${items.map((item) => gap + item + gap).join(',')}]${gap}`
        expect(itemTexts(items.length === 0 ? `[${gap}]` : text).map((item) => item.trim())).toEqual(items)
      }),
    )
  })
})

describe('a patch at a path', () => {
  test.each([
    ['{"a": {"b" : { "c":1.0 }, "d":2 }, "e":3}', '{"a": {"b" : {"c":1.0 ,"x":1}, "d":2 }, "e":3}'],
    ['{"a": {"b" : { "x": 9, "c":1.0 }, "d":2 }}', '{"a": {"b" : { "x": 1, "c":1.0 }, "d":2 }}'],
    ['{"a":{"d":1.0}}', '{"a":{"d":1.0,"b":{"x":1}}}'],
    ['{"a":{"b":7}}', '{"a":{"b":{"x":1}}}'],
    ['{"e":1.0}', '{"e":1.0,"a":{"b":{"x":1}}}'],
    ['{"a":[{"b":{}}]}', '{"a":{"b":{"x":1}}}'],
    [String.raw`{"\u0061":{"b":{"y":1e400}}}`, String.raw`{"\u0061":{"b":{"y":1e400,"x":1}}}`],
  ])('%s becomes %s', (text, expected) => {
    expect(patchObjectAt(text, ['a', 'b'], { x: 1, z: undefined })).toBe(expected)
  })

  test('takes a member away that is given as undefined', () => {
    expect(patchObjectAt('{"a":{"b":{"x":1,"y":2.0}}}', ['a', 'b'], { x: undefined })).toBe('{"a":{"b":{"y":2.0}}}')
  })
})

describe('members added at a path', () => {
  test.each([
    [
      '{"e":[{"a":1}], "a": {"c":1.0, "b" : { "c":1.0 }, "d":2 }}',
      '{"e":[{"a":1}], "a": {"c":1.0, "b" : {"x":1, "c":1.0 }, "d":2 }}',
    ],
    ['{"a":{"b":{ }}, "e":"}"}', '{"a":{"b":{"x":1 }}, "e":"}"}'],
    [String.raw`{"a\":":{},"\u0061":{"b":{"y":1e400}}}`, String.raw`{"a\":":{},"\u0061":{"b":{"x":1,"y":1e400}}}`],
  ])('%s becomes %s', (text, expected) => {
    expect(addMembersAt(text, ['a', 'b'], '"x":1')).toBe(expected)
  })

  test.each(['{}', '{"a":{}}', '{"a":[{"b":{}}]}', '{"a":{"b":[]}}', '{"b":{"a":{}}}'])(
    '%s has no such object',
    (text) => {
      expect(addMembersAt(text, ['a', 'b'], '"x":1')).toBeUndefined()
    },
  )
})

describe('members added to the only object with a key', () => {
  test.each([
    ['{"a":[1,{"b" : { "c":1.0 }}]}', '{"a":[1,{"b" : {"x":1, "c":1.0 }}]}'],
    [String.raw`{"a":{"b":{ }},"e":"é\n"}`, String.raw`{"a":{"b":{"x":1 }},"e":"é\n"}`],
  ])('%s becomes %s', (text, expected) => {
    expect(addMembersToOnly(text, 'b', '"x":1')).toBe(expected)
  })

  test.each([
    ['a text that stands there twice', '{"a":["b",{}],"b":{}}'],
    ['a text within a string', String.raw`{"a":"say \"b","b":{}}`],
    ['a key that may be written with an escape', String.raw`{"a":["b",{}],"\u0062":{}}`],
    ['no object', '{"b":[]}'],
    ['no such key', '{"a":{}}'],
  ])('leaves %s to a scan', (_, text) => {
    expect(addMembersToOnly(text, 'b', '"x":1')).toBeUndefined()
  })
})
