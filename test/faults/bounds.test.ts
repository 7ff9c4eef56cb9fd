// What a client or an upstream can make grow, and by how much: memory is measured after a collection, work is counted.
import { errorsMade, gulp, heldBytes, MiB, trickle, trickleOn, turns, type Gulp } from './support-bounds.ts'
import type { IncomingMessage, RequestListener } from 'node:http'
import { MemoryEventLog, type EventLog, type Gateway, type GatewayOptions } from '../../lib/index.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { createJournal, type Journal } from '../support/journal.ts'
import { modernRequest, postModern, standardHeaders } from '../support/modern.ts'
import { initialize, initializeMessage } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type EventStream, type Exchange, type Upstream } from '../support/upstream.ts'
import { chunk, head, wire, type Wire } from '../support/wire.ts'

const EVENTS = 'text/event-stream'
const JSON_TYPE = 'application/json'

let upstream: Upstream
let gateway: RunningGateway
/** What came to the gateway. */
let arrived: Journal<IncomingMessage>
const open: Array<{ close(): void }> = []

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  arrived = createJournal()
  const mount = (handle: Gateway): RequestListener => {
    return (request, response) => {
      arrived.record(request)
      handle(request, response)
    }
  }
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, ...options }, { prefix: '', mount })
}

beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(async () => {
  for (const each of open.splice(0)) each.close()
  await gateway.close()
  await upstream.close()
})

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const listening = modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, 'listen')
const notification = '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"'

/** Sends a message that the upstream takes and leaves to the test. */
async function ask(message: object, headers: Record<string, string>): Promise<[Exchange, Promise<Gulp>]> {
  const kind = Array.isArray(message) ? 'batch' : (message as { method: string }).method
  upstream.once(kind, () => {})
  const answering = gulp(gateway.url('a'), message, headers)
  answering.then((answer) => open.push(answer)).catch(() => {})
  return [await upstream.nextRequest(kind), answering]
}

/** Writes so many bytes of what is no end of anything. */
async function pour(stream: EventStream, bytes: number): Promise<void> {
  const piece = Buffer.alloc(64 * 1024, 'x')
  for (let count = 0; count < bytes; count += piece.length) await stream.write(piece)
}

interface Way {
  readonly options?: Partial<GatewayOptions>
  readonly message: object
  readonly modern?: true
  readonly version?: string
}

const second = { ...call, id: 'call-2' }

async function askBy({ options, message, modern, version }: Way): Promise<[Exchange, Promise<Gulp>]> {
  if (modern) {
    await start(options)
    return ask(message, standardHeaders(message as typeof listening))
  }
  await start(options)
  if ('method' in message && message.method === 'initialize') return ask(message, {})
  const session = await initialize(gateway.url('a'), { version: version ?? '2025-11-25' })
  return ask(message, session.headers)
}

const ways: Array<[what: string, way: Way]> = [
  ['of a call', { message: call }],
  ['of a batch', { message: [call, second], version: '2025-03-26' }],
  ['of a handshake', { message: initializeMessage() }],
  ['of a listener that a cache overhears', { message: listening, modern: true, options: { cache: true } }],
  ['of a call with an event log', { message: call, options: { events: new MemoryEventLog() } }],
  ['of a cached question', { message: modernRequest('tools/list'), modern: true, options: { cache: true } }],
]

describe('R1: the body of a request', () => {
  test('costs what it weighs in chunks of one byte (SC6)', async () => {
    await start()
    const chunks = chunk('x').repeat(120_000)
    const first = head(gateway.url('a'), { 'transfer-encoding': 'chunked' })
    const before = await heldBytes()
    const client: Wire = wire(gateway.origin, first)
    open.push({ close: () => client.socket.destroy() })
    const { socket } = await arrived.next()
    client.socket.write(chunks)
    while (socket.bytesRead < first.length + chunks.length && !socket.destroyed) await turns(1)
    expect((await heldBytes(before + 8 * MiB)) - before).toBeLessThan(8 * MiB)
  })
})

describe('02: an event of any length', () => {
  const GIANT = 32 * MiB

  /** How much more is held when a giant event is nearly through. */
  async function heldFor(opening: string, way: Way): Promise<number> {
    const [asked, answering] = await askBy(way)
    const stream = asked.stream()
    await stream.write(opening)
    await turns(20)
    const before = await heldBytes()
    const [answer] = await soon(Promise.all([answering, pour(stream, GIANT)]), 'the giant event')
    await soon(Promise.race([answer.until(GIANT), answer.over]), 'the giant event at the client')
    return (await heldBytes()) - before
  }

  test.each(ways)('is collected nowhere on its way %s (SE16, SC6)', async (_, way) => {
    expect(await heldFor(`data: ${notification}`, way)).toBeLessThan(12 * MiB)
  })

  test.each(ways.slice(0, 4))(
    'is collected nowhere on its way %s, whatever its line is called (SE16, SC6)',
    async (_, way) => {
      expect(await heldFor('unknown', way)).toBeLessThan(12 * MiB)
    },
  )

  test('is collected nowhere where it is an answer in many lines (SE16, SC6)', async () => {
    const [asked, answering] = await askBy({ message: call })
    const stream = asked.stream()
    await stream.write('data: {\n')
    const before = await heldBytes()
    const lines = Buffer.from('data: 1234567,\n'.repeat(4_096))
    const answer = await answering
    for (let count = 0; count < GIANT / 2; count += lines.length) await soon(stream.write(lines), 'the giant event')
    await soon(answer.until(GIANT / 2), 'the giant event at the client')
    expect((await heldBytes(before + 12 * MiB)) - before).toBeLessThan(12 * MiB)
  })

  test.each([
    ['its head says so', '{"jsonrpc":"2.0","id":"call-1","result":{"text":"', '"}}'],
    ['its end says so', '{"jsonrpc":"2.0","result":{"text":"', '"},"id":"call-1"}'],
  ])('is an answer where %s: no error follows it (ER14)', async (_, first, last) => {
    const [asked, answering] = await askBy({ message: call })
    const stream = asked.stream()
    await stream.write(`data: ${first}`)
    await pour(stream, 6 * MiB)
    await stream.write(`${last}\n\n`)
    stream.end()
    const answer = await answering
    expect(await soon(answer.over, 'the end')).toBe('complete')
    expect(answer.tail()).toMatch(/^x+"\}/)
    expect(answer.tail()).not.toContain('error')
  })

  test('is no answer where it is a notification: the call gets its error (ER14)', async () => {
    const [asked, answering] = await askBy({ message: call })
    const stream = asked.stream()
    await stream.write(`data: ${notification}`)
    await pour(stream, 6 * MiB)
    await stream.write('"}}\n\n')
    stream.end()
    const answer = await answering
    await soon(answer.over, 'the end')
    expect(answer.tail()).toMatch(/"id":"call-1","error"/)
  })

  test('is one answer of a batch: the other request gets its error (ER14, RPC5)', async () => {
    const [asked, answering] = await askBy({ message: [call, second], version: '2025-03-26' })
    const stream = asked.stream()
    await stream.write('data: {"jsonrpc":"2.0","id":"call-2","result":{"text":"')
    await pour(stream, 6 * MiB)
    await stream.write('"}}\n\n')
    stream.end()
    const answer = await answering
    await soon(answer.over, 'the end')
    expect(answer.tail()).toMatch(/"id":"call-1","error"/)
    expect(answer.tail()).not.toMatch(/"id":"call-2","error"/)
  })
})

describe('03: chunks of one byte', () => {
  const COUNT = 160_000
  const text = `data: ${notification}${'x'.repeat(COUNT)}`

  test.each(ways.filter(([what]) => !what.includes('overhears')))(
    'cost what they weigh while an event %s is not whole (SE16, SC6)',
    async (_, way) => {
      const [asked] = await askBy(way)
      const before = await heldBytes()
      await soon(trickle(asked, EVENTS, text), 'the chunks')
      await turns(300)
      expect((await heldBytes(before + 8 * MiB)) - before).toBeLessThan(8 * MiB)
    },
  )

  test.each([
    ['a handshake', { message: initializeMessage() }],
    ['a cached question', { message: modernRequest('tools/list'), modern: true, options: { cache: true } }],
  ] as Array<[string, Way]>)('cost what they weigh while %s is answered in JSON (SC6)', async (_, way) => {
    const [asked] = await askBy(way)
    const before = await heldBytes()
    await soon(trickle(asked, JSON_TYPE, text), 'the chunks')
    await turns(300)
    expect((await heldBytes(before + 8 * MiB)) - before).toBeLessThan(8 * MiB)
  })

  test('cost what they weigh while an event log is slow (SE16, SC6)', async () => {
    const memory = new MemoryEventLog()
    const appends: Array<(isOurs: boolean) => void> = []
    const events: EventLog = {
      append: () => new Promise((resolve) => void appends.push(resolve)),
      read: (...given) => memory.read(...given),
      last: (name) => memory.last(name),
      claim: (...given) => memory.claim(...given),
      release: (...given) => memory.release(...given),
    }
    const [asked] = await askBy({ message: call, options: { events } })
    const before = await heldBytes()
    await soon(trickle(asked, EVENTS, text + text), 'the chunks')
    await turns(300)
    const held = (await heldBytes()) - before
    for (const settle of appends) settle(true)
    expect(held).toBeLessThan(10 * MiB)
  })

  test('arrive as the event they are (SE1, ER14)', async () => {
    const [asked, answering] = await askBy({ message: call })
    await trickle(asked, EVENTS, `data: {"jsonrpc":"2.0","id":"call-1","result":{"text":"${'x'.repeat(COUNT)}`)
    await trickleOn(asked, '"}}\n\n')
    const answer = await soon(answering, 'the head')
    await soon(answer.until(COUNT), 'the event')
    await soon(trickleOn(asked, '\n'), 'the rest')
    expect(answer.tail()).toMatch(/x"\}\}\n\n$/)
  })
})

describe('15: lines and events that say nothing', () => {
  const LINES = 10_000
  const answerOf = (id: unknown): string => `data: ${JSON.stringify({ jsonrpc: '2.0', id, result: {} })}\n\n`

  const sayings: Array<[what: string, line: string]> = [
    ['unknown lines', 'x\n'],
    ['retry times that are none', 'retry: soon\n'],
    ['empty events of unknown lines', 'x\n\n'],
    ['events that are no JSON', 'data: x\n\n'],
  ]

  test.each(
    ways
      .filter(([what]) => !what.includes('event log'))
      .flatMap(([where, way]) =>
        sayings.map(([what, line]): [string, string, string, Way] => [what, where, line, way]),
      ),
  )('%s do not cost an error each on their way %s (SC6)', async (_what, _where, line, way) => {
    const [asked, answering] = await askBy(way)
    const stream = asked.stream()
    const before = errorsMade()
    // What begins in one chunk and goes on in the next is read for its messages, whatever else may be skipped.
    await stream.write(line.slice(0, 1))
    await turns(20)
    await soon(stream.write(line.repeat(LINES).slice(1)), 'the lines')
    const ids = [asked.message ?? (JSON.parse(asked.body.toString()) as Array<{ id: string }>)].flat()
    await stream.write(`\n${ids.map(({ id }) => answerOf(id)).join('')}`)
    stream.end()
    const answer = await soon(answering, 'the head')
    await soon(answer.over, 'the end')
    expect(answer.tail()).toMatch(/"result":\{\}\}\n\n$/)
    expect(errorsMade() - before).toBeLessThan(LINES / 100)
  })

  test('unknown lines in front of a message do not cost an error each, wherever it is looked at (SC6)', async () => {
    const [asked, answering] = await askBy({ message: call })
    const before = errorsMade()
    await asked.stream().write(`${'x\n'.repeat(LINES)}data: ${notification}"result"}}\n\n${answerOf('call-1')}`)
    asked.stream().end()
    await soon((await answering).over, 'the end')
    expect(errorsMade() - before).toBeLessThan(LINES / 100)
  })
})

describe('22: what is kept for a while', () => {
  const fresh = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public', contents: [{ uri: 'x://a', text: 'a' }] }

  test.each<[what: string, send: (exchange: Exchange) => void]>([
    [
      'JSON',
      (exchange) => exchange.json({ jsonrpc: '2.0', id: exchange.message!.id, result: fresh, beside: 'x'.repeat(MiB) }),
    ],
    [
      'an event',
      (exchange) => {
        const answer = { jsonrpc: '2.0', id: exchange.message!.id, result: fresh, beside: 'x'.repeat(MiB) }
        exchange
          .stream()
          .write(`data: ${JSON.stringify(answer)}\n\n`)
          .catch(() => {})
        exchange.stream().end()
      },
    ],
  ])(
    'the cache holds no more than it may of answers in %s that have more than a result (ST10, SC6)',
    async (_, send) => {
      upstream.on('resources/read', send)
      await start({ cache: { maxBytes: MiB } })
      const read = async (number: number): Promise<void> => {
        const { status } = await postModern(gateway.url('a'), modernRequest('resources/read', { uri: `x://${number}` }))
        expect(status).toBe(200)
      }
      await read(0)
      const before = await heldBytes()
      for (let number = 1; number <= 32; number += 1) await read(number)
      expect((await heldBytes(before + 8 * MiB)) - before).toBeLessThan(8 * MiB)
      const asked = upstream.requests('resources/read').length
      await read(32)
      expect(upstream.requests('resources/read')).toHaveLength(asked)
    },
  )

  test('a MemoryEventLog lets go of the events that it has dropped (SE6, SC6)', async () => {
    const log = new MemoryEventLog({ maxBytes: 2 * MiB })
    const name = { session: 'a', stream: 'b' }
    const before = await heldBytes()
    for (let position = 1; position <= 60; position += 1) {
      log.append(name, [{ position, text: Buffer.alloc(MiB / 2, 'x').toString() }])
    }
    const held = (await heldBytes()) - before
    expect(await log.read(name, 0, 0)).not.toEqual([])
    log.close()
    expect(held).toBeLessThan(6 * MiB)
  })
})
