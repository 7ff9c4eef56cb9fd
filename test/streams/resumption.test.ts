// Connections between gateway and upstream that break at every byte: each event once, in order, then the answer or an error.
import fc from 'fast-check'
import { startFaultProxy, type Fault, type FaultProxy } from '../support/fault-proxy.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, type OpenStream, type Session } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type RpcMessage, type Upstream } from '../support/upstream.ts'
import { countWhole, plain, play, record, type Recording, type Shape } from './recorded.ts'

let upstream: Upstream
let proxy: FaultProxy
let gateway: RunningGateway
let session: Session

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const waiting = [1, '1', 2]
const batch = waiting.map((id) => ({ ...call, id }))

beforeAll(async () => {
  upstream = await startUpstream()
  proxy = await startFaultProxy(upstream.origin)
  gateway = await startGateway({ servers: { a: { url: `${proxy.origin}/mcp` } } })
  // The connection ends with the handshake, so that each call makes one of its own, which can be planned.
  upstream.on('notifications/initialized', (exchange) => exchange.status(202, '', { connection: 'close' }))
  session = await initialize(gateway.url('a'), { version: '2025-03-26' })
})

afterAll(async () => {
  await gateway.close()
  await proxy.close()
  await upstream.close()
})

interface Outcome {
  readonly status: number
  readonly over: 'complete' | 'cut'
  readonly bytes: Buffer
}

/** What a client has in the end. */
async function outcomeOf(client: OpenStream): Promise<Outcome> {
  const over = await soon(client.over, 'the end of the stream').catch((error: Error) => {
    throw new Error(`${error.message}, after: ${client.bytes().toString()}`)
  })
  return { status: client.status, over, bytes: client.bytes() }
}

/** Calls on a connection to the upstream that has these faults; then come those of the connections that resume it. */
async function callThrough(message: object, ...plans: Array<readonly Fault[]>): Promise<Outcome> {
  proxy.plan(...plans.map((down) => ({ down })))
  return outcomeOf(await session.stream(message))
}

/** What an unbroken call brings over the wire, and where the events begin in it. */
async function measure(recording: Recording, message: object = call): Promise<{ wire: Buffer; start: number }> {
  play(upstream, recording)
  const before = proxy.connections.entries.length
  expect(plain((await callThrough(message)).bytes)).toBe(plain(recording.join('')))
  const wire = proxy.connections.entries[before]!.passed.down
  return { wire, start: wire.indexOf(recording[0]!) }
}

/** The JSON-RPC messages at the end of a stream, or in JSON. */
function errorsIn(text: string): RpcMessage[] {
  return [...text.matchAll(/^(?:data: )?(\{.*\})$/gm)].map(([, json]) => JSON.parse(json!) as RpcMessage)
}

/** Whole events, from the first on, and nothing else but an error for each id. */
function expectErrorsAfter(whole: readonly string[], { over, bytes }: Outcome, ids: readonly unknown[]): void {
  const text = plain(bytes)
  const beginning = plain(whole.join(''))
  expect(text.slice(0, beginning.length)).toBe(beginning)
  expect(over).toBe('complete')
  expect(errorsIn(text.slice(beginning.length))).toMatchObject(ids.map((id) => ({ id, error: { code: 502 } })))
}

/** What a client must have whose upstream was cut off after `at` bytes and can be asked again. */
function expectRight(outcome: Outcome, recording: Recording, { ids }: Shape, beginning: Buffer): void {
  const whole = countWhole(recording, beginning)
  if (whole < recording.length && (!ids || whole === 0)) {
    expectErrorsAfter(recording.slice(0, whole), outcome, ['call-1'])
    return
  }
  expect(outcome.over).toBe('complete')
  expect(outcome.status).toBe(200)
  expect(plain(outcome.bytes)).toBe(plain(recording.join('')))
}

const shapes: Array<[string, Shape, Fault['how'], offset: number]> = [
  ['reset, with ids, LF', { ids: true, lineEnd: '\n' }, 'reset', 0],
  ['ended, with ids, CRLF', { ids: true, lineEnd: '\r\n' }, 'end', 1],
  ['reset, without ids, CRLF', { ids: false, lineEnd: '\r\n' }, 'reset', 2],
  ['ended, without ids, LF', { ids: false, lineEnd: '\n' }, 'end', 3],
]

/**
 * Where a connection is cut: at each byte around the end of an event, and at every third elsewhere, from another one on
 * for each `offset`; in the head at some.
 */
function cutsOf(recording: Recording, wire: Buffer, start: number, offset: number): number[] {
  let end = start
  const ends = recording.map((event) => (end += Buffer.byteLength(event)))
  const isChosen = (at: number): boolean =>
    at < start ? at % 12 === offset : at % 3 === offset % 3 || ends.some((each) => Math.abs(at - each) <= 3)
  return Array.from(wire.keys()).filter(isChosen)
}

test.each(shapes)(
  'an upstream connection that is cut anywhere (%s) costs no event and brings none twice (ER14, SE7)',
  async (_, shape, how, offset) => {
    const recording = record(shape)
    const { wire, start } = await measure(recording)
    for (const at of cutsOf(recording, wire, start, offset)) {
      const outcome = await callThrough(call, [{ at, how }])
      try {
        expectRight(outcome, recording, shape, wire.subarray(start, Math.max(start, at)))
      } catch (cause) {
        throw new Error(`cut at byte ${at} of ${wire.length}: ${String(cause)}`, { cause })
      }
    }
  },
)

test('connections that break again and again, in either direction, bring every event once (ER14, SE7)', async () => {
  const ends = fc.constantFrom<Shape['lineEnd']>('\n', '\r\n', '\r')
  const fault = fc.record({ at: fc.nat({ max: 600 }), how: fc.constantFrom<Fault['how']>('end', 'reset', 'split') })
  const plan = fc.oneof(
    { weight: 4, arbitrary: fc.array(fault, { minLength: 1, maxLength: 3 }).map((down) => ({ down })) },
    { weight: 1, arbitrary: fc.array(fault, { minLength: 1, maxLength: 2 }).map((up) => ({ up })) },
  )
  // Not an interruption by fast-check: the run that it leaves behind would take the plans of the next test.
  const stopAt = performance.now() + 3_000
  await fc.assert(
    fc.asyncProperty(ends, fault, fc.array(plan, { maxLength: 3 }), async (lineEnd, first, plans) => {
      if (performance.now() > stopAt) return
      const recording = record({ ids: true, lineEnd }, waiting)
      play(upstream, recording)
      // The first connection brings at least one event, so that there is something to go on from.
      proxy.plan({ down: [{ ...first, at: first.at + 200 }] }, ...plans)
      const outcome = await outcomeOf(await session.stream(batch))
      proxy.forget()
      expect(outcome).toMatchObject({ status: 200, over: 'complete' })
      expect(plain(outcome.bytes)).toBe(plain(recording.join('')))
    }),
    { numRuns: 200 },
  )
})

test('a batch without event ids gets an error for exactly each id that was not answered (RPC7, ER14)', async () => {
  const recording = record({ ids: false, lineEnd: '\n' }, waiting)
  const { wire, start } = await measure(recording, batch)
  for (const at of cutsOf(recording, wire, start, 0)) {
    if (at < start) continue
    const outcome = await callThrough(batch, [{ at, how: 'reset' }])
    const whole = recording.slice(0, countWhole(recording, wire.subarray(start, at)))
    expectErrorsAfter(whole, outcome, waiting.slice(Math.max(0, whole.length - 3)))
  }
})

test('a stream that comes in two pieces, whatever the first one is, reaches the client as it is (SE16, SE18)', async () => {
  const recording = record({ ids: true, lineEnd: '\r\n' })
  const { wire } = await measure(recording)
  for (let at = 1; at < wire.length; at += 7) {
    expect((await callThrough(call, [{ at, how: 'split' }])).bytes.toString()).toBe(recording.join(''))
  }
})
