// When a client counts as one that has stopped reading: by what its connection takes, not by what is written for it.
import type { ServerResponse } from 'node:http'
import { TICK_MS } from '../../lib/outbound/heartbeat.ts'
import { Uptake } from '../../lib/outbound/uptake.ts'

const KiB = 1024
const STALL_MS = 30_000
const TICKS = STALL_MS / TICK_MS

/** A response of which the connection has taken so much; `queued` bytes of it wait for its turn. */
function responseOf(queued?: number) {
  const socket = { bytesWritten: 1_000_000, writableLength: 100_000 }
  const response = { socket: queued === undefined ? socket : null, req: { socket }, writableLength: queued ?? 0 }
  return { socket, response: response as unknown as ServerResponse }
}

/** How many looks it takes until the client is stalled, each after so many bytes were taken; `Infinity` for never. */
function looks(step: number, { queued, isWaiting = true }: { queued?: number; isWaiting?: boolean } = {}): number {
  const { socket, response } = responseOf(queued)
  const uptake = new Uptake(STALL_MS)
  for (let look = 1; look <= 1_000; look += 1) {
    if (uptake.isStalled(response, isWaiting)) return look
    socket.bytesWritten += step
  }
  return Infinity
}

test('a client that takes nothing for stallMs has stalled: the first look only notes what it has (SE16)', () => {
  expect(looks(0)).toBe(TICKS + 1)
})

test('a client that takes a byte now and then has stalled: it would hold what it does not read for ever (SC6)', () => {
  expect(looks(1)).toBe(TICKS + 1)
  expect(looks(2 * KiB)).toBe(TICKS + 1)
})

test('a client that takes 16 KiB within stallMs has not (SE16)', () => {
  expect(looks(16 * KiB)).toBe(Infinity)
  expect(looks((16 * KiB) / TICKS)).toBe(Infinity)
})

test('a client for which nothing waits has not (SE16)', () => {
  expect(looks(0, { isWaiting: false })).toBe(Infinity)
})

test('what waits its turn behind another response is spared while it is short (SE16, SC6)', () => {
  expect(looks(0, { queued: 64 * KiB })).toBe(Infinity)
  expect(looks(0, { queued: 64 * KiB + 1 })).toBe(TICKS + 1)
  expect(looks(1, { queued: 64 * KiB + 1 })).toBe(TICKS + 1)
})
