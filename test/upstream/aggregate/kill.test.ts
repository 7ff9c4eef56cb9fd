// A member in a process of its own is killed under load: who calls it is told, nobody else notices, and it comes back.
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stdio } from '../../../lib/stdio/index.ts'
import { aggregated, member } from '../../support/aggregated.ts'
import { textOf } from '../../support/clients.ts'
import type { RpcMessage } from '../../support/exchange.ts'
import type { RunningGateway } from '../../support/gateway.ts'
import { startKillable } from '../../support/killable-server.ts'
import { initialize, type OpenStream, type Session } from '../../support/rpc.ts'
import { closeUsed, use } from '../../support/use.ts'

const SERVER = fileURLToPath(new URL('../../fixtures/stdio/server.mjs', import.meta.url))

afterEach(closeUsed)

/** Sessions that call members all the time, each answer kept by the tool that was called. */
class Load {
  readonly answers = new Map<string, RpcMessage[]>()
  readonly #running: Promise<void>[] = []
  #isOver = false

  constructor(sessions: readonly Session[], tools: readonly string[]) {
    for (const session of sessions) for (const name of tools) this.#running.push(this.#call(session, name))
  }

  /** Resolves when each of these tools has been answered so many times more. */
  async more(count: number, ...names: string[]): Promise<void> {
    const least = new Map(names.map((name) => [name, (this.answers.get(name)?.length ?? 0) + count]))
    while (names.some((name) => (this.answers.get(name)?.length ?? 0) < least.get(name)!)) {
      await sleep(5)
    }
  }

  async close(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
  }

  async #call(session: Session, name: string): Promise<void> {
    const kept = this.answers.get(name) ?? []
    this.answers.set(name, kept)
    while (!this.#isOver) {
      const { status, message } = await session.request('tools/call', { name, arguments: {} })
      expect(status).toBe(200)
      kept.push(message!)
      // A process is being started meanwhile, which needs the processor, too.
      await sleep(5)
    }
  }
}

const hasResult = ({ result }: RpcMessage): boolean => result !== undefined

async function toolsChanged(stream: OpenStream): Promise<void> {
  while ((await stream.nextMessage()).method !== 'notifications/tools/list_changed');
}

async function missingIn(session: Session): Promise<unknown> {
  const { result } = (await session.request('tools/list')).message!
  return (result as { _meta?: Record<string, object> })._meta?.['express-mcp-gateway/missing']
}

/** Two sessions, of which the first listens, and what they call. */
async function underLoad(gateway: RunningGateway, tools: readonly string[]) {
  const sessions = [await initialize(gateway.url('desk')), await initialize(gateway.url('desk'))]
  const stream = await sessions[0]!.listen()
  const load = await use(new Load(sessions, tools))
  return { sessions, stream, load }
}

test('SS8 over HTTP: the others’ calls are all answered, its own are told, and it is back with list_changed', async () => {
  const server = await use(startKillable())
  const gateway = await aggregated({ members: { dead: { url: server.url }, one: await member() } })
  const { sessions, stream, load } = await underLoad(gateway, ['dead__test_simple_text', 'one__echo'])
  await load.more(2, 'dead__test_simple_text', 'one__echo')

  // What it has been asked stays without an answer when it is killed.
  server.freeze()
  await load.more(20, 'one__echo')
  expect(load.answers.get('dead__test_simple_text')!.every(hasResult)).toBe(true)
  await server.kill()
  await load.more(2, 'dead__test_simple_text')
  expect(load.answers.get('dead__test_simple_text')!.at(-1)!.error).toMatchObject({
    code: 502,
    message: expect.stringMatching(/^dead: /) as string,
  })
  expect(await missingIn(sessions[1]!)).toEqual({ dead: expect.any(String) as string })

  await server.start()
  await toolsChanged(stream)
  expect(await missingIn(sessions[0]!)).toBeUndefined()
  await load.more(2, 'dead__test_simple_text')
  await load.close()
  expect(load.answers.get('dead__test_simple_text')!.at(-1)!.result).toBeDefined()
  expect(load.answers.get('one__echo')!.every(hasResult)).toBe(true)
})

test('SS8 over stdio: the others’ calls are all answered, its own are told, and it is back with list_changed', async () => {
  const dead = stdio({ command: process.execPath, args: [SERVER] })
  const gateway = await aggregated({ members: { dead, one: await member() } })
  const { sessions, stream, load } = await underLoad(gateway, ['dead__pid', 'one__echo'])
  await load.more(2, 'dead__pid', 'one__echo')
  const pidOf = async (session: Session): Promise<number> =>
    Number(textOf((await session.request('tools/call', { name: 'dead__pid' })).message!.result))

  const [listening] = sessions as [Session]
  const before = await pidOf(listening)
  const waiting = listening.request('tools/call', { name: 'dead__hang' })
  await load.more(2, 'dead__pid')
  process.kill(before, 'SIGKILL')
  expect((await waiting).message!.error).toMatchObject({ message: expect.stringMatching(/^dead: /) as string })
  await toolsChanged(stream)
  expect(await pidOf(listening)).not.toBe(before)
  expect(await missingIn(listening)).toBeUndefined()
  await load.close()
  expect(load.answers.get('one__echo')!.every(hasResult)).toBe(true)
})
