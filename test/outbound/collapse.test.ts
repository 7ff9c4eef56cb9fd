// What a client that takes JSON alone gets out of an event stream.
import { GatewayError } from '../../lib/errors.ts'
import { COMPLETE } from '../../lib/exchange/body.ts'
import type { Exchange } from '../../lib/exchange/exchange.ts'
import { type BatchMessage, requestOf } from '../../lib/exchange/message.ts'
import type { Handle, Reply } from '../../lib/exchange/reply.ts'
import { collapse } from '../../lib/outbound/collapse.ts'
import { fixture, legacyCall, PROGRESS } from '../support/fixture.ts'
import { emptyReply, eventOf, exchangeOf, progress, resultOf, scripted, Source, turn } from '../exchange/parts.ts'

/** Collapses a stream that a test writes; questions are answered, and polls asked, at `handle`. */
function start(parts: Partial<Exchange> = {}, handle: Handle = scripted()) {
  const source = new Source()
  const exchange = exchangeOf(parts)
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
  const document = collapse(source.reply([1], { headers, sessionId: 'session' }), exchange, handle)
  return { source, exchange, document }
}

async function textOf(document: Promise<Reply>): Promise<string> {
  const reply = await document
  return reply.kind === 'json' ? reply.body.whole()!.toString() : reply.kind
}

const ones: BatchMessage = {
  kind: 'batch',
  era: 'legacy',
  items: [requestOf('legacy', 1, 'ping'), requestOf('legacy', 2, 'ping')],
  text: '',
}
const question = { jsonrpc: '2.0', id: 'q', method: 'sampling/createMessage', params: {} }

test('HD1 the response is the document, with the head of the stream; what comes before it is dropped', async () => {
  const { source, document } = start()
  source.say(eventOf(progress(1)) + eventOf(resultOf('another')))
  source.say(eventOf(resultOf()).slice(0, 20), false)
  source.say(eventOf(resultOf()).slice(20))
  const length = JSON.stringify(resultOf()).length
  expect(await document).toMatchObject({
    kind: 'json',
    status: 200,
    sessionId: 'session',
    headers: { 'content-type': 'application/json', 'content-length': String(length), 'cache-control': 'no-store' },
  })
  expect(await textOf(document)).toBe(JSON.stringify(resultOf()))
})

test('HD1 RPC5 the responses to a batch are an array, with errors for those that are missing', async () => {
  const { source, document } = start({ message: ones })
  source.say(eventOf(resultOf(2)))
  source.body.end(COMPLETE)
  expect(JSON.parse(await textOf(document))).toMatchObject([resultOf(2), { id: 1, error: { code: 502 } }])
  const other = start({ message: ones })
  other.source.say(eventOf(resultOf(2)) + eventOf(resultOf(1)))
  expect(JSON.parse(await textOf(other.document))).toEqual([resultOf(2), resultOf(1)])
})

test('HD1 a question is refused in place of the client, and nothing is read meanwhile', async () => {
  let answered: ((reply: Reply) => void) | undefined
  const asked: Exchange[] = []
  const { source, document } = start({}, (exchange) => {
    asked.push(exchange)
    return new Promise((resolve) => (answered = resolve))
  })
  source.say(eventOf(question))
  await turn()
  expect(asked).toMatchObject([{ message: { kind: 'response', id: 'q', error: { code: -32603 } } }])
  const { resumes } = source
  answered?.(emptyReply)
  await turn()
  expect(source.resumes).toBe(resumes + 1)
  source.say(eventOf(resultOf()))
  expect(await textOf(document)).toBe(JSON.stringify(resultOf()))
})

test('HD1 a server that cannot be told so does not end the call', async () => {
  const { source, document } = start({}, scripted(new GatewayError('upstream_unreachable', 'gone')))
  source.say(eventOf(question))
  await turn()
  source.say(eventOf(resultOf()))
  expect(await textOf(document)).toBe(JSON.stringify(resultOf()))
})

test('SE3 a server that ends its stream to be asked again is asked here', async () => {
  const rest = new Source()
  const handle = scripted(rest.reply())
  const { source, document } = start({}, handle)
  source.body.end({ how: 'poll', after: 'event-1', retryMs: 1 })
  rest.say(eventOf(resultOf()))
  expect(await textOf(document)).toBe(JSON.stringify(resultOf()))
  expect(handle.asked).toMatchObject([{ verb: 'GET', headers: { 'last-event-id': 'event-1' } }])
})

test.each([
  ['ends without a response', (source: Source) => source.end()],
  ['breaks', (source: Source) => source.break(new Error('cut'))],
  [
    'has a response too long to be read',
    (source: Source) => {
      source.say(`data: ${'x'.repeat(5 * 1024 * 1024)}`, false)
      source.say(`\n\n${eventOf(resultOf())}`)
      source.end()
    },
  ],
])('ER14 a stream that %s is an error', async (_, end) => {
  const { source, document } = start()
  end(source)
  await expect(document).rejects.toMatchObject({ code: 'upstream_broken' })
})

test('an exchange that is stopped is told why, and its stream is let go of', async () => {
  const { source, exchange, document } = start()
  exchange.life.stop(new GatewayError('closing', 'The gateway is shutting down'))
  await expect(document).rejects.toMatchObject({ code: 'closing' })
  expect(source.isCancelled).toBe(true)
})

test('SE3 SS8 after a recovery the rest is asked for in the new session', async () => {
  const gateway = fixture({ layers: ['open', 'recover', 'resume'] })
  const session = await gateway.session()
  gateway.upstream.sessions.clear()
  gateway.upstream.on('tools/call', (asked) => {
    const stream = asked.events()
    stream.say(PROGRESS, 'e1', 1)
    stream.end()
  })
  gateway.upstream.on('GET', (asked) => asked.events().answer({}, 'e2'))
  const client = gateway.send(legacyCall(), { session, accepts: { json: true, events: false } })
  await client.over
  expect(client.says).toEqual(['result'])
  expect(gateway.upstream.told.at(-1)).toBe('GET after e1 in s2')
  await gateway.close()
})
