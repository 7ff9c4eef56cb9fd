// Reads what a message is out of its bytes: the same as JSON.parse would tell, cut anywhere.
import fc from 'fast-check'
import { EventScanner } from '../../lib/observe/event-scanner.ts'
import { MessageScanner, type ScannedMessage } from '../../lib/observe/message-scanner.ts'

function scan(
  text: string,
  Scanner: typeof MessageScanner | typeof EventScanner,
  cuts: number[] = [],
): ScannedMessage[] {
  const seen: ScannedMessage[] = []
  const scanner = new Scanner((message) => seen.push(message))
  const bytes = Buffer.from(text)
  let from = 0
  for (const cut of [...cuts.map((each) => each % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]) {
    scanner.see(bytes.subarray(from, cut))
    from = cut
  }
  return seen
}

interface ToldMessage {
  readonly id: ScannedMessage['id']
  readonly method: string | undefined
  readonly error?: { readonly code: number; readonly message?: string }
  readonly result?: { readonly isError?: unknown } | readonly unknown[] | null
}

/** What JSON.parse tells of a message. */
function told(message: Record<string, unknown>): ScannedMessage {
  const { id, method, error, result } = message as unknown as ToldMessage
  return {
    id,
    method,
    error: 'error' in message ? { code: error?.code, message: error?.message ?? '' } : undefined,
    isToolError: typeof result === 'object' && result !== null && 'isError' in result && result.isError === true,
  }
}

const NOTHING_OF_IT = { id: undefined, method: undefined, error: undefined, isToolError: false }

test.each([
  ['a result', { jsonrpc: '2.0', id: 7, result: { content: [{ type: 'text', text: 'isError' }] } }],
  ['a result whose id stands last', { result: { content: [] }, jsonrpc: '2.0', id: 'seven' }],
  ['a tool that failed', { result: { content: [{ isError: false }], isError: true }, jsonrpc: '2.0', id: 7 }],
  ['a tool that did not fail', { jsonrpc: '2.0', id: 7, result: { isError: false, deep: { isError: true } } }],
  [
    'an error',
    { jsonrpc: '2.0', id: 7, error: { code: -32602, message: 'Unknown "tool"', data: { code: 1, message: 'x' } } },
  ],
  ['an error without an id', { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'Parse error' } }],
  [
    'a notification',
    { jsonrpc: '2.0', method: 'notifications/progress', params: { id: 1, error: 2, result: { isError: true } } },
  ],
  ['a question', { jsonrpc: '2.0', id: 1.5e3, method: 'elicitation/create', params: {} }],
])('%s is told as JSON.parse tells it', (_, message) => {
  expect(scan(JSON.stringify(message), MessageScanner)).toEqual([told(message)])
  expect(scan(JSON.stringify(message, null, 2), MessageScanner)).toEqual([told(message)])
})

test('a key in escapes is the key', () => {
  const text = String.raw`{"jsonrpc":"2.0","id":7,"result":{"isErr\u006fr":true}}`
  expect(scan(text, MessageScanner)).toEqual([{ ...NOTHING_OF_IT, id: 7, isToolError: true }])
})

test('each message of a batch is told, and each that follows another', () => {
  const one = { jsonrpc: '2.0', id: 1, result: { isError: true } }
  const other = { jsonrpc: '2.0', id: 2, error: { code: 1, message: 'no' } }
  expect(scan(JSON.stringify([one, other]), MessageScanner)).toEqual([told(one), told(other)])
  expect(scan(JSON.stringify(one) + JSON.stringify(other), MessageScanner)).toEqual([told(one), told(other)])
})

test('cut anywhere, in pieces of any size, every message is told the same', () => {
  const json = fc.record(
    {
      jsonrpc: fc.constant('2.0'),
      id: fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.constant(null)),
      method: fc.string({ unit: 'binary', maxLength: 40 }),
      result: fc.oneof(
        fc.jsonValue(),
        fc.record({ isError: fc.oneof(fc.boolean(), fc.constant('true')), content: fc.array(fc.jsonValue()) }),
      ),
      error: fc.record({ code: fc.integer(), message: fc.string({ unit: 'binary' }), data: fc.jsonValue() }),
      params: fc.jsonValue(),
    },
    { requiredKeys: ['jsonrpc', 'id'] },
  )
  fc.assert(
    fc.property(json, fc.array(fc.nat(), { maxLength: 12 }), (message, cuts) => {
      const text = JSON.stringify(message)
      const once = ['method', 'result', 'error'].some((key) => key in message) ? [told(message)] : []
      expect(scan(text, MessageScanner, cuts)).toEqual(once)
      const events = `: hello\r\nid: 1\r\n\r\nevent: message\ndata: ${text}\n\ndata\n\ndata:${text}\r\rretry: 5\n\n`
      expect(scan(events, EventScanner, cuts)).toEqual([...once, ...once])
    }),
    { numRuns: 300 },
  )
})

test('the data of an event may be many lines, and half an event tells nothing', () => {
  const text = JSON.stringify({ jsonrpc: '2.0', id: 7, result: { isError: true } }, null, 1)
  const lines = text.split('\n').map((line) => `data: ${line}\r\n`)
  expect(scan(`\uFEFF${lines.join('')}\r\n`, EventScanner)).toEqual([{ ...NOTHING_OF_IT, id: 7, isToolError: true }])
  expect(scan(`${lines.slice(0, -1).join('')}\r\n${lines.join('')}\r\n`, EventScanner)).toHaveLength(1)
})

test('of a text without end no more is kept than is read of one', () => {
  const seen: ScannedMessage[] = []
  const scanner = new MessageScanner((message) => seen.push(message))
  scanner.see(Buffer.from('{"error":{"message":"'))
  const piece = Buffer.alloc(64 * 1024, 'x')
  const before = process.memoryUsage().arrayBuffers
  for (let count = 0; count < 256; count += 1) scanner.see(piece)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024)
  scanner.see(Buffer.from('","code":5},"id":1}'))
  expect(seen).toEqual([{ ...NOTHING_OF_IT, id: 1, error: { code: 5, message: '' } }])
})
