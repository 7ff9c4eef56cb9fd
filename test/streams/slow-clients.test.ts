// Clients that read slowly or not at all: what they cost, whom they hold up, and when they are cut off.
import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import { jest } from '@jest/globals'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { createJournal, type Journal } from '../support/journal.ts'
import { initialize, type OpenStream, type Session } from '../support/rpc.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'

const KiB = 1024
const STALL_MS = 30_000
const TICK_MS = 7_500

let upstream: Upstream
let gateway: RunningGateway
let session: Session
let responses: Journal<ServerResponse>

beforeEach(async () => {
  // Only intervals are faked, from before the gateway makes its first: sockets go on in real time.
  jest.useFakeTimers({
    doNotFake: [
      'Date',
      'hrtime',
      'nextTick',
      'performance',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setTimeout',
      'clearTimeout',
    ],
  })
  upstream = await startUpstream()
  responses = createJournal()
  gateway = await startGateway(
    { servers: { a: { url: upstream.url } }, timeouts: { stallMs: STALL_MS } },
    {
      prefix: '',
      mount: (handle) => (req, res) => {
        responses.record(res)
        handle(req, res)
      },
    },
  )
  session = await initialize(gateway.url('a'))
})

afterEach(async () => {
  jest.useRealTimers()
  await gateway.close()
  await upstream.close()
})

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const answer = 'data: {"jsonrpc":"2.0","id":"call-1","result":{}}\n\n'
const chunk = Buffer.from(`data: ${'x'.repeat(64 * KiB)}\n\n`)

interface Slow {
  readonly client: OpenStream
  readonly exchange: Exchange
  /** The gateway's own end. */
  readonly response: ServerResponse
}

type Kind = 'call' | 'resumable call' | 'listener' | 'document'

async function start(kind: Kind): Promise<Slow> {
  const isListener = kind === 'listener'
  const type = kind === 'document' ? 'application/json' : 'text/event-stream'
  const method = isListener ? 'GET' : 'tools/call'
  upstream.once(method, ({ res }) => res.writeHead(200, { 'content-type': type }).flushHeaders())
  const opened = isListener ? session.listen() : session.stream(call)
  const exchange = await upstream.nextRequest(method)
  if (kind === 'document') exchange.res.write('{"jsonrpc":')
  const client = await opened
  if (kind === 'resumable call') {
    exchange.res.write('id: s/1\ndata: \n\n')
    await client.next()
  }
  client.res.pause()
  return { client, exchange, response: responses.entries.at(-1)! }
}

/** Enough turns of the one event loop that all sides share for whatever can happen to have happened. */
async function settle(turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await session.request('ping')
}

/** Writes until the upstream's own socket and the gateway's answer take no more. The kernel may be behind: turns count from then. */
async function fill({ exchange: { res }, response }: Slow, bytes: Buffer = chunk): Promise<number> {
  let written = 0
  for (let quiet = 0; quiet < 20;) {
    if (!res.writableNeedDrain) {
      res.write(bytes)
      written += bytes.length
      quiet = 0
    } else if (response.writableNeedDrain) quiet += 1
    await new Promise((resolve) => setImmediate(resolve))
  }
  return written
}

function stalls(): unknown[] {
  return gateway.reported.entries.filter(({ error }) => 'code' in error && error.code === 'client_stalled')
}

async function tick(times = 1): Promise<void> {
  for (let count = 0; count < times; count += 1) {
    jest.advanceTimersByTime(TICK_MS)
    await settle(2)
  }
}

const beforeStall = STALL_MS / TICK_MS

describe('a client that stops reading', () => {
  test.each<Kind>(['call', 'resumable call', 'listener', 'document'])(
    'is cut off after stallMs, not before, and told of once: %s (SE16)',
    async (kind) => {
      const slow = await start(kind)
      await fill(slow, kind === 'document' ? Buffer.alloc(64 * KiB, ' ') : chunk)
      const sent = slow.exchange.res.socket?.bytesWritten
      await tick(beforeStall)
      expect(slow.response.destroyed).toBe(false)
      expect(slow.exchange.res.socket?.bytesWritten).toBe(sent)
      await tick(2)
      expect(slow.response.destroyed).toBe(true)
      expect(stalls()).toHaveLength(1)
      await tick(10)
      expect(stalls()).toHaveLength(1)
      slow.client.res.resume()
      expect(await slow.client.over).toBe('cut')
    },
  )

  test('lets go of the upstream of a listener and of a stream that can be resumed (SE3)', async () => {
    for (const kind of ['listener', 'resumable call'] as const) {
      const slow = await start(kind)
      await fill(slow)
      await tick(beforeStall + 2)
      expect(await slow.exchange.over).toBe('cut')
      slow.client.close()
    }
  })

  test('has not cancelled its call: the upstream goes on to its end (SE4)', async () => {
    const slow = await start('call')
    await fill(slow)
    await tick(beforeStall + 2)
    slow.exchange.res.end(answer)
    expect(await slow.exchange.over).toBe('complete')
    await settle()
    expect(stalls()).toHaveLength(1)
    slow.client.close()
  })

  test('is told of although the upstream breaks afterwards', async () => {
    const slow = await start('call')
    await fill(slow)
    await tick(beforeStall + 2)
    slow.exchange.cut()
    await slow.exchange.over
    await settle()
    expect(stalls()).toHaveLength(1)
    slow.client.close()
  })

  test('is cut off, too, when all that it does not read has come and the upstream has ended (SE16)', async () => {
    const slow = await start('call')
    // The kernel's buffers are full then, the gateway's is not: it goes on reading.
    while (slow.response.writableLength === 0) {
      slow.exchange.res.write(chunk.subarray(-4 * KiB))
      await settle(1)
    }
    slow.exchange.res.end(answer)
    while (!slow.response.writableEnded) await settle(1)
    expect(slow.response.writableFinished).toBe(false)
    await tick(beforeStall + 4)
    expect(slow.response.destroyed).toBe(true)
    slow.client.close()
  })

  test('slows nobody else, in its session or out of it (SE11, SE16)', async () => {
    const slow = await start('call')
    await fill(slow)
    const other = await initialize(gateway.url('a'))
    for (const quick of [session, other]) {
      upstream.once('tools/call', (exchange) => exchange.stream().finish({ quick: true }))
      expect((await quick.post(call)).message).toMatchObject({ result: { quick: true } })
    }
    slow.client.close()
  })

  test('can be there a hundred times: each holds a bounded number of bytes (SE16)', async () => {
    const slows: Slow[] = []
    for (let count = 0; count < 100; count += 1) slows.push(await start('call'))
    await Promise.all(slows.map((slow) => fill(slow)))
    const held = slows.map(({ response }) => response.writableLength)
    expect(Math.max(...held)).toBeLessThanOrEqual(256 * KiB)
    await tick(3)
    expect(slows.map(({ response }) => response.writableLength)).toEqual(held)
    await tick(beforeStall)
    expect(slows.filter(({ response }) => !response.destroyed)).toHaveLength(0)
    for (const { exchange } of slows) exchange.cut()
    for (const { client } of slows) client.close()
    await settle()
    expect(stalls()).toHaveLength(100)
  })

  test('does not keep the gateway from closing', async () => {
    const slow = await start('call')
    await fill(slow)
    await gateway.gateway.close({ graceMs: 0 })
    expect(await slow.exchange.over).toBe('cut')
    slow.client.close()
  })
})

describe('a client that reads slowly', () => {
  /** Reads until the gateway has got rid of something, then stops again. */
  async function readSome({ client, response }: Slow): Promise<void> {
    const drained = once(response, 'drain')
    client.res.resume()
    await drained
    client.res.pause()
  }

  test('is never cut off, though the upstream fills up at once what it reads (SE16)', async () => {
    const slow = await start('call')
    for (let count = 0; count < 3 * beforeStall; count += 1) {
      await fill(slow)
      await tick()
      expect(slow.response.destroyed).toBe(false)
      await readSome(slow)
    }
    slow.exchange.res.end(answer)
    slow.client.res.resume()
    expect(await slow.client.over).toBe('complete')
    expect(slow.client.bytes().subarray(-answer.length).toString()).toBe(answer)
    expect(stalls()).toEqual([])
  })

  test('and had paused is given the whole time again (SE16)', async () => {
    const slow = await start('call')
    await fill(slow)
    await tick(beforeStall)
    await readSome(slow)
    await fill(slow)
    await tick(beforeStall)
    expect(slow.response.destroyed).toBe(false)
    slow.client.close()
  })

  test('gets no heartbeat on top of what it has not read (SE15)', async () => {
    const slow = await start('call')
    await fill(slow)
    const held = slow.response.writableLength
    await tick(2)
    expect(slow.response.writableLength).toBe(held)
    slow.client.close()
  })
})

test('a client that has nothing to read is not taken for one that stalls', async () => {
  const quiet = await start('call')
  await tick(4 * beforeStall)
  expect(quiet.response.destroyed).toBe(false)
  quiet.client.close()
})
