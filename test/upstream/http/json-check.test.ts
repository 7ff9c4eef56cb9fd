// Whether a document is whole and answers its request: in any pieces, cut anywhere, in any order of members.
import { JsonCheck } from '../../../lib/upstream/http/json-check.ts'
import type { RequestId } from '../../../lib/types.ts'

const RESULT = { text: 'a "quoted" \\ {[ text', list: [[], {}, [{ id: 'inner' }]], long: '\\"'.repeat(100) }

function faultOf(text: string, { id = 1, size = Infinity, hasEnd = true }: Options = {}): string | undefined {
  const check = new JsonCheck(id ?? undefined, hasEnd)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) check.see(bytes.subarray(at, Math.min(at + size, bytes.length)))
  return check.fault()?.code
}

interface Options {
  readonly id?: RequestId | null
  readonly size?: number
  readonly hasEnd?: boolean
}

const answers: ReadonlyArray<[what: string, text: string, id: RequestId]> = [
  ['the id in front', JSON.stringify({ jsonrpc: '2.0', id: 1, result: RESULT }), 1],
  ['the id at the end', JSON.stringify({ result: RESULT, jsonrpc: '2.0', id: 1 }), 1],
  ['members in another order', JSON.stringify({ id: 1, result: RESULT, jsonrpc: '2.0' }), 1],
  ['white space', `\n ${JSON.stringify({ jsonrpc: '2.0', id: 1, result: RESULT }, undefined, 2)}\r\n`, 1],
  ['an error', JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: 1, message: 'no' } }), 1],
  ['a string for an id', JSON.stringify({ jsonrpc: '2.0', id: '1"\\', result: {} }), '1"\\'],
  ['an id beyond ASCII', JSON.stringify({ jsonrpc: '2.0', id: '\u65E5\u2028', result: {} }), '\u65E5\u2028'],
  ['brackets in strings at its end', '{"jsonrpc":"2.0","id":1,"result":{"text":"}}"}}', 1],
  ['escapes in the key and the id', '{"jsonrpc":"2.0","\\u0069d":"\\u0031","result":{}}', '1'],
  ['a result without brackets', '{"jsonrpc":"2.0","id":1,"result":"}"}', 1],
]

describe('an answer', () => {
  const sizes = [1, 2, 3, 7, 64, Infinity]
  test.each(answers)('is one: %s', (_, text, id) => {
    for (const size of sizes) expect(faultOf(text, { id, size })).toBeUndefined()
  })

  test.each(answers)('has broken off, wherever it is cut: %s', (_, text, id) => {
    const whole = text.trimEnd()
    for (let end = 1; end < whole.length; end += 1) {
      for (const size of [5, Infinity]) expect(faultOf(whole.slice(0, end), { id, size })).toBeDefined()
    }
  })

  test.each<[what: string, text: string]>([
    ['to another id', '{"jsonrpc":"2.0","id":2,"result":{}}'],
    ['to the id as a string', '{"jsonrpc":"2.0","id":"1","result":{}}'],
    ['to nobody', '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}'],
    ['to an object', '{"jsonrpc":"2.0","id":{"id":1},"result":{}}'],
    ['without an id of its own', '{"jsonrpc":"2.0","result":{"id":1}}'],
    ['that is a question', '{"jsonrpc":"2.0","id":1,"method":"ping"}'],
    ['that says nothing', '{"jsonrpc":"2.0","id":1}'],
    ['in an array', '[{"jsonrpc":"2.0","id":1,"result":{}}]'],
    ['with something behind it', '{"jsonrpc":"2.0","id":1,"result":{}}x'],
    ['with something before it', 'x{"result":1,"jsonrpc":"2.0","id":1}'],
    ['with another one behind it', '{"jsonrpc":"2.0","id":1,"result":{}}{"jsonrpc":"2.0","id":1,"result":{}}'],
    ['that is a question, too', '{"jsonrpc":"2.0","id":1,"result":{},"params":{},"method":"ping","params":{}}'],
    ['whose id is another one in the end', '{"jsonrpc":"2.0","id":1,"result":{},"id":2,"x":{}}'],
    ['whose id begins alike', '{"jsonrpc":"2.0","id":11,"result":{}}'],
    ['of no bytes', ''],
    ['of words', 'hello'],
  ])('is none: %s', (_, text) => {
    for (const size of sizes) expect(faultOf(text, { size })).toBe('upstream_invalid')
  })
})

describe('a document that answers nobody in particular', () => {
  test.each(['', 'hello', '"words"', '[{"id":1},{"id":2}]', '{"message":"no"}'])('may be %j', (text) => {
    expect(faultOf(text, { id: null })).toBeUndefined()
  })

  test('must be whole all the same', () => {
    expect(faultOf('[{"id":1},{"id":', { id: null })).toBe('upstream_broken')
  })
})

describe('a long document', () => {
  const long = (end: string): string => `{"jsonrpc":"2.0","id":1,"result":{"text":"${'x'.repeat(300_000)}"${end}`

  test('is read to its end where nothing else tells that (ER14)', () => {
    expect(faultOf(long('}}'), { size: 65_536, hasEnd: false })).toBeUndefined()
    expect(faultOf(long('}'), { size: 65_536, hasEnd: false })).toBe('upstream_broken')
  })

  test('that announced its end is told by its last byte (SC6)', () => {
    expect(faultOf(long('}}'), { size: 65_536 })).toBeUndefined()
    expect(faultOf(long(''), { size: 65_536 })).toBe('upstream_broken')
  })

  test('has no outline kept of it that grows (SC6)', () => {
    expect(
      faultOf(`{"pad":"${'x'.repeat(20_000)}","jsonrpc":"2.0","id":2,"result":{}}`, { size: 1_000 }),
    ).toBeUndefined()
  })
})

test('a long chunk is not looked at again once it has been handed on', () => {
  const text = JSON.stringify({ jsonrpc: '2.0', id: 1, result: 'x'.repeat(100_000) })
  const check = new JsonCheck(1, true)
  const first = Buffer.from(text.slice(0, 65_536))
  check.see(first)
  first.fill(0)
  check.see(Buffer.from(text.slice(65_536)))
  expect(check.fault()).toBeUndefined()
})

test('RPC3 an id in Latin-1 is none in UTF-8', () => {
  for (const document of ['{"jsonrpc":"2.0","id":"\xe9","result":{}}', '{"result":1,"jsonrpc":"2.0","id":"\xe9"}']) {
    const check = new JsonCheck('\xe9', true)
    check.see(Buffer.from(document, 'latin1'))
    expect(check.fault()?.code).toBe('upstream_invalid')
  }
})
