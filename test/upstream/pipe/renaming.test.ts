// Ids are replaced where they stand, twice where they stand twice, and everything else stays byte for byte.
import {
  cancelToPipe,
  progressToClient,
  requestToPipe,
  responseToClient,
  subscribedToClient,
} from '../../../lib/upstream/pipe/renaming.ts'

const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId'

test.each([
  ['{"id":1}', '{"id":5}'],
  ['{ "id" : "a" , "x":{"id":1}}', '{ "id" : 5 , "x":{"id":1}}'],
  ['{"i\\u0064":1}', '{"i\\u0064":5}'],
  ['{"id":1,"id":2}', '{"id":5,"id":5}'],
  [
    '{"id":1,"params":{"_meta":{"progressToken":"t"},"progressToken":9}}',
    '{"id":5,"params":{"_meta":{"progressToken":5},"progressToken":9}}',
  ],
  [
    '{"params":{"_meta":{"progressToken":3,"progressToken":4}},"id":1}',
    '{"params":{"_meta":{"progressToken":5,"progressToken":5}},"id":5}',
  ],
  ['{"id":1,"params":{"_meta":7}}', '{"id":5,"params":{"_meta":7}}'],
  ['{"id":1,"params":[{"_meta":{"progressToken":1}}]}', '{"id":5,"params":[{"_meta":{"progressToken":1}}]}'],
])('%s is sent as %s', (text, sent) => {
  expect(requestToPipe(text, 5).text).toBe(sent)
})

test('what comes back has the ids of the client, as they stood', () => {
  const { ids } = requestToPipe('{"id":1e0,"params":{"_meta":{"progressToken":"\\u0074"}}}', 5)
  expect(ids).toEqual({ id: '1e0', progressToken: '"\\u0074"' })
  expect(responseToClient('{"result":{"id":5},"id":5}', ids)).toBe('{"result":{"id":5},"id":1e0}')
  const result = `{"id":5,"result":{"_meta":{"${SUBSCRIPTION}":5}}}`
  expect(responseToClient(result, ids)).toBe(`{"id":1e0,"result":{"_meta":{"${SUBSCRIPTION}":1e0}}}`)
  expect(progressToClient('{"params":{"progressToken":5,"n":1.0}}', ids)).toBe(
    '{"params":{"progressToken":"\\u0074","n":1.0}}',
  )
  const told = `{"params":{"_meta":{"${SUBSCRIPTION}":5}}}`
  expect(subscribedToClient(told, ids)).toBe(`{"params":{"_meta":{"${SUBSCRIPTION}":1e0}}}`)
  expect(cancelToPipe('{"params":{"requestId":"x","reason":"r"}}', 5)).toBe('{"params":{"requestId":5,"reason":"r"}}')
})
