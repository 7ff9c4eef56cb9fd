// One timer that looks at every stream, and streams that are never quiet for long; in a time of their own.
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { jest } from '@jest/globals'
import { COMPLETE } from '../../lib/exchange/body.ts'
import { Exchange, Origin } from '../../lib/exchange/exchange.ts'
import { Lifetime } from '../../lib/exchange/lifetime.ts'
import { PushBody } from '../../lib/exchange/push-body.ts'
import type { EventsReply } from '../../lib/exchange/reply.ts'
import { AbandonedCalls } from '../../lib/outbound/abandoned-calls.ts'
import { Heartbeat, type HeartbeatTarget } from '../../lib/outbound/heartbeat.ts'
import { StreamWriter } from '../../lib/outbound/stream-writer.ts'

const LONGEST_SILENCE_MS = 15_000

beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  jest.useRealTimers()
})

/** A listener's stream, written by who writes them all, that notes when it was written to and what. */
function startStream(heartbeat: Heartbeat) {
  const writes = [Date.now()]
  const written: string[] = []
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  // What is written after the end is for the test to see, not for node to throw.
  response.on('error', () => {})
  const write = response.write.bind(response)
  response.write = (chunk: string | Buffer) => {
    writes.push(Date.now())
    written.push(chunk.toString())
    return write(chunk)
  }
  const reply: EventsReply = {
    kind: 'events',
    status: 200,
    headers: {},
    body: new PushBody(),
    pending: () => [],
    resumeAfter: () => undefined,
    endless: true,
    kept: false,
  }
  const exchange = new Exchange({
    origin: new Origin({
      server: 'weather',
      principal: undefined,
      request: undefined,
      era: 'legacy',
      session: undefined,
      accepts: { json: true, events: true },
      response,
    }),
    life: new Lifetime(),
    config: { url: 'http://127.0.0.1' },
    path: ['weather'],
    verb: 'GET',
    message: undefined,
    state: undefined,
    headers: {},
  })
  const relayed = { exchange, response, settle: () => {} }
  const stream = new StreamWriter(reply, relayed, {
    heartbeat,
    stallMs: Infinity,
    send: () => {},
    abandoned: new AbandonedCalls(),
    report: () => {},
  })
  stream.start(200, { 'content-type': 'text/event-stream' })
  return {
    stream,
    writes,
    written,
    write() {
      stream.data(Buffer.from('data: 1\n\n'), true)
      jest.runAllTicks()
    },
    longestSilence: () => Math.max(...writes.concat(Date.now()).map((at, index) => at - (writes[index - 1] ?? at))),
  }
}

/** Something that counts how often it is looked at. */
function startCounting(heartbeat: Heartbeat, tick = (): void => {}) {
  const counting = {
    slot: -1,
    ticks: 0,
    tick() {
      counting.ticks += 1
      tick()
    },
  } satisfies HeartbeatTarget & { ticks: number }
  heartbeat.add(counting)
  return counting
}

test('no stream is silent for longer than 15 s, whenever it began and last wrote (SE15)', () => {
  const heartbeat = new Heartbeat()
  const first = startStream(heartbeat)
  jest.advanceTimersByTime(4_321)
  const second = startStream(heartbeat)
  jest.advanceTimersByTime(6_000)
  second.write()
  jest.advanceTimersByTime(600_000)
  expect(first.longestSilence()).toBeLessThanOrEqual(LONGEST_SILENCE_MS)
  expect(second.longestSilence()).toBeLessThanOrEqual(LONGEST_SILENCE_MS)
  expect(first.writes.length).toBeGreaterThan(600_000 / LONGEST_SILENCE_MS)
  expect(new Set(first.written)).toEqual(new Set([':\n\n']))
})

test('a stream that speaks often enough gets no heartbeat (SE15)', () => {
  const heartbeat = new Heartbeat()
  const busy = startStream(heartbeat)
  for (let second = 0; second < 120; second += 1) {
    busy.write()
    jest.advanceTimersByTime(1_000)
  }
  expect(busy.written).toEqual(Array.from({ length: 120 }, () => 'data: 1\n\n'))
})

test('a stream that ended gets no heartbeat, the others still do (SE15)', () => {
  const heartbeat = new Heartbeat()
  const ended = startStream(heartbeat)
  const other = startStream(heartbeat)
  ended.stream.end(COMPLETE)
  jest.advanceTimersByTime(60_000)
  expect(ended.writes).toHaveLength(1)
  expect(other.writes.length).toBeGreaterThan(3)
})

test('thousands of streams share one timer, which stops once none is left (SE15)', () => {
  const heartbeat = new Heartbeat()
  const streams = Array.from({ length: 1_000 }, () => startCounting(heartbeat))
  expect(jest.getTimerCount()).toBe(1)
  for (const stream of streams) heartbeat.delete(stream)
  jest.advanceTimersByTime(LONGEST_SILENCE_MS / 2)
  expect(jest.getTimerCount()).toBe(0)
  expect(streams.every(({ ticks }) => ticks === 0)).toBe(true)
  const late = startStream(heartbeat)
  jest.advanceTimersByTime(60_000)
  expect(jest.getTimerCount()).toBe(1)
  expect(late.longestSilence()).toBeLessThanOrEqual(LONGEST_SILENCE_MS)
})

test('short streams one after another have one timer between them, and none is silent for long (SE15)', () => {
  const heartbeat = new Heartbeat()
  for (let count = 0; count < 100; count += 1) {
    const short = startCounting(heartbeat)
    jest.advanceTimersByTime(100)
    heartbeat.delete(short)
    expect(jest.getTimerCount()).toBeLessThanOrEqual(1)
  }
  const long = startStream(heartbeat)
  jest.advanceTimersByTime(60_000)
  expect(long.longestSilence()).toBeLessThanOrEqual(LONGEST_SILENCE_MS)
})

test('a stream that ends while it is looked at leaves the others their beat', () => {
  const heartbeat = new Heartbeat()
  const breaking = startCounting(heartbeat, () => heartbeat.delete(breaking))
  const others = [startStream(heartbeat), startStream(heartbeat)]
  jest.advanceTimersByTime(LONGEST_SILENCE_MS)
  expect(breaking.ticks).toBe(1)
  for (const { writes } of others) expect(writes.length).toBeGreaterThan(1)
})

test('a stream that comes while others are looked at is looked at from the next time on', () => {
  const heartbeat = new Heartbeat()
  const late: { ticks: number }[] = []
  startCounting(heartbeat, () => {
    if (late.length === 0) late.push(startCounting(heartbeat))
  })
  jest.advanceTimersByTime(LONGEST_SILENCE_MS / 2)
  expect(late).toMatchObject([{ ticks: 0 }])
  jest.advanceTimersByTime(LONGEST_SILENCE_MS / 2)
  expect(late).toMatchObject([{ ticks: 1 }])
})

test('no timer keeps the process alive', () => {
  jest.useRealTimers()
  const timeouts = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
  const before = timeouts()
  const heartbeat = new Heartbeat()
  const counting = startCounting(heartbeat)
  const during = timeouts()
  heartbeat.delete(counting)
  expect(during).toBe(before)
})
