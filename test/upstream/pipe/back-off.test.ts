// Pipes that end by themselves: how long nobody opens another one, for whom, and what ends that.
import { jest } from '@jest/globals'
import type { Principal } from '../../../lib/index.ts'
import { BackOff } from '../../../lib/upstream/pipe/back-off.ts'
import { startGateway } from '../../support/gateway.ts'
import { initialize, initializeMessage, post } from '../../support/rpc.ts'
import { ScriptedPipe, scriptedServer } from '../../support/scripted-pipe.ts'

let now = 1_000_000
let clock: ReturnType<typeof jest.spyOn>

beforeEach(() => {
  clock = jest.spyOn(performance, 'now').mockImplementation(() => now)
})

afterEach(() => void clock.mockRestore())

/** How long opening is refused, in seconds. */
function waitOf(backOff: BackOff, name = 'a'): number {
  try {
    backOff.check(name)
    return 0
  } catch (error) {
    expect(error).toMatchObject({ code: 'unavailable', status: 503 })
    return Number((error as { headers: Record<string, string> }).headers['retry-after'])
  }
}

/** A pipe is opened, lives for so long, and ends. */
function live(backOff: BackOff, ms: number, name = 'a'): number {
  const openedAt = now
  now += ms
  backOff.ended(name, openedAt)
  return waitOf(backOff, name)
}

test('the first end in a row costs nothing, then it is 1, 2, 4, 8, 16, 16 s', () => {
  const backOff = new BackOff()
  const waits = Array.from({ length: 7 }, () => {
    const wait = live(backOff, 50)
    now += wait * 1_000
    return wait
  })
  expect(waits).toEqual([0, 1, 2, 4, 8, 16, 16])
})

test('a loop opens eight pipes in its first minute, however fast they end', () => {
  const backOff = new BackOff()
  const end = now + 60_000
  let opened = 0
  while (now < end) {
    opened += 1
    const wait = live(backOff, 1)
    now += wait * 1_000
  }
  expect(opened).toBe(8)
})

test('a minute alive ends the row, and nothing but time does: an answer is no sign of health', () => {
  const backOff = new BackOff()
  for (let count = 0; count < 4; count += 1) {
    const wait = live(backOff, 50)
    now += wait * 1_000
  }
  expect(live(backOff, 59_999)).toBe(8)
  now += 8_000
  expect(live(backOff, 60_000)).toBe(0)
  expect(live(backOff, 50)).toBe(0)
  expect(live(backOff, 50)).toBe(1)
})

test('pipes that were open together and end together count once', () => {
  const backOff = new BackOff()
  const openedAt = now
  now += 50
  for (let count = 0; count < 20; count += 1) backOff.ended('a', openedAt)
  expect(waitOf(backOff)).toBe(0)
})

test("one server's loop holds up no other", () => {
  const backOff = new BackOff()
  for (let count = 0; count < 3; count += 1) live(backOff, 1)
  expect(waitOf(backOff, 'a')).toBeGreaterThan(0)
  expect(waitOf(backOff, 'b')).toBe(0)
})

describe('through a gateway', () => {
  const authenticate = ({ headers }: { headers: Record<string, unknown> }): Principal => ({
    id: String(headers['x-id']),
  })
  const as = (id: string): Record<string, string> => ({ 'x-id': id })

  test('a server that ends before it answers anything is 502, then 503 with Retry-After for all who would get it', async () => {
    const server = scriptedServer({ sharedBy: () => 'all' })
    const gateway = await startGateway({ servers: { here: server, other: scriptedServer() }, authenticate })
    const send = jest.spyOn(ScriptedPipe.prototype, 'send').mockImplementation(function (this: ScriptedPipe) {
      setImmediate(() => this.onClose?.(new Error('no config')))
      return true
    })
    const statuses: number[] = []
    for (const id of ['ada', 'bob', 'eve']) {
      statuses.push((await post(gateway.url('here'), initializeMessage(), as(id))).status)
      now += 1
    }
    send.mockRestore()
    expect(statuses).toEqual([502, 502, 503])
    expect(server.pipes.entries).toHaveLength(2)
    expect((await post(gateway.url('other'), initializeMessage(), as('ada'))).status).toBe(200)
    await gateway.close()
  })

  test('a session that makes its process end again and again waits, and nobody else does', async () => {
    const server = scriptedServer({ sharedBy: () => 'all' })
    const gateway = await startGateway({ servers: { here: server }, authenticate })
    for (let count = 0; count < 2; count += 1) {
      await initialize(gateway.url('here'), { headers: as('eve') })
      ;(await server.pipes.next()).onClose?.(new Error('killed'))
      now += 1
    }
    const refused = await post(gateway.url('here'), initializeMessage(), as('eve'))
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    await initialize(gateway.url('here'), { headers: as('ada') })
    now += 1_000
    await initialize(gateway.url('here'), { headers: as('eve') })
    await gateway.close()
  })

  test('an end without a cause, and one that the gateway asked for, are no loop', async () => {
    const server = scriptedServer()
    const gateway = await startGateway({ servers: { here: server }, authenticate })
    for (let count = 0; count < 4; count += 1) {
      const session = await initialize(gateway.url('here'), { headers: as('ada') })
      const pipe = await server.pipes.next()
      if (count % 2 === 0) await session.end()
      else pipe.onClose?.()
    }
    await initialize(gateway.url('here'), { headers: as('ada') })
    await gateway.close()
  })
})
