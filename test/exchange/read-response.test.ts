// The one look at a reply: it finds the response, and the bytes go on as if nobody had looked.
import { readAnswer } from '../../lib/exchange/read-response.ts'
import type { Body, Reply, Sink } from '../../lib/types.ts'

/** A body that gives its chunks to whoever pipes, and keeps what is given back. */
function replyOf(type: string, chunks: readonly (string | Buffer)[], end: 'ends' | 'breaks' | 'goes on' = 'ends') {
  let waiting: Buffer[] = chunks.map((chunk) => Buffer.from(chunk))
  let sink: Sink | undefined
  const body: Body = {
    pipe(next) {
      sink = next
      while (sink === next) {
        const chunk = waiting.shift()
        if (chunk === undefined) {
          if (end === 'ends') next.end()
          if (end === 'breaks') next.fail(new Error('broken'))
          return
        }
        next.data(chunk)
      }
    },
    unread(given) {
      sink = undefined
      waiting = [...given, ...waiting]
    },
    resume: () => {},
    cancel: () => {},
    drain: () => {},
    whole: () => undefined,
  }
  const reply: Reply = { status: 200, headers: { 'content-type': type }, body }
  return {
    reply,
    rest() {
      const received: Buffer[] = []
      let over: string | undefined
      body.pipe({
        data: (chunk) => received.push(chunk) > 0,
        end: () => void (over = 'ended'),
        fail: () => void (over = 'broke'),
      })
      return { bytes: Buffer.concat(received).toString(), over }
    },
  }
}

const response = '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","big":12345678901234567890}}'
const stream = `id: 1\nretry: 500\ndata: \n\n: ping\n\nevent: message\ndata: {"jsonrpc":"2.0","method":"notifications/message"}\n\ndata: ${response}\n\ndata: {"jsonrpc":"2.0","method":"later"}\n\n`
const expected = { message: { id: 1, result: { protocolVersion: '2025-11-25' } }, text: response }

describe('readAnswer', () => {
  test('finds a response at the end of a stream of carriage returns', async () => {
    const { reply, rest } = replyOf('text/event-stream', [`data: ${response}\r\r`])
    expect(await readAnswer(reply)).toMatchObject(expected)
    expect(rest()).toEqual({ bytes: `data: ${response}\r\r`, over: 'ended' })
  })

  test.each([
    ['whole', [response]],
    ['in pieces', [response.slice(0, 20), response.slice(20, 21), response.slice(21)]],
  ])('finds the response in JSON that comes %s, and gives every byte back (RPC14)', async (_, chunks) => {
    const { reply, rest } = replyOf('application/json; charset=utf-8', chunks)
    expect(await readAnswer(reply)).toMatchObject(expected)
    expect(rest()).toEqual({ bytes: response, over: 'ended' })
  })

  test.each([
    ['whole', [stream]],
    ['in pieces', [stream.slice(0, 7), stream.slice(7, 130), stream.slice(130)]],
    ['with CRLF', [stream.replaceAll('\n', '\r\n')]],
  ])(
    'finds the response in an event stream that comes %s, past priming, comments and notifications (SE1, SE2, RPC14)',
    async (_, chunks) => {
      const { reply, rest } = replyOf('text/event-stream', chunks)
      expect(await readAnswer(reply)).toMatchObject(expected)
      expect(rest()).toEqual({ bytes: chunks.join(''), over: 'ended' })
    },
  )

  test('does not wait for the end of an event stream that has brought the response', async () => {
    const { reply, rest } = replyOf('text/event-stream', [`data: ${response}\n\n`], 'goes on')
    expect(await readAnswer(reply)).toMatchObject(expected)
    expect(rest()).toEqual({ bytes: `data: ${response}\n\n`, over: undefined })
  })

  test('reads the media type as HTTP writes it, in any case (HD20)', async () => {
    const { reply } = replyOf('Text/Event-Stream; charset=UTF-8', [`data: ${response}\n\n`])
    expect(await readAnswer(reply)).toMatchObject(expected)
  })

  test('a character that is cut in two is read whole', async () => {
    const bytes = Buffer.from('data: {"jsonrpc":"2.0","id":1,"result":{"name":"größe"}}\n\n')
    const at = bytes.indexOf('ö') + 1
    const { reply } = replyOf('text/event-stream', [bytes.subarray(0, at), bytes.subarray(at)])
    expect(await readAnswer(reply)).toMatchObject({ message: { result: { name: 'größe' } } })
  })

  test.each<[string, string, string[], 'ends' | 'breaks']>([
    ['JSON that is none', 'application/json', ['{'], 'ends'],
    ['JSON that breaks off', 'application/json', ['{"jsonrpc":'], 'breaks'],
    ['an array', 'application/json', [`[${response}]`], 'ends'],
    ['a string', 'application/json', ['"hello"'], 'ends'],
    ['null', 'application/json', ['null'], 'ends'],
    [
      'an event stream without a response',
      'text/event-stream',
      ['data: {"jsonrpc":"2.0","method":"x","id":1}\n\n'],
      'ends',
    ],
    ['an event stream that breaks', 'text/event-stream', ['data: {"jsonrpc"'], 'breaks'],
    ['nothing at all', 'application/json', [], 'ends'],
  ])('finds no answer in %s, and gives it back as it was', async (_, type, chunks, end) => {
    const { reply, rest } = replyOf(type, chunks, end)
    expect(await readAnswer(reply)).toBeUndefined()
    expect(rest()).toEqual({ bytes: chunks.join(''), over: end === 'ends' ? 'ended' : 'broke' })
  })

  test('gives up on an answer of more than 4 MiB and lets it through untouched (SC6)', async () => {
    const chunks = Array.from({ length: 5 }, () => Buffer.alloc(1024 * 1024, ' '))
    const { reply, rest } = replyOf('application/json', [...chunks, response])
    expect(await readAnswer(reply)).toBeUndefined()
    expect(rest().bytes).toHaveLength(5 * 1024 * 1024 + response.length)
  })
})
