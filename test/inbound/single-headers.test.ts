// Headers that decide come once.
import { checkSingleHeaders } from '../../lib/inbound/single-headers.ts'

test.each([
  [[]],
  [['Host', 'a', 'Accept', 'x', 'accept', 'y']],
  [['Host', 'a', 'Authorization', 'Bearer a', 'Content-Type', 'application/json', 'Cookie', 'a', 'cookie', 'b']],
  [['Host', 'Host', 'Date', 'host']],
])('%j passes', (headers) => {
  expect(() => checkSingleHeaders(headers)).not.toThrow()
})

test.each(['Host', 'Authorization', 'Content-Type'])('SC2 AU9 a second %s is a bad request, in any case', (name) => {
  const headers = [name, 'a', 'Accept', '*/*', name.toUpperCase(), 'a']
  const error = { code: 'bad_request', message: `There is more than one ${name.toLowerCase()} header` }
  expect(() => checkSingleHeaders(headers)).toThrow(expect.objectContaining(error))
})
