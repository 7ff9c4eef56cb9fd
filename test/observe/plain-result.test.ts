import { MessageScanner, type ScannedMessage } from '../../lib/observe/message-scanner.ts'
import { isPlainResult } from '../../lib/observe/plain-result.ts'

/** What the scan of a whole document says. */
function scanned(document: string): ScannedMessage[] {
  const messages: ScannedMessage[] = []
  new MessageScanner((message) => void messages.push(message)).see(Buffer.from(document))
  return messages
}

function isPlain(document: string, id: string | number = 7): boolean {
  return isPlainResult(Buffer.from(document), id)
}

test.each([
  '{"jsonrpc":"2.0","id":7,"result":{}}',
  '{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"a \\"quoted\\" }} text"}]}}',
  '{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":false}}',
  '{"result":{"content":[{"type":"text","text":"über\\n"}],"isError":false},"jsonrpc":"2.0","id":7}',
  '{"result":{"content":[{"type":"text","text":"say \\"isError\\":true"}]},"jsonrpc":"2.0","id":7}',
])('a result without an error is plain, and the scan says the same: %s', (document) => {
  expect(isPlain(document)).toBe(true)
  expect(scanned(document)).toEqual([{ id: 7, method: undefined, error: undefined, isToolError: false }])
})

test.each([
  ['another id', '{"jsonrpc":"2.0","id":8,"result":{}}'],
  ['an id that begins alike', '{"jsonrpc":"2.0","id":77,"result":{}}'],
  ['an error', '{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"no"}}'],
  ['an error behind the result', '{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":"no"}}'],
  ['an error behind the result, id last', '{"result":{},"error":{"code":1,"message":"no"},"jsonrpc":"2.0","id":7}'],
  ['a second result', '{"result":{},"result":{"isError":true},"jsonrpc":"2.0","id":7}'],
  ['isError', '{"jsonrpc":"2.0","id":7,"result":{"isError":true}}'],
  ['isError with white space', '{"jsonrpc":"2.0","id":7,"result":{"isError" : true}}'],
  ['isError twice', '{"jsonrpc":"2.0","id":7,"result":{"isError":false,"isError":true}}'],
  ['isError with an escape', '{"jsonrpc":"2.0","id":7,"result":{"is\\u0045rror":true}}'],
  ['a request', '{"jsonrpc":"2.0","id":7,"method":"ping"}'],
  ['a result that is no object', '{"jsonrpc":"2.0","id":7,"result":[]}'],
  ['white space', '{ "jsonrpc": "2.0", "id": 7, "result": {} }'],
  ['the rest missing', '{"jsonrpc":"2.0","id":7,"result":{"content":[]}'],
  ['a long text', `{"jsonrpc":"2.0","id":7,"result":{"text":"${'x'.repeat(2_048)}"}}`],
])('a document with %s is left to the scan', (_, document) => {
  expect(isPlain(document)).toBe(false)
})

test('a request with an id that is no number is left to the scan', () => {
  expect(isPlain('{"jsonrpc":"2.0","id":"7","result":{}}', '7')).toBe(false)
})
