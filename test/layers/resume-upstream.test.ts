// The layer that goes on with broken streams, alone: when it asks for the rest, how, and when it does not.
import type { Reply } from '../../lib/exchange/reply.ts'
import type { ClientSession } from '../../lib/exchange/exchange.ts'
import { notificationOf } from '../../lib/exchange/message.ts'
import {
  batchOf,
  closing,
  type Fixture,
  fixture,
  handshake,
  legacyCall,
  modernCall,
  PROGRESS,
  settled,
} from '../support/fixture.ts'
import { createJournal } from '../support/journal.ts'

const { jest } = import.meta

let gateway: Fixture
let session: ClientSession

beforeEach(async () => {
  gateway = fixture({ layers: ['resume'] })
  session = await gateway.session()
})
afterEach(async () => {
  jest.useRealTimers()
  await gateway.close()
})

const accepted: Promise<Reply> = Promise.resolve({ kind: 'empty', status: 202, headers: {} })

/** A server that breaks off behind `e1`, and wants to be left alone as shortly as may be. */
function breakOff(id: string | undefined = 'e1'): void {
  gateway.upstream.on('tools/call', (asked) => {
    const stream = asked.events()
    stream.say(PROGRESS, id, 1)
    stream.cut()
  })
}

describe('a call whose stream breaks behind an event id', () => {
  test('SE7 UC6 goes on behind it, in the same session, and its client notices nothing', async () => {
    breakOff()
    gateway.upstream.on('GET', (asked) => asked.events().answer({}, 'e2'))
    const client = gateway.send(legacyCall(), { session, headers: { 'mcp-protocol-version': '2025-11-25' } })
    await client.over
    expect(client.says).toEqual(['progress', 'result'])
    expect(client.lastEventId).toBe('e2')
    expect(gateway.upstream.told).toEqual(['tools/call in s1', 'GET after e1 in s1'])
    expect(gateway.upstream.asked.entries[1]?.exchange.headers).toEqual({
      'mcp-protocol-version': '2025-11-25',
      'last-event-id': 'e1',
    })
  })

  test('SE7 goes on behind the newest event of each break', async () => {
    breakOff()
    gateway.upstream.once('GET', (asked) => {
      const stream = asked.events()
      stream.say(PROGRESS, 'e2')
      stream.cut()
    })
    gateway.upstream.once('GET', (asked) => {
      gateway.upstream.on('GET', (again) => again.events().answer({}))
      const stream = asked.events()
      stream.say(PROGRESS, 'e2')
      stream.cut()
    })
    const client = gateway.send(legacyCall(), { session })
    await client.over
    expect(client.says).toEqual(['progress', 'progress', 'result'])
    expect(gateway.upstream.told.slice(1)).toEqual(['GET after e1 in s1', 'GET after e2 in s1'])
  })

  test('ER14 ends in an error when the server does not want to go on', async () => {
    breakOff()
    gateway.upstream.on('GET', (asked) => asked.fail('upstream_refused', 405))
    const client = gateway.send(legacyCall(), { session })
    await client.over
    expect(client.says).toEqual(['progress', 'error 502'])
    expect(gateway.upstream.told.slice(1)).toEqual(['GET after e1 in s1'])
  })

  test('UC6 asks once more where the server cannot be reached for a moment', async () => {
    breakOff()
    gateway.upstream.once('GET', (asked) => asked.fail('upstream_unreachable'))
    gateway.upstream.once('GET', (asked) => {
      gateway.upstream.on('GET', (again) => again.events().answer({}))
      asked.fail('upstream_unreachable')
    })
    const client = gateway.send(legacyCall(), { session })
    await client.over
    expect(client.says).toEqual(['progress', 'result'])
    expect(gateway.upstream.told.slice(1)).toEqual(['GET after e1 in s1', 'GET after e1 in s1'])
  })

  test('is asked for no more once it is stopped', async () => {
    stopTime()
    breakOff()
    const client = gateway.send(legacyCall(), { session })
    await client.events.next()
    gateway.expireTokens()
    await client.over
    expect(client.says).toEqual(['progress', 'error 401'])
    await afterRetry()
    expect(gateway.upstream.told).toEqual(['tools/call in s1'])
  })

  test('lets go of the rest, too, when it is stopped', async () => {
    breakOff()
    gateway.upstream.on('GET', (asked) => asked.events().say(PROGRESS, 'e2'))
    const client = gateway.send(legacyCall(), { session })
    const resumed = await gateway.upstream.asked.next(({ kind }) => kind === 'GET')
    await settled()
    gateway.stopAll()
    await client.over
    await expect(resumed.stopped).resolves.toMatchObject({ code: 'closing' })
    expect(client.says).toEqual(['progress', 'progress', 'retry'])
  })
})

describe('a stream that is not resumed', () => {
  beforeEach(stopTime)

  test('SE14 UC10 is one without event ids: what may have been done is never asked for again', async () => {
    gateway.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say(PROGRESS)
      stream.cut()
    })
    const client = gateway.send(legacyCall(), { session })
    await client.over
    await afterRetry()
    expect(client.says).toEqual(['progress', 'error 502'])
    expect(gateway.upstream.told).toEqual(['tools/call in s1'])
  })

  test('SE3 is one that ends in good order: the client polls', async () => {
    gateway.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say(PROGRESS, 'e1', 1)
      stream.end()
    })
    const client = gateway.send(legacyCall(), { session })
    await client.over
    await afterRetry()
    expect([client.says, client.lastEventId]).toEqual([['progress'], 'e1'])
    expect(gateway.upstream.told).toEqual(['tools/call in s1'])
  })

  test('is one that breaks behind the response', async () => {
    gateway.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say({ id: 7, result: {} }, 'e1', 1)
      stream.cut()
    })
    const client = gateway.send(legacyCall(), { session })
    await client.over
    await afterRetry()
    expect(client.says).toEqual(['result'])
    expect(gateway.upstream.told).toEqual(['tools/call in s1'])
  })

  test('is the answer to a handshake, which has no session yet', async () => {
    gateway.upstream.on('initialize', (asked) => {
      const stream = asked.events()
      stream.say(PROGRESS, 'e1', 1)
      stream.cut()
    })
    const client = gateway.send(handshake())
    await client.over
    await afterRetry()
    expect(client.says).toEqual(['progress', 'error 502'])
    expect(gateway.upstream.told).toEqual(['initialize'])
  })

  test('is none at all: a JSON document stays the very reply', async () => {
    const reply: Reply = await gateway.upstream.send(gateway.exchange(legacyCall(), { session }))
    const exchange = gateway.exchange(legacyCall(), { session })
    await expect(gateway.layers.resume.handle(exchange, () => Promise.resolve(reply))).resolves.toBe(reply)
  })
})

test('listeners, notifications, handshakes and modern requests go on untouched', () => {
  const exchanges = [
    gateway.exchange(undefined, { session }),
    gateway.exchange(undefined, { session, verb: 'DELETE' }),
    gateway.exchange(notificationOf('legacy', 'notifications/initialized'), { session }),
    gateway.exchange(handshake()),
    gateway.exchange(modernCall('tools/call')),
  ]
  for (const exchange of exchanges) {
    const next = (sent: unknown): Promise<Reply> =>
      sent === exchange ? accepted : Promise.reject(new Error('another'))
    expect(gateway.layers.resume.handle(exchange, next)).toBe(accepted)
  }
})

test('UC6 the calls of a batch go on as long as one of them is unanswered', async () => {
  gateway.upstream.on('batch', (asked) => {
    const stream = asked.events()
    stream.say({ id: 7, result: {} }, 'e1', 1)
    stream.cut()
  })
  gateway.upstream.on('GET', (asked) => {
    const stream = asked.events()
    stream.say({ id: 8, result: {} }, 'e2')
    stream.end()
  })
  const client = gateway.send(batchOf(legacyCall(), legacyCall('tools/call', {}, 8)), { session })
  await client.over
  expect(client.says).toEqual(['result', 'result'])
  expect(gateway.upstream.told).toEqual(['batch in s1', 'GET after e1 in s1'])
})

test('ER14 the calls of a batch that were answered behind a break are not among those that get an error', async () => {
  gateway.upstream.on('batch', (asked) => {
    const stream = asked.events()
    stream.say(PROGRESS, 'e1', 1)
    stream.cut()
  })
  gateway.upstream.once('GET', (asked) => {
    gateway.upstream.on('GET', (again) => again.fail('upstream_refused', 405))
    const stream = asked.events()
    stream.say({ id: 7, result: {} }, 'e2', 1)
    stream.cut()
  })
  const client = gateway.send(batchOf(legacyCall(), legacyCall('tools/call', {}, 8)), { session })
  await client.over
  expect(client.says).toEqual(['progress', 'result', 'error 502'])
  expect(JSON.parse(client.events.entries.at(-1)!.data)).toMatchObject({ id: 8 })
})

// The resumed request stops before the writer hears of it, whose last word is 502 then: to be mended in lib/outbound.
test('ER14 a call that is stopped behind a break is told the reason of the stop', async () => {
  breakOff()
  gateway.upstream.on('GET', (asked) => asked.events().say(PROGRESS, 'e2'))
  const client = gateway.send(legacyCall(), { session })
  await client.events.next(({ id }) => id === 'e2')
  gateway.expireTokens()
  await client.over
  expect(client.says).toEqual(['progress', 'progress', 'error 401'])
  expect(gateway.reported.entries).toEqual([])
})

test('SE6 the reply names the newest event behind which its reader can have the rest', async () => {
  breakOff()
  gateway.upstream.on('GET', (asked) => asked.events().say(PROGRESS, 'e2'))
  const exchange = gateway.exchange(legacyCall(), { session })
  const reply = await gateway.pipeline.handleOf(gateway.config, 'client')(exchange)
  if (reply.kind !== 'events') throw new Error('The reply is no stream')
  const seen = createJournal<string | undefined>()
  reply.body.pipe({
    data: () => {
      seen.record(reply.resumeAfter())
      return true
    },
    end: () => {},
  })
  await expect(seen.next((id) => id === 'e2')).resolves.toBe('e2')
  expect(seen.entries).toEqual(['e1', 'e2'])
  exchange.life.stop(closing())
})

/** Time stands still until a test says that the longest wait is over: what was not asked for by then never will be. */
function stopTime(): void {
  jest.useFakeTimers({
    doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'setInterval', 'Date', 'performance'],
  })
}

async function afterRetry(): Promise<void> {
  jest.advanceTimersByTime(30_000)
  await settled()
}
