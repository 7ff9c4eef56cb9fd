// With an event log: connections that break at every byte, before the gateway and behind it. Each event once, in order.
import fc from 'fast-check'
import { MemoryEventLog, RedisEventLog, type EventLog } from '../../../lib/index.ts'
import { startFaultProxy, type Fault, type FaultProxy, type Plan } from '../../support/fault-proxy.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { callPatiently, type Harvest } from '../../support/patient-client.ts'
import { describeRedis, REDIS_CLIENTS, startRedis } from '../../support/redis.ts'
import { initialize, type Session } from '../../support/rpc.ts'
import { readEvents } from '../../support/sse.ts'
import { startUpstream, type RpcMessage, type Upstream } from '../../support/upstream.ts'
import { play, record, type Recording, type Shape } from '../../streams/recorded.ts'

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const waiting = [1, '1', 2]
const batch = waiting.map((id) => ({ ...call, id }))

/** A client, a gateway with an event log and an upstream, with a proxy on each hop. */
interface Stage {
  readonly upstream: Upstream
  readonly gateway: RunningGateway
  readonly front: FaultProxy
  readonly back: FaultProxy
  /** Of 2025-11-25, and of 2025-03-26. */
  readonly session: Session
  readonly old: Session
  close(): Promise<void>
}

async function setUp(events: EventLog): Promise<Stage> {
  const upstream = await startUpstream()
  const back = await startFaultProxy(upstream.origin)
  const gateway = await startGateway({ servers: { a: { url: `${back.origin}/mcp` } }, events })
  const front = await startFaultProxy(gateway.origin)
  // The connection ends with the handshake, so that each call makes one of its own, which can be planned.
  upstream.on('notifications/initialized', (exchange) => exchange.status(202, '', { connection: 'close' }))
  const session = await initialize(`${front.origin}/a/mcp`)
  const old = await initialize(`${front.origin}/a/mcp`, { version: '2025-03-26' })
  return {
    upstream,
    gateway,
    front,
    back,
    session,
    old,
    async close() {
      // Whoever was left behind here would keep it waiting.
      await gateway.gateway.close({ graceMs: 600_000 })
      await gateway.close()
      await front.close()
      await back.close()
      await upstream.close()
    },
  }
}

/** What a recording says. */
function messagesOf(recording: Recording): RpcMessage[] {
  const { feed, events } = readEvents()
  feed(recording.join(''))
  return events.filter(({ data }) => data !== '').map(({ data }) => JSON.parse(data) as RpcMessage)
}

/** Plays a recording event by event, so that clients come back while it goes on. */
function playSlowly(upstream: Upstream, recording: Recording, turns: number): void {
  play(upstream, recording)
  for (const kind of ['tools/call', 'batch']) {
    upstream.on(kind, async ({ res }) => {
      res.writeHead(200, { 'content-type': 'text/event-stream', connection: 'close' })
      res.flushHeaders()
      for (const event of recording) {
        for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
        res.write(event)
      }
      res.end()
    })
  }
}

/** Positions that count up, on one stream: nothing twice, nothing in another order. */
function expectRising(ids: readonly string[]): void {
  const positions = ids.map((id) => Number(id.split('.')[1]))
  expect(positions).toEqual([...new Set(positions)].toSorted((a, b) => a - b))
  expect(new Set(ids.map((id) => id.split('.')[0])).size).toBeLessThanOrEqual(1)
}

/** All of it, each once; or nothing, where the client had no id yet to come back with. */
function expectWhole({ messages, ids, isLost }: Harvest, expected: readonly RpcMessage[]): void {
  if (isLost) expect([messages, ids]).toEqual([[], []])
  else expect(messages).toEqual(expected)
  expectRising(ids)
}

async function cutAt(bytes: Iterable<number>, check: (at: number) => Promise<void>): Promise<void> {
  for (const at of bytes) {
    try {
      await check(at)
    } catch (cause) {
      throw new Error(`cut at byte ${at}: ${String(cause)}`, { cause })
    }
  }
}

function* steps(from: number, to: number, by: number): Generator<number> {
  for (let at = from; at < to; at += by) yield at
}

/** What an unbroken call brings over the wire to the client, and where its events begin. */
async function measure(
  { front }: Stage,
  session: Session,
  message: object,
): Promise<{ length: number; start: number }> {
  await callPatiently(session, message)
  const wire = front.connections.entries.at(-1)!.passed.down
  return { length: wire.length, start: wire.indexOf('\r\n\r\n') + 4 }
}

function suite(createLog: () => EventLog | Promise<EventLog>, by: number, limitMs: number): void {
  let stage: Stage
  beforeAll(async () => {
    stage = await setUp(await createLog())
  })
  afterAll(() => stage.close())

  const shapes: Array<[string, Shape, Fault['how']]> = [
    ['reset, upstream without ids, LF', { ids: false, lineEnd: '\n' }, 'reset'],
    ['ended, upstream with ids, CRLF', { ids: true, lineEnd: '\r\n' }, 'end'],
  ]

  test.each(shapes)(
    'a client cut off at any byte comes back until it has its answer (%s): each event once, in order (SE7)',
    async (_, shape, how) => {
      const recording = record(shape)
      playSlowly(stage.upstream, recording, 2)
      const { length, start } = await measure(stage, stage.session, call)
      const expected = messagesOf(recording)
      const seen = { lost: 0, back: 0 }
      await cutAt([...steps(0, start, 7 * by), ...steps(start, length, by)], async (at) => {
        stage.front.plan({ down: [{ at, how }] })
        const harvest = await callPatiently(stage.session, call)
        expectWhole(harvest, expected)
        if (harvest.isLost) seen.lost += 1
        if (harvest.statuses.length > 1) seen.back += 1
      })
      // Cut before the first event it knows of nothing; from then on it always comes back.
      expect(seen.lost).toBeLessThan(seen.back)
      expect(stage.gateway.reported.entries).toEqual([])
    },
  )

  test('a batch of 2025-03-26 that is cut off at any byte brings each answer once (RPC7, SE7)', async () => {
    const recording = record({ ids: false, lineEnd: '\r' }, waiting)
    playSlowly(stage.upstream, recording, 2)
    const { length, start } = await measure(stage, stage.old, batch)
    await cutAt(steps(start, length, 2 * by), async (at) => {
      stage.front.plan({ down: [{ at, how: at % 2 === 0 ? 'end' : 'reset' }] })
      expectWhole(await callPatiently(stage.old, batch), messagesOf(recording))
    })
    expect(stage.gateway.reported.entries).toEqual([])
  })

  test('connections that break again and again on both hops bring every event once, or an error in the end (ER14, SE7)', async () => {
    const ends = fc.constantFrom<Shape['lineEnd']>('\n', '\r\n', '\r')
    const how = fc.constantFrom<Fault['how']>('end', 'reset', 'split')
    const plansOf = (down: fc.Arbitrary<Fault[]>, maxLength: number): fc.Arbitrary<Plan[]> =>
      fc.array(
        down.map((faults) => ({ down: faults })),
        { minLength: 1, maxLength },
      )
    const anywhere = fc.array(fc.record({ at: fc.nat({ max: 900 }), how }), { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(
        fc.record({ ids: fc.boolean(), lineEnd: ends }),
        fc.boolean(),
        fc.nat({ max: 4 }),
        plansOf(anywhere, 5),
        plansOf(anywhere, 3),
        async (shape, isBatch, turns, front, back) => {
          const [session, message] = isBatch ? [stage.old, batch] : [stage.session, call]
          const recording = record(shape, isBatch ? waiting : ['call-1'])
          playSlowly(stage.upstream, recording, turns)
          stage.front.plan(...front)
          stage.back.plan(...back)
          const { messages, ids, isLost } = await callPatiently(session, message)
          stage.front.forget()
          stage.back.forget()
          expectRising(ids)
          const errors = messages.filter(({ error }) => error)
          const expected = messagesOf(recording)
          expect(messages.slice(0, messages.length - errors.length)).toEqual(
            isLost && messages.length === 0 ? [] : expected.slice(0, messages.length - errors.length),
          )
          // Nobody is lost who knows an id, and nobody comes back without one.
          if (isLost) return expect(ids).toEqual([])
          const answered = messages.filter(({ method }) => method === undefined).map(({ id }) => id)
          expect(answered).toEqual(isBatch ? waiting : ['call-1'])
          for (const { error } of errors) expect(error).toMatchObject({ code: 502 })
          // An upstream that can be resumed is, unless it broke before its first event.
          if (shape.ids && errors.length > 0) expect(errors).toHaveLength(answered.length)
        },
      ),
      { numRuns: 400, interruptAfterTimeLimit: limitMs, markInterruptAsFailure: false },
    )
  })
}

describe('out of memory', () => {
  suite(() => new MemoryEventLog(), 5, 2_000)
})

describeRedis.each(REDIS_CLIENTS)('out of Redis, with the library %s', (_library, connect) => {
  const closing: Array<() => unknown> = []
  afterAll(async () => {
    for (const close of closing) await close()
  })

  suite(
    async () => {
      const redis = await startRedis()
      const [commands, blocking] = [await connect(redis.path), await connect(redis.path)]
      closing.push(
        () => commands.close(),
        () => blocking.close(),
        () => redis.close(),
      )
      return new RedisEventLog({ client: commands.client, blockingClient: blocking.client })
    },
    19,
    1_000,
  )
})
