// Which requests still wait for their response on an event stream. The bytes come framed, as whatever reads a stream sees them.
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { Framer } from '../../lib/exchange/framer.ts'
import { PendingIds } from '../../lib/exchange/pending-ids.ts'
import type { RequestId } from '../../lib/types.ts'
import { cutAt, cuts, singly } from './streams.ts'

/** No chunk that comes from a socket, or was kept until it was wanted, is as long as what a framer holds back. */
const MOST = 256 * 1024 - 1

/** In chunks of so many bytes, as a socket might give them. */
function chunksOf(stream: string | Buffer, size: number): Buffer[] {
  const bytes = Buffer.from(stream)
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))
}

function pendingAfter(ids: readonly RequestId[], ...chunks: readonly (string | Buffer)[]): RequestId[] {
  const pending = new PendingIds(ids)
  const framer = new Framer()
  for (const chunk of chunks) framer.feed(Buffer.from(chunk), (piece, atBoundary) => pending.see(piece, atBoundary))
  expect(pending.isEmpty).toBe(pending.ids.length === 0)
  return pending.ids
}

const event = (message: object | string, end = '\n'): string =>
  `event: message${end}data: ${typeof message === 'string' ? message : JSON.stringify(message)}${end}${end}`
const progress = event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } })
const question = event({ jsonrpc: '2.0', id: 1, method: 'sampling/createMessage', params: { result: { id: 1 } } })
const result = { jsonrpc: '2.0', id: 1, result: { content: [] } }

test.each([
  ['LF', '\n'],
  ['CRLF', '\r\n'],
  ['CR', '\r'],
])('the last answer of a batch is seen when it is there, not when something follows: %s', (_, end) => {
  expect(pendingAfter([1, 2], event({ ...result, id: 2 }, end), event(result, end))).toEqual([])
})

describe('a stream of one request', () => {
  test.each([
    ['nothing', '', [1]],
    ['a notification', progress, [1]],
    ['a request of the server with the same id', question, [1]],
    ['a priming event', 'id: 7\ndata: \n\n', [1]],
    ['a comment', ': ping\n\n', [1]],
    ['the response', event(result), []],
    ['a response that is an error', event({ jsonrpc: '2.0', id: 1, error: { code: -32603, message: 'no' } }), []],
    ['a response with its members in another order', event('{"result":{"a":1},"id":1,"jsonrpc":"2.0"}'), []],
    ['a response as Python writes it', event('{"jsonrpc": "2.0", "id": 1, "result": {}}'), []],
    ['a response in several data lines', 'data: {"jsonrpc":"2.0",\ndata: "id":1,"result":\ndata: {}}\n\n', []],
    ['a response without a space after the colon', 'data:{"jsonrpc":"2.0","id":1,"result":{}}\n\n', []],
    ['a response with CRLF', event(result, '\r\n'), []],
    ['a response with CR', event(result, '\r'), []],
    ['a response with an id and a comment in front', `: hi\nid: 3\n${event(result)}`, []],
    ['a notification, then the response', progress + event(result), []],
    ['a notification with CRLF, then the response with LF', progress.replaceAll('\n', '\r\n') + event(result), []],
    [
      'a notification whose blank line alone is CRLF, then the response',
      `${progress.slice(0, -1)}\r\n${event(result)}`,
      [],
    ],
    [
      'a request of the server with the same id, and a member in front that nobody knows',
      event('{"x-trace":"a","id":1,"method":"sampling/createMessage","params":{"result":{}}}'),
      [1],
    ],
    [
      'a notification whose params look like a response',
      event('{"jsonrpc":"2.0","method":"x","params":{"id":1,"result":{}}}'),
      [1],
    ],
    ['data that is no JSON', event('nonsense'), [1]],
  ])('after %s (SE1, ER14)', (_, stream, pending) => {
    expect(pendingAfter([1], ...(stream === '' ? [] : [stream]))).toEqual(pending)
  })

  test.each([
    ['a comment in the same stretch', [`${event(result)}: ping\n\n`]],
    ['a comment of its own', [event(result), ': ping\n\n']],
    ['one more blank line', [`${event(result)}\n`]],
    ['a blank line of its own', [event(result), '\n']],
    ['a late notification in the same stretch', [event(result) + progress]],
    ['a late notification of its own', [event(result), progress]],
  ])('nothing is pending any more when the response is followed by %s (SE1, ER14)', (_, chunks) => {
    expect(pendingAfter([1], ...chunks)).toEqual([])
  })

  test('a giant response is recognised however it comes (SE1, ER14)', () => {
    const giant = event({ ...result, result: { text: 'x'.repeat(700_000) } })
    for (const size of [giant.length, 65_536, 70_001]) {
      expect(pendingAfter([1], progress, ...chunksOf(giant, size))).toEqual([])
    }
  })

  test('a giant response is recognised by all of it when its first bytes do not tell (SE1, ER14)', () => {
    const giant = `data: {"jsonrpc":"2.0","id":"a,b","result":{"text":"${'x'.repeat(700_000)}"}}\n\n`
    expect(pendingAfter(['a,b'], giant.slice(0, 400_000), giant.slice(400_000))).toEqual([])
  })

  test('a giant notification leaves it pending (SE1, ER14)', () => {
    const giant = event({ jsonrpc: '2.0', method: 'notifications/message', params: { data: 'x'.repeat(700_000) } })
    expect(pendingAfter([1], giant.slice(0, 400_000), giant.slice(400_000))).toEqual([1])
  })

  /** Each as a server may write it, with a text of any length in it. */
  const long: [what: string, response: (text: string) => string][] = [
    ['as most write it', (text) => event({ ...result, result: { text } })],
    ['as Python writes it', (text) => event(`{"jsonrpc": "2.0", "id": 1, "result": {"text": "${text}"}}`)],
    ['with CRLF', (text) => event({ ...result, result: { text } }, '\r\n')],
    ['as an error', (text) => event({ jsonrpc: '2.0', id: 1, error: { code: 1, message: text } })],
    ['with its id at its end', (text) => event(`{"result":{"text":"${text}"},"id":1,"jsonrpc":"2.0"}`)],
    ['with a member in front that nobody knows', (text) => event({ 'x-trace': 'a', ...result, result: { text } })],
    ['with its result behind a member that is long', (text) => event({ 'x-trace': text, ...result })],
    [
      'with a comment of 600 characters in front',
      (text) => `: ${'c'.repeat(600)}\n${event({ ...result, result: { text } })}`,
    ],
    [
      'in many data lines',
      (text) =>
        `data: ${JSON.stringify({ ...result, result: { text: [text] } }, undefined, 2).replaceAll('\n', '\ndata: ')}\n\n`,
    ],
    [
      'with an event id of its own behind its data',
      (text) => event({ ...result, result: { text } }).replace(/\n$/, 'id: 7\n\n'),
    ],
  ]
  const lengths = [1_000, 20_000, 200_000, 700_000]
  const longOfEach = long.flatMap(([what, response]) => lengths.map((length) => [what, length, response] as const))

  test.each(longOfEach)(
    'a response %s, %d bytes long, is recognised however it comes (SE1, ER14)',
    (_, length, response) => {
      const stream = response('x'.repeat(length))
      for (const size of [10_000, 65_536, MOST]) {
        expect({ size, pending: pendingAfter([1], progress, ...chunksOf(stream, size)) }).toEqual({ size, pending: [] })
      }
    },
  )

  test.each(longOfEach)(
    'a response %s, %d bytes long, is recognised when its "result" is cut in two (SE1, ER14)',
    (_, length, response) => {
      const stream = response('x'.repeat(length))
      const at = stream.search(/"(?:result|error)":/) + 4
      const rest = chunksOf(stream.slice(at), 65_536)
      for (const size of [10_000, 65_536, MOST]) {
        expect({ size, pending: pendingAfter([1], ...chunksOf(stream.slice(0, at), size), ...rest) }).toEqual({
          size,
          pending: [],
        })
      }
    },
  )

  const talk = (text: string): string =>
    event({ jsonrpc: '2.0', method: 'notifications/message', params: { data: text, result: { id: 1, result: {} } } })
  const longQuestion = (text: string): string =>
    event({ jsonrpc: '2.0', id: 1, method: 'sampling/createMessage', params: { text, result: { id: 1, error: {} } } })

  test.each(lengths)(
    'a notification or a question of %d bytes that look like a response leave it pending (ER14)',
    (length) => {
      for (const stream of [talk('x'.repeat(length)), longQuestion('x'.repeat(length))]) {
        for (const size of [10_000, 65_536, MOST]) {
          expect(pendingAfter([1], ...chunksOf(stream, size))).toEqual([1])
          expect(pendingAfter([1], ...chunksOf(stream + event(result), size))).toEqual([])
        }
      }
    },
  )

  const makers = {
    progress: () => progress,
    talk,
    question: longQuestion,
    comment: (text: string) => `: ${text}\n\n`,
    answer: (text: string) => event({ ...result, result: { text } }),
  }
  const lengthOf = fc.constantFrom(10, 1_000, 20_000, 100_000, 300_000)
  const otherOf = fc.record({ what: fc.constantFrom('progress', 'talk', 'question', 'comment'), length: lengthOf })
  const answerOf = fc.record({ what: fc.constant('answer'), length: lengthOf })

  test.each([
    ['as a socket does, 64 KiB at most', 65_536, '\n'],
    ['into the longest chunks there are', MOST, '\n'],
    ['into the longest chunks there are, with CRLF', MOST, '\r\n'],
  ])('cutting a stream with long events changes nothing, %s (SE1, ER14)', (_, most, end) => {
    const others = fc.array(otherOf, { maxLength: 3 })
    fc.assert(
      fc.property(others, fc.option(answerOf), others, cuts, (before, answer, after, fractions) => {
        const events = [...before, ...(answer === null ? [] : [answer]), ...after].map(({ what, length }) =>
          makers[what]('y'.repeat(length)),
        )
        const chunks = cutAt(Buffer.from(events.join('').replaceAll('\n', end)), fractions).flatMap((chunk) =>
          chunksOf(chunk, Math.min(most, chunk.length)),
        )
        expect(pendingAfter([1], ...chunks)).toEqual(answer === null ? [1] : [])
      }),
      { numRuns: 300 },
    )
  })

  test.each([['\n'], ['\r\n'], ['\r']])(
    'an event of many lines in front of its data is looked at in one pass, lines ending in %j (SC6)',
    (end) => {
      const stream = `${`: p${end}`.repeat(100)}data: {"x":1,"result":{}}${end}${end}`
      // A look that backtracks would outlive us all; this ends it.
      const look = (): void => void pendingAfter([1], stream)
      expect(() => runInNewContext('look()', { look }, { timeout: 2_000 }) as void).not.toThrow()
    },
  )

  test('cutting the stream anywhere changes nothing (SE1, ER14)', () => {
    const parts = fc.array(
      fc.constantFrom(progress, question, 'id: 1\ndata: \n\n', progress.replaceAll('\n', '\r\n')),
      { maxLength: 4 },
    )
    fc.assert(
      fc.property(parts, fc.boolean(), cuts, (before, answered, fractions) => {
        const stream = Buffer.from(before.join('') + (answered ? event(result) : ''))
        expect(pendingAfter([1], ...cutAt(stream, fractions))).toEqual(answered ? [] : [1])
      }),
      { numRuns: 500 },
    )
  })

  test('a giant response whose id stands where nobody looks is taken for the only one there can be (SE1, ER14)', () => {
    const giant = event(`{"result":"${'x'.repeat(400_000)}","id":1,"x-trace":"${'y'.repeat(1_000)}"}`)
    expect(pendingAfter([1], ...chunksOf(giant, 65_536))).toEqual([])
    expect(pendingAfter([1, 2], ...chunksOf(giant, 65_536))).toEqual([1, 2])
  })
})

describe('a stream of a batch', () => {
  const answer = (id: RequestId): string => event({ jsonrpc: '2.0', id, result: {} })

  test('each response strikes its own id, with its type (RPC7, RPC3, ER14)', () => {
    expect(pendingAfter([1, '1', 'ä'], answer(1))).toEqual(['1', 'ä'])
    expect(pendingAfter([1, '1', 'ä'], answer('1') + progress + answer('ä'))).toEqual([1])
    expect(pendingAfter([1, '1', 'ä'], answer('ä'), answer(1), answer('1'))).toEqual([])
  })

  test('requests of the server strike nothing (ER14)', () => {
    expect(pendingAfter([1, 2], question)).toEqual([1, 2])
  })

  test('ids are read right when the stream is cut inside a character (RPC7, SE18)', () => {
    expect(pendingAfter(['ä', 'ö'], ...singly(Buffer.from(answer('ä') + answer('ö'))))).toEqual([])
  })

  test.each([1_000, 20_000, 200_000, 700_000])(
    'ids are read right when an event of %d bytes is cut inside a character (RPC7, SE18)',
    (length) => {
      const long = Buffer.from(event(`{"result":{"text":"${'x'.repeat(length)}"},"jsonrpc":"2.0","id":"ä"}`))
      const at = long.indexOf('ä') + 1
      const chunks = [long.subarray(0, 100), long.subarray(100, at), long.subarray(at)]
      expect(pendingAfter(['ä', 'ö'], ...chunks, answer('ö'))).toEqual([])
    },
  )
})

test('a stream that answers no request has nothing pending (SE9)', () => {
  expect(pendingAfter([], progress)).toEqual([])
})
