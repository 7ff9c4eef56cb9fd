import { InFlight } from '../../../../lib/exchange/in-flight.ts'
import { Lifetime } from '../../../../lib/exchange/lifetime.ts'
import { HeldCalls } from '../../../../lib/layers/bridge/modern-client/held-calls.ts'
import type { ServerCall } from '../../../../lib/layers/bridge/modern-client/server-call.ts'
import { exchangeOf } from '../../../support/pipeline-exchange.ts'

const MIB = 1024 * 1024

/** As much of a call as is held. */
function callOf(bytes = 0) {
  return { life: new Lifetime(), bytes, onGrowth: undefined } as unknown as ServerCall & { bytes: number }
}

let inFlight: InFlight
let stopped: string[]
let held: HeldCalls

beforeEach(() => {
  inFlight = new InFlight()
  stopped = []
  held = new HeldCalls(inFlight, (_, { code }) => stopped.push(code))
})

const of = (id: string) => exchangeOf({ principal: { id } })

afterEach(() => {
  for (const { life } of inFlight.snapshot()) life.stop({ code: 'closing' } as never)
})

test('SC6 a principal has 256 calls at most that wait, and each that goes on makes room', () => {
  const handles = Array.from({ length: 256 }, () => held.hold(callOf(), 'b', 1, of('ann')))
  expect(() => held.hold(callOf(), 'b', 1, of('ann'))).toThrow('Too many questions')
  held.hold(callOf(), 'b', 1, of('bob'))
  expect(held.take(handles[0]!, 'b', 1)).toBeDefined()
  held.hold(callOf(), 'b', 1, of('ann'))
  expect(held.size).toBe(257)
  expect(inFlight.snapshot()).toHaveLength(257)
})

test('SC6 what waits has 64 MiB at most: the next one is refused, and one that grows too much is ended', () => {
  const calls = Array.from({ length: 64 }, () => callOf(MIB - 1024))
  for (const call of calls) held.hold(call, 'b', 1, of('ann'))
  expect(() => held.hold(callOf(MIB), 'b', 1, of('bob'))).toThrow('Too many questions')
  calls[0]!.bytes += MIB
  calls[0]!.onGrowth!()
  expect(stopped).toEqual(['too_many_requests'])
  expect(held.bytes).toBe(63 * (MIB - 1024))
})

test('ST25 a call is taken once, by its handle, its binding and its round', () => {
  const call = callOf()
  const handle = held.hold(call, 'b', 1, of('ann'))
  expect(held.take(handle, 'other', 1)).toBeUndefined()
  expect(held.take(handle, 'b', 2)).toBeUndefined()
  expect(held.take(handle, 'b', 1)?.call).toBe(call)
  expect(held.take(handle, 'b', 1)).toBeUndefined()
  expect([held.size, held.bytes, inFlight.snapshot().length]).toEqual([0, 0, 0])
  call.life.stop({ code: 'closing' } as never)
  expect(stopped).toEqual([])
})

test('AU11 what waits is checked as what is in flight, and ends at once with a closing gateway', () => {
  const call = callOf()
  held.hold(call, 'b', 1, of('ann'))
  const [flight] = inFlight.snapshot()
  expect(flight).toMatchObject({ life: { endless: true, isDetached: false } })
  expect(flight!.exchange.message).toBeUndefined()
  flight!.life.stop({ code: 'unauthorized' } as never)
  expect(stopped).toEqual(['unauthorized'])
  expect(held.size).toBe(0)
})
