// `protocol: 'auto'` of a pipe: who asks it in the modern era, what its answer means, and what becomes of a legacy one.
import { jest } from '@jest/globals'
import { internalsOf } from '../../../lib/exchange/gateway-internals.ts'
import type { Principal } from '../../../lib/index.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { initialize } from '../../support/rpc.ts'
import { MODERN, type ScriptedPipe, scriptedServer } from '../../support/scripted-pipe.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(async () => {
  jest.useRealTimers()
  await closeUsed()
})

type Scripted = ReturnType<typeof scriptedServer>

async function gatewayOf(server: Scripted, options: object = {}): Promise<RunningGateway> {
  return use(startGateway({ servers: { here: server }, ...options }))
}

const echo = modernRequest('tools/call', { name: 'echo' }, 1)

async function answer(pipe: ScriptedPipe): Promise<void> {
  pipe.say({ id: (await pipe.asked('tools/call')).id, result: { resultType: 'complete' } })
}

function end(pipe: ScriptedPipe): undefined {
  pipe.onClose?.(new Error('unexpected request'))
}

const error = (code: number, data?: object): object => ({ error: { code, message: 'No', ...(data && { data }) } })

test('a pipe that discovers is modern: the probe is the pipe to share, asked once, before anything else', async () => {
  const server = scriptedServer()
  const gateway = await gatewayOf(server)
  for (let count = 0; count < 2; count += 1) {
    const reply = postModern(gateway.url('here'), echo)
    await answer(server.pipes.entries[0] ?? (await server.pipes.next()))
    expect((await reply).status).toBe(200)
  }
  expect(server.pipes.entries).toHaveLength(1)
  const methods = server.pipes.entries[0]!.sent.entries.map((text) => JSON.parse(text).method)
  expect(methods).toEqual(['server/discover', 'tools/call', 'tools/call'])
})

test.each([
  ['a missing capability', error(-32021)],
  ['another revision of that era', error(-32022, { supported: ['2027-01-01'], requested: '2026-07-28' })],
  ['a result with such a revision among others', { result: { supportedVersions: ['2025-11-25', '2026-07-28'] } }],
])('%s is the answer of a modern server, which is not asked to shake hands', async (_what, said) => {
  const server = scriptedServer({ discovered: () => said })
  const gateway = await gatewayOf(server)
  const reply = postModern(gateway.url('here'), echo)
  await answer(await server.pipes.next())
  expect((await reply).status).toBe(200)
})

// 2026-07-28 stdio: the fallback is keyed to no code.
test.each([
  ['-32601', () => error(-32601)],
  ['-32602', () => error(-32602)],
  ['-32000', () => error(-32000)],
  ['a revision with a handshake alone', () => error(-32022, { supported: ['2025-11-25'] })],
  ['an empty result', () => ({ result: {} })],
  ['a result with such revisions alone', () => ({ result: { supportedVersions: ['2025-06-18'] } })],
  ['its end', end],
])(
  '%s is the answer of a legacy server: 400, which sends a client back to the handshake',
  async (_what, discovered) => {
    const server = scriptedServer({ discovered })
    const gateway = await gatewayOf(server)
    const outcomes: boolean[] = []
    internalsOf(gateway.gateway)!.watch((_id, hasAnswered) => outcomes.push(hasAnswered))
    const reply = await postModern(gateway.url('here'), echo)
    expect(reply).toMatchObject({ status: 400, message: { error: { code: 400 } } })
    expect(server.pipes.entries[0]!.isClosed).toBe(true)
    const session = await initialize(gateway.url('here'))
    expect(session.opening.status).toBe(200)
    expect(server.pipes.entries[1]!.sent.entries.map((text) => JSON.parse(text).method)).not.toContain(
      'server/discover',
    )
    // Known by now.
    expect((await postModern(gateway.url('here'), echo)).status).toBe(400)
    expect(server.pipes.entries).toHaveLength(2)
    expect(gateway.reported.entries).toEqual([])
    // The end of a probe is no failure.
    expect(outcomes).not.toContain(false)
  },
)

test('a process that is killed has answered nothing: 502, and the next one is asked', async () => {
  let count = 0
  const discovered = (pipe: ScriptedPipe): object | undefined => {
    count += 1
    if (count > 1) return MODERN
    pipe.onClose?.(Object.assign(new Error('It ended'), { signal: 'SIGKILL' }))
    return undefined
  }
  const server = scriptedServer({ discovered })
  const gateway = await gatewayOf(server)
  expect(await postModern(gateway.url('here'), echo)).toMatchObject({ status: 502, message: { error: { code: 502 } } })
  const reply = postModern(gateway.url('here'), echo)
  await server.pipes.next()
  await answer(await server.pipes.next())
  expect((await reply).status).toBe(200)
})

test('silence for 10 s is the answer of a legacy server, too, and remembered for a minute', async () => {
  const server = scriptedServer({ discovered: () => undefined })
  const gateway = await gatewayOf(server)
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] })
  const replies = [postModern(gateway.url('here'), echo), postModern(gateway.url('here'), echo)]
  const pipe = await server.pipes.next()
  await pipe.asked('server/discover')
  jest.advanceTimersByTime(9_999)
  expect(pipe.isClosed).toBe(false)
  jest.advanceTimersByTime(1)
  expect((await Promise.all(replies)).map(({ status }) => status)).toEqual([400, 400])
  expect(pipe.isClosed).toBe(true)
  const now = performance.now()
  const clock = jest.spyOn(performance, 'now').mockReturnValue(now + 59_000)
  expect((await postModern(gateway.url('here'), echo)).status).toBe(400)
  clock.mockReturnValue(now + 61_000)
  void postModern(gateway.url('here'), echo).catch(() => {})
  expect(await server.pipes.next()).toBeDefined()
  clock.mockRestore()
})

test.each([
  ['modern', 200, 1],
  ['legacy', 400, 0],
] as const)('with protocol "%s" nobody asks', async (protocol, status, pipes) => {
  const server = scriptedServer({ protocol })
  const gateway = await gatewayOf(server)
  const reply = postModern(gateway.url('here'), echo)
  if (pipes > 0) await answer(await server.pipes.next())
  expect((await reply).status).toBe(status)
  expect(server.pipes.entries).toHaveLength(pipes)
  expect(server.pipes.entries.flatMap(({ sent }) => sent.entries).join()).not.toContain('discover')
})

test('what one principal finds out is not what another one is told', async () => {
  const discovered = ({ context }: ScriptedPipe): object => (context.principal?.id === 'eve' ? error(-32601) : MODERN)
  const server = scriptedServer({ discovered })
  const authenticate = ({ headers }: { headers: Record<string, unknown> }): Principal => ({
    id: String(headers['x-id']),
  })
  const gateway = await gatewayOf(server, { authenticate })
  expect((await postModern(gateway.url('here'), echo, { 'x-id': 'eve' })).status).toBe(400)
  await server.pipes.next()
  const reply = postModern(gateway.url('here'), echo, { 'x-id': 'ada' })
  await answer(await server.pipes.next())
  expect((await reply).status).toBe(200)
})

test('a gateway that closes while it asks says so', async () => {
  const server = scriptedServer({ discovered: () => undefined })
  const gateway = await gatewayOf(server)
  const reply = postModern(gateway.url('here'), echo)
  await (await server.pipes.next()).asked('server/discover')
  await gateway.gateway.close({ graceMs: 0 })
  expect((await reply).status).toBe(503)
  expect(server.pipes.entries[0]!.isClosed).toBe(true)
})
