// What the tests of streams, sessions and the cache share: real waits beside a faked clock, a clock that steps back,
// memory after a collection, and two gateways on one event log.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { jest } from '@jest/globals'
import { MemoryEventLog, SealedSessionStore, type EventLog, type GatewayOptions } from '../../lib/index.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import type { OpenStream } from '../support/rpc.ts'
import type { RpcMessage } from '../support/upstream.ts'

export const KEYS = ['a secret of 32 characters or more, the same on each node']

export const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } } as const

/** The real one, whatever is faked later. */
const { setTimeout: later } = globalThis

/** Waits until what is counted has stood still for a while: all that happens in this process has happened then. */
export async function quiet(count: () => number): Promise<void> {
  let before = count()
  for (let idle = 0; idle < 4; idle += 1) {
    await new Promise((resolve) => later(resolve, 50))
    if (count() !== before) idle = -1
    before = count()
  }
}

/**
 * Fakes clocks alone: timers go on in real time. `advance` moves the time of day and the monotonic clocks, `stepBack`
 * the time of day, as an operator or NTP does.
 */
export function fakeClocks(): { advance(ms: number): void; stepBack(ms: number): void } {
  jest.useFakeTimers({
    now: Date.now(),
    doNotFake: [
      'nextTick',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setInterval',
      'clearInterval',
      'setTimeout',
      'clearTimeout',
    ],
  })
  return {
    advance(ms) {
      jest.advanceTimersByTime(ms)
    },
    stepBack(ms) {
      jest.setSystemTime(Date.now() - ms)
    },
  }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Memory in use after a collection: the heap, and the buffers outside of it. */
export async function heldBytes(): Promise<number> {
  for (let turn = 0; turn < 2; turn += 1) {
    await new Promise((resolve) => void setImmediate(resolve))
    collect()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** All messages of a stream, to its end. */
export async function rest(client: OpenStream): Promise<RpcMessage[]> {
  await client.over
  const messages: RpcMessage[] = []
  for (;;) {
    try {
      messages.push(await client.nextMessage())
    } catch {
      return messages
    }
  }
}

/** The next event that has a message, with the id to come back with. */
export async function nextWithId(client: OpenStream): Promise<{ readonly id: string; readonly message: RpcMessage }> {
  for (;;) {
    const { id, data } = await client.next()
    if (data !== '' && id !== undefined) return { id, message: JSON.parse(data) as RpcMessage }
  }
}

/** What one gateway sees of the log that both have. */
export interface View extends EventLog {
  /** Nothing comes back from the log, as long as the process stands still; what was sent before has arrived there. */
  isStill: boolean
}

export interface Pair {
  readonly gateways: readonly RunningGateway[]
  readonly views: readonly View[]
  close(): Promise<void>
}

/** Two gateways that share an event log and the keys of sealed sessions. */
export async function startPair(options: Pick<GatewayOptions, 'servers'>): Promise<Pair> {
  const log = new MemoryEventLog()
  const views = [viewOf(log), viewOf(log)]
  const gateways = await Promise.all(
    views.map((events) => startGateway({ ...options, events, sessions: new SealedSessionStore({ keys: KEYS }) })),
  )
  return {
    gateways,
    views,
    async close() {
      await Promise.all(gateways.map((gateway) => gateway.close()))
      log.close()
    },
  }
}

function viewOf(log: MemoryEventLog): View {
  const view: View = {
    isStill: false,
    append: (name, events) => {
      const answer = log.append(name, events)
      return view.isStill ? silence() : answer
    },
    read: (name, after, waitMs) => (view.isStill ? silence() : log.read(name, after, waitMs)),
    last: (name) => (view.isStill ? silence() : log.last(name)),
    claim: (name, writer, leaseMs) => (view.isStill ? silence() : log.claim(name, writer, leaseMs)),
    release: (name, writer) => (view.isStill ? silence() : log.release(name, writer)),
  }
  return view
}

function silence<T>(): Promise<T> {
  return new Promise(() => {})
}
