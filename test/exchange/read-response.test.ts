// Reading a reply as far as its response: a look that gives every byte back, and a reader that uses the reply up.
import { COMPLETE } from '../../lib/exchange/body.ts'
import type { Out } from '../../lib/exchange/answer.ts'
import { FramedBody } from '../../lib/exchange/framed-body.ts'
import { peekResponse, readResponse } from '../../lib/exchange/read-response.ts'
import type { EventsReply, JsonReply } from '../../lib/exchange/reply.ts'
import { bodyOf, readAll } from './bodies.ts'

const { jest } = import.meta

type Chunks = readonly (string | Buffer)[]
type Ending = 'ends' | 'breaks' | 'goes on'

/** A reply as it comes from an upstream: an event stream is framed where it enters. */
function replyOf(kind: 'json' | 'events', chunks: Chunks, end: Ending = 'ends'): JsonReply | EventsReply {
  const raw = bodyOf(chunks, end)
  if (kind === 'json') return { kind, status: 200, headers: { 'content-type': 'application/json' }, body: raw }
  const body = new FramedBody(raw, [1], false)
  const { pending, resumeAfter } = body
  const headers = { 'content-type': 'text/event-stream' }
  return { kind, status: 200, headers, body, pending, resumeAfter, endless: false, kept: false }
}

const text = '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","big":12345678901234567890}}'
const before = `id: 1\nretry: 500\ndata: \n\n: ping\n\nevent: message\ndata: {"jsonrpc":"2.0","method":"notifications/message"}\n\n`
const stream = `${before}data: ${text}\n\ndata: {"jsonrpc":"2.0","method":"later"}\n\n`
const expected = { kind: 'response', id: 1, result: { protocolVersion: '2025-11-25' }, text }

const noResponse: [string, 'json' | 'events', string[], Ending][] = [
  ['JSON that is none', 'json', ['{'], 'ends'],
  ['JSON that breaks off', 'json', ['{"jsonrpc":'], 'breaks'],
  ['JSON that breaks off behind what can be read (R8)', 'json', [text], 'breaks'],
  ['an array', 'json', [`[${text}]`], 'ends'],
  ['a string', 'json', ['"hello"'], 'ends'],
  ['null', 'json', ['null'], 'ends'],
  ['an event stream without a response', 'events', ['data: {"jsonrpc":"2.0","method":"x","id":1}\n\n'], 'ends'],
  ['nothing at all', 'json', [], 'ends'],
]

describe('peekResponse', () => {
  test('finds a response at the end of a stream of carriage returns', async () => {
    const reply = replyOf('events', [`data: ${text}\r\r`])
    expect(await peekResponse(reply)).toMatchObject(expected)
    expect(readAll(reply.body)).toEqual({ bytes: `data: ${text}\r\r`, end: COMPLETE })
  })

  test.each([
    ['whole', [text]],
    ['in pieces', [text.slice(0, 20), text.slice(20, 21), text.slice(21)]],
  ])('finds the response in JSON that comes %s, and gives every byte back (RPC14)', async (_, chunks) => {
    const reply = replyOf('json', chunks)
    expect(await peekResponse(reply)).toMatchObject(expected)
    expect(readAll(reply.body)).toEqual({ bytes: text, end: COMPLETE })
  })

  test.each([
    ['whole', [stream]],
    ['in pieces', [stream.slice(0, 7), stream.slice(7, 130), stream.slice(130)]],
    ['with CRLF', [stream.replaceAll('\n', '\r\n')]],
  ])(
    'finds the response in an event stream that comes %s, past priming, comments and notifications (SE1, SE2, RPC14)',
    async (_, chunks) => {
      const reply = replyOf('events', chunks)
      expect(await peekResponse(reply)).toMatchObject(expected)
      expect(readAll(reply.body)).toEqual({ bytes: chunks.join(''), end: COMPLETE })
    },
  )

  test('does not wait for the end of an event stream that has brought the response', async () => {
    const reply = replyOf('events', [`data: ${text}\n\n`], 'goes on')
    expect(await peekResponse(reply)).toMatchObject(expected)
    expect(readAll(reply.body)).toEqual({ bytes: `data: ${text}\n\n`, end: undefined })
  })

  test.each([
    ['short', ''],
    ['giant', 'x'.repeat(300 * 1024)],
  ])('reads a character whole that is cut in two, in a %s event', async (_, padding) => {
    const bytes = Buffer.from(`data: {"jsonrpc":"2.0","id":1,"result":{"padding":"${padding}","name":"größe"}}\n\n`)
    const at = bytes.indexOf('ö') + 1
    const reply = replyOf('events', [bytes.subarray(0, at), bytes.subarray(at)])
    expect(await peekResponse(reply)).toMatchObject({ result: { name: 'größe' } })
    const again = replyOf('events', [bytes.subarray(0, at), bytes.subarray(at)])
    expect(await readResponse(again)).toMatchObject({ result: { name: 'größe' } })
  })

  test('finds an error, and the response to a request whose id could not be read (RPC8)', async () => {
    const error = { code: -32700, message: 'Parse error' }
    const reply = replyOf('json', [JSON.stringify({ jsonrpc: '2.0', id: null, error })])
    expect(await peekResponse(reply)).toMatchObject({ id: null, error })
  })

  test.each(noResponse)('finds no response in %s, and gives it back as it was', async (_, kind, chunks, end) => {
    const reply = replyOf(kind, chunks, end)
    expect(await peekResponse(reply)).toBeUndefined()
    expect(readAll(reply.body)).toMatchObject({
      bytes: chunks.join(''),
      end: { how: end === 'ends' ? 'complete' : 'broken' },
    })
  })

  test('finds no response in an event stream that breaks, and gives back all of its events', async () => {
    const reply = replyOf('events', [`: ping\n\ndata: {"jsonrpc"`], 'breaks')
    expect(await peekResponse(reply)).toBeUndefined()
    expect(readAll(reply.body)).toMatchObject({ bytes: ': ping\n\n', end: { how: 'broken' } })
  })

  test.each(['json', 'events'] as const)(
    'gives up on a response of more than 4 MiB and lets it through untouched, in a reply of kind %s (SC6)',
    async (kind) => {
      const padding = kind === 'json' ? ' '.repeat(1024 * 1024) : `: ${'x'.repeat(1024 * 1024)}\n\n`
      const chunks = [...Array.from({ length: 5 }, () => padding), kind === 'json' ? text : `data: ${text}\n\n`]
      const reply = replyOf(kind, chunks)
      expect(await peekResponse(reply)).toBeUndefined()
      expect(readAll(reply.body).bytes).toBe(chunks.join(''))
    },
  )

  test.each(['json', 'events'] as const)(
    'passes over the response to another id, in a reply of kind %s (18)',
    async (kind) => {
      const chunks = kind === 'json' ? [text] : [stream]
      const other = replyOf(kind, chunks)
      expect(await peekResponse(other, { id: '1' })).toBeUndefined()
      expect(readAll(other.body).bytes).toBe(chunks.join(''))
      expect(await peekResponse(replyOf(kind, chunks), { id: 1 })).toMatchObject(expected)
      expect(await readResponse(replyOf(kind, chunks), undefined, { id: '1' })).toBeUndefined()
      expect(await readResponse(replyOf(kind, chunks), undefined, { id: 1 })).toMatchObject(expected)
    },
  )

  test('finds the response behind one to another id, and an error without an id (18)', async () => {
    const other = 'data: {"jsonrpc":"2.0","id":"1","result":{}}\n\n'
    expect(await peekResponse(replyOf('events', [other + stream]), { id: 1 })).toMatchObject(expected)
    const error = { code: -32700, message: 'Parse error' }
    const nobodys = JSON.stringify({ jsonrpc: '2.0', id: null, error })
    expect(await peekResponse(replyOf('json', [nobodys]), { id: 1 })).toMatchObject({ id: null, error })
  })

  test.each(['json', 'events'] as const)('waits no longer than it may, in a reply of kind %s (23)', async (kind) => {
    const chunk = kind === 'json' ? '{' : before
    const reply = replyOf(kind, [chunk], 'goes on')
    expect(await peekResponse(reply, { timeoutMs: 1 })).toBeUndefined()
    expect(readAll(reply.body).bytes).toBe(chunk)
  })

  test('finds nothing in a reply that has no body', async () => {
    expect(await peekResponse({ kind: 'empty', status: 202, headers: {} })).toBeUndefined()
  })
})

/** What is said before an answer; it has room for `room` pieces at a time. */
function outOf(room = Infinity) {
  const said: string[] = []
  let left = room
  let wake = (): void => {}
  let ready: Promise<void> | undefined
  const out: Out = {
    bytes(chunk, atBoundary) {
      expect(atBoundary).toBe(true)
      said.push(chunk.toString())
      if ((left -= 1) > 0) return true
      ready ??= new Promise((resolve) => {
        wake = resolve
      })
      return false
    },
    say: () => true,
    get ready() {
      return ready
    },
  }
  const makeRoom = (): void => {
    left = Infinity
    ready = undefined
    wake()
  }
  return { out, said, makeRoom }
}

describe('readResponse', () => {
  test('reads the response in JSON, and uses it up', async () => {
    let isDrained = false
    const reply = replyOf('json', [text.slice(0, 20), text.slice(20)])
    const drain = (): void => void (isDrained = true)
    expect(await readResponse({ ...reply, body: { ...reply.body, drain } })).toMatchObject(expected)
    expect(isDrained).toBe(true)
  })

  test.each([
    ['whole', [stream]],
    ['in pieces', [stream.slice(0, 7), stream.slice(7, 130), stream.slice(130)]],
  ])(
    'hands on what an event stream that comes %s says before its response, byte for byte, and nothing behind it',
    async (_, chunks) => {
      const { out, said } = outOf()
      expect(await readResponse(replyOf('events', chunks), out)).toMatchObject(expected)
      expect(said.join('')).toBe(before)
    },
  )

  test('drops what comes before the response where nobody is to be told', async () => {
    expect(await readResponse(replyOf('events', [stream]))).toMatchObject(expected)
  })

  test('takes a request of the server with the same id for what it is, and hands it on', async () => {
    const question = 'data: {"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"result":{}}}\n\n'
    const { out, said } = outOf()
    expect(await readResponse(replyOf('events', [question + stream]), out)).toMatchObject(expected)
    expect(said.join('')).toBe(question + before)
  })

  test('does not wait for the end of an event stream that has brought the response, and lets go of it', async () => {
    const reply = replyOf('events', [stream], 'goes on')
    const cancel = jest.spyOn(reply.body, 'cancel')
    expect(await readResponse(reply)).toMatchObject(expected)
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  test('lets a stream wait for its reader, and go on when that takes more again (SE16)', async () => {
    const { out, said, makeRoom } = outOf(1)
    const reading = readResponse(replyOf('events', [before, before, `data: ${text}\n\n`]), out)
    expect(said.join('')).toBe(before)
    makeRoom()
    expect(await reading).toMatchObject(expected)
    expect(said.join('')).toBe(before + before)
  })

  test.each(noResponse)('finds no response in %s', async (_, kind, chunks, end) => {
    expect(await readResponse(replyOf(kind, chunks, end))).toBeUndefined()
  })

  test('gives up on a response that is longer than it may be (SC6)', async () => {
    const long = JSON.stringify({ jsonrpc: '2.0', id: 1, result: 'x'.repeat(2_000) })
    expect(await readResponse(replyOf('json', [long]), undefined, { maxBytes: 1_000 })).toBeUndefined()
    expect(await readResponse(replyOf('events', [`data: ${long}\n\n`]), undefined, { maxBytes: 1_000 })).toBeUndefined()
    expect(await readResponse(replyOf('events', [`data: ${long}\n\n`]), undefined, { maxBytes: 3_000 })).toMatchObject({
      id: 1,
    })
  })
})
