// One timer that keeps every quiet stream alive, in a time of its own.
import { jest } from '@jest/globals'
import { type Beating, Heartbeat } from '../../lib/outbound/heartbeat.ts'

const LONGEST_SILENCE_MS = 15_000

beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  jest.useRealTimers()
})

/** A stream that notes when it was written to. */
function startStream(heartbeat: Heartbeat) {
  const writes = [Date.now()]
  const stream: Beating = {
    quiet: false,
    beat: () => void writes.push(Date.now()),
  }
  heartbeat.add(stream)
  return {
    stream,
    writes,
    write() {
      stream.quiet = false
      writes.push(Date.now())
    },
    longestSilence: () => Math.max(...writes.concat(Date.now()).map((at, index) => at - (writes[index - 1] ?? at))),
  }
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
})

test('a stream that speaks often enough gets no heartbeat (SE15)', () => {
  const heartbeat = new Heartbeat()
  const busy = startStream(heartbeat)
  busy.stream.beat = () => {
    throw new Error('a beat between events a second apart')
  }
  for (let second = 0; second < 120; second += 1) {
    busy.write()
    jest.advanceTimersByTime(1_000)
  }
  expect(busy.writes).toHaveLength(121)
})

test('a stream that ended gets no heartbeat, the others still do (SE15)', () => {
  const heartbeat = new Heartbeat()
  const ended = startStream(heartbeat)
  const other = startStream(heartbeat)
  heartbeat.delete(ended.stream)
  jest.advanceTimersByTime(60_000)
  expect(ended.writes).toHaveLength(1)
  expect(other.writes.length).toBeGreaterThan(3)
})

test('thousands of streams share one timer, and the last one to end takes it along (SE15)', () => {
  const heartbeat = new Heartbeat()
  const streams = Array.from({ length: 1_000 }, () => startStream(heartbeat))
  expect(jest.getTimerCount()).toBe(1)
  for (const { stream } of streams) heartbeat.delete(stream)
  expect(jest.getTimerCount()).toBe(0)
  const late = startStream(heartbeat)
  jest.advanceTimersByTime(LONGEST_SILENCE_MS)
  expect(late.longestSilence()).toBeLessThanOrEqual(LONGEST_SILENCE_MS)
})

test('a stream that ends while it is written to leaves the others their beat', () => {
  const heartbeat = new Heartbeat()
  const breaking = startStream(heartbeat)
  breaking.stream.beat = () => heartbeat.delete(breaking.stream)
  const other = startStream(heartbeat)
  jest.advanceTimersByTime(LONGEST_SILENCE_MS)
  expect(other.writes.length).toBeGreaterThan(1)
})
