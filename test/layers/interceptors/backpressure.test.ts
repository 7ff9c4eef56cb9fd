// What a gateway holds of a stream whose interceptor is slow: no more than the event that it looks at. (governance 16)
import { jest } from '@jest/globals'
import { heldBytes, MiB } from '../../faults/support-bounds.ts'
import { TICK_MS } from '../../../lib/outbound/heartbeat.ts'
import { cleanUp, deferred, layer, world } from './setup.ts'

afterEach(cleanUp)

/** All but what heartbeats run on. */
const REAL = [
  'Date',
  'clearImmediate',
  'clearTimeout',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'setTimeout',
] as const

const progress = { method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }
const call = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'x' } }

test('16. a server that says more than a slow layer lets through is not read, and heartbeats go on meanwhile', async () => {
  jest.useFakeTimers({ doNotFake: [...REAL] })
  try {
    const gate = deferred()
    let seen = 0
    const intercept = layer({
      'notifications/message': async (_, next) => {
        seen += 1
        await gate.promise
        await next()
      },
    })
    const { upstream, open } = await world({ intercept })
    const data = 'x'.repeat(256 * 1024)
    const said = 100
    let taken = 0
    upstream.on('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.send(progress)
      for (; taken < said; taken += 1) {
        await stream.send({ method: 'notifications/message', params: { level: 'info', data } })
      }
      stream.finish({ content: [] })
    })
    const stream = await (await open()).stream(call)
    await stream.nextMessage()
    while (seen === 0) await new Promise((resolve) => setImmediate(resolve))
    const before = await heldBytes()
    // What the sockets of this machine take is no memory of the gateway; all of it would be 25 MiB.
    let still = 0
    for (let last = taken; still < 50; last = taken) {
      await new Promise((resolve) => setImmediate(resolve))
      still = taken === last ? still + 1 : 0
    }
    expect([seen, taken < said / 2]).toEqual([1, true])
    expect((await heldBytes(before + 2 * MiB)) - before).toBeLessThan(2 * MiB)
    jest.advanceTimersByTime(2 * TICK_MS)
    expect((await stream.next()).comments).toEqual([''])
    gate.resolve()
    for (let count = 0; count < said; count += 1) await stream.nextMessage()
    expect(await stream.nextMessage()).toMatchObject({ id: 7 })
  } finally {
    jest.useRealTimers()
  }
})
