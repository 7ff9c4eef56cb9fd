// With an event log, what goes on without a client: upstreams to be polled, quiet streams, sessions that end.
import { jest } from '@jest/globals'
import { MemoryEventLog, MemorySessionStore } from '../../../lib/index.ts'
import { callPatiently } from '../../support/patient-client.ts'
import { initialize } from '../../support/rpc.ts'
import {
  answer,
  begin,
  call,
  closeAfterEach,
  fakeTimers,
  gateway,
  leave,
  progress,
  rest,
  resume,
  settle,
  setUp,
  upstream,
} from './setup.ts'

closeAfterEach()

describe('an upstream that wants to be polled', () => {
  test('is polled for as long as a client is there to poll it (SE3)', async () => {
    await setUp()
    const polls = 12
    upstream.on('tools/call', async (exchange) => {
      await exchange.stream().write('id: u-1\nretry: 1\ndata: \n\n')
      exchange.stream().end()
    })
    upstream.on('GET', async (exchange) => {
      if (upstream.requests('GET').length === polls) await exchange.stream().send(answer, { id: 'u-2' })
      // Nothing new, in good order. The client is back by then.
      for (let turn = 0; turn < 60; turn += 1) await new Promise(setImmediate)
      exchange.stream().end()
    })
    const session = await initialize(gateway.url('a'))
    const { messages } = await callPatiently(session, call)
    expect(messages).toEqual([answer])
    expect(upstream.requests('GET').length).toBeGreaterThanOrEqual(polls)
    expect(gateway.reported.entries).toEqual([])
  })

  test('is polled on for as long as it has news, also when nobody is there (SE3, SE4)', async () => {
    await setUp()
    const { session, client, stream, id } = await begin()
    const polls = 8
    upstream.on('GET', async (exchange) => {
      const count = upstream.requests('GET').length
      await exchange.stream().send(count === polls ? answer : progress(count), { id: `u-${count + 1}` })
      exchange.stream().end()
    })
    await stream.write('id: u-1\nretry: 1\ndata: \n\n')
    await leave(client)
    stream.end()
    for (let poll = 0; poll < polls; poll += 1) await (await upstream.nextRequest('GET')).over
    const steps = Array.from({ length: polls - 1 }, (_, index) => progress(index + 1))
    expect(await rest(await resume(session, id))).toEqual([...steps, answer])
    expect(upstream.requests('GET').map(({ headers }) => headers['last-event-id'])).toEqual(
      Array.from({ length: polls }, (_, index) => `u-${index + 1}`),
    )
  })

  test('is left alone after a while when nobody is there, and polled again for whoever comes back (SE3)', async () => {
    fakeTimers()
    await setUp()
    const { session, client, stream, id } = await begin()
    upstream.on('GET', (exchange) => exchange.stream().end())
    await stream.write('id: u-1\nretry: 1\ndata: \n\n')
    await leave(client)
    stream.end()
    for (let second = 0; second < 20; second += 1) {
      await settle()
      jest.advanceTimersByTime(1_000)
    }
    expect(upstream.requests('GET')).toHaveLength(5)
    jest.useRealTimers()
    upstream.once('GET', async (exchange) => {
      await exchange.stream().send(answer, { id: 'u-2' })
      exchange.stream().end()
    })
    expect(await rest(await resume(session, id))).toEqual([answer])
    expect(upstream.requests('GET').at(-1)!.headers['last-event-id']).toBe('u-1')
  })
})

describe('what is quiet for longer than anything is kept', () => {
  async function age(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 60_000) {
      jest.advanceTimersByTime(60_000)
      await new Promise(setImmediate)
    }
  }

  test('is a call that can be resumed all the same: nothing was missed (SE7)', async () => {
    fakeTimers('Date')
    await setUp(new MemoryEventLog({ ttlMs: 60_000 }))
    const { session, client, stream, id } = await begin()
    await age(5 * 60_000)
    await leave(client)
    const again = await resume(session, id)
    await stream.send(answer)
    stream.end()
    expect(await rest(again)).toEqual([answer])
  })

  test.each([true, false])('is a listener that can come back all the same, with its id: %p (SE10)', async (withId) => {
    fakeTimers('Date')
    await setUp(new MemoryEventLog({ ttlMs: 60_000 }))
    const session = await initialize(gateway.url('a'))
    const client = await session.listen()
    const get = (await upstream.nextRequest('GET')).stream()
    const { id } = await client.next()
    await age(5 * 60_000)
    await leave(client)
    const again = withId ? await resume(session, id!) : await session.listen()
    await get.send(progress(1))
    expect(await again.nextMessage()).toEqual(progress(1))
    expect(upstream.requests('GET')).toHaveLength(1)
    await session.end()
  })

  test('is a call whose events others have pushed out of the log (SE7)', async () => {
    await setUp(new MemoryEventLog({ maxEvents: 10 }))
    const quiet = await begin()
    await leave(quiet.client)
    const loud = await begin(quiet.session)
    for (let step = 0; step < 20; step += 1) await loud.stream.send(progress(step))
    loud.stream.end()
    await loud.client.over
    const again = await resume(quiet.session, quiet.id)
    await quiet.stream.send(answer)
    quiet.stream.end()
    expect(await rest(again)).toEqual([answer])
  })
})

describe('nothing is left behind', () => {
  test('of a listener whose client went while its upstream was asked', async () => {
    await setUp()
    upstream.on('GET', () => {})
    const session = await initialize(gateway.url('a'))
    const opening = session.listen().catch(() => undefined)
    const asked = await upstream.nextRequest('GET')
    await session.end()
    await opening
    expect(await asked.over).toBe('cut')
  })

  test('of a listener that nobody came back to, after a minute', async () => {
    fakeTimers()
    await setUp()
    const session = await initialize(gateway.url('a'))
    const client = await session.listen()
    const asked = await upstream.nextRequest('GET')
    await leave(client)
    await settle()
    jest.advanceTimersByTime(59_000)
    await settle()
    expect(asked.overAt).toBeUndefined()
    jest.advanceTimersByTime(2_000)
    expect(await asked.over).toBe('cut')
  })

  test('of calls and listeners when their session ends (SS10)', async () => {
    await setUp()
    const { session, client, asked } = await begin()
    const resumed = await begin(session)
    await leave(resumed.client)
    const again = await resume(session, resumed.id)
    const listener = await session.listen()
    await session.end()
    for (const each of [client, again, listener]) await each.over
    expect([await asked.over, await resumed.asked.over]).toEqual(['cut', 'cut'])
    expect(await resume(session, resumed.id)).toMatchObject({ status: 404 })
  })

  test('of what goes on in sessions that expire: they do not, while anything does (SS10)', async () => {
    fakeTimers('Date')
    await setUp(new MemoryEventLog(), { sessions: new MemorySessionStore({ ttlMs: 60_000 }) })
    const { session, client, stream, id } = await begin()
    await leave(client)
    for (let minute = 0; minute < 5; minute += 1) {
      jest.advanceTimersByTime(60_000)
      await new Promise(setImmediate)
    }
    const again = await resume(session, id)
    await stream.send(answer)
    stream.end()
    expect(await rest(again)).toEqual([answer])
  })

  test('of a hundred calls whose clients came back and left again', async () => {
    await setUp()
    const session = await initialize(gateway.url('a'))
    for (let count = 0; count < 100; count += 1) {
      const { client, stream, id, asked } = await begin(session)
      await leave(client)
      const again = await resume(session, id)
      if (count % 2 === 0) await leave(again)
      await stream.send(answer)
      stream.end()
      await asked.over
      if (count % 2 === 1) expect(await rest(again)).toEqual([answer])
    }
    // afterEach closes the gateway: it has nobody to wait for.
    expect(gateway.reported.entries).toEqual([])
  })
})

test('a principal who has lost access gets nothing more of what is kept (SE8)', async () => {
  let isIn = true
  await setUp(new MemoryEventLog(), {
    servers: () => (isIn ? { url: upstream.url } : undefined),
  })
  const { session, client, stream, asked, id } = await begin()
  await leave(client)
  await stream.send(answer)
  stream.end()
  await asked.over
  isIn = false
  expect(await resume(session, id)).toMatchObject({ status: 404 })
  isIn = true
  expect(await rest(await resume(session, id))).toEqual([answer])
})
