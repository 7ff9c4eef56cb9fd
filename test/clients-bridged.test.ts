// Real clients of revisions with sessions in front of a real server that speaks 2026-07-28 alone. Each before every server:
// clients-matrix.test.ts.
import { type GatewayOptions, inProcess, MemoryEventLog } from '../lib/index.ts'
import { connectSdkV1, connectSdkV2, textOf } from './support/clients.ts'
import { type RunningGateway, startGateway } from './support/gateway.ts'
import { modernOnlyPipe, type ModernOnlyServer, startModernOnlyServer, WATCHED } from './support/modern-only-server.ts'
import { closeUsed, use } from './support/use.ts'

let server: ModernOnlyServer
let gateway: RunningGateway

async function start(options: Partial<GatewayOptions> = {}): Promise<string> {
  gateway = await use(startGateway({ servers: { modern: { url: server.url } }, ...options }))
  return gateway.url('modern')
}

beforeEach(async () => {
  server = await use(startModernOnlyServer())
})
afterEach(closeUsed)

describe.each([
  ['SDK v1', connectSdkV1],
  ['SDK v2 in legacy mode', connectSdkV2],
] as const)('%s', (_name, connect) => {
  describe.each([
    ['', () => ({})],
    [', with an event log', () => ({ events: new MemoryEventLog() })],
  ] as const)('in front of a server of 2026-07-28 alone%s', (_, options) => {
    test('LC1 SS1 opens a session, is told what the server offers, lists and calls tools', async () => {
      const client = await use(connect(await start(options())))
      expect(client.server).toMatchObject({
        info: { name: 'modern-only', version: '1.0.0' },
        capabilities: { tools: { listChanged: true }, logging: {} },
        instructions: 'For tests.',
      })
      expect((await client.tools()).map((tool) => tool.name)).toContain('ask')
      expect(textOf(await client.call('echo', { region: 'süd' }))).toBe('süd')
      await client.ping()
      await client.setLogLevel('debug')
    })

    test('ST22 is asked by a tool, for an elicitation and for sampling, and the tool gets its answers', async () => {
      const client = await use(connect(await start(options())))
      expect(textOf(await client.call('ask'))).toBe('accept: {"name":"Ada"}')
      expect(textOf(await client.call('sample'))).toContain('Hello.')
      expect(client.asked.entries).toEqual(['elicitation/create', 'sampling/createMessage'])
    })

    test('UT1 is told of progress, in order', async () => {
      const client = await use(connect(await start(options())))
      const steps: number[] = []
      const onprogress = ({ progress }: { progress: number }) => void steps.push(progress)
      expect(textOf(await client.call('count', { to: 3 }, { onprogress }))).toBe('counted to 3')
      expect(steps).toEqual([1, 2, 3])
    })

    test('UT4 LC8 cancels a call, and the server hears of it', async () => {
      const client = await use(connect(await start(options())))
      const abort = new AbortController()
      const calling = client.call('slow', {}, { signal: abort.signal })
      while (!server.seen.entries.includes('slow started')) await server.seen.next()
      abort.abort()
      await expect(calling).rejects.toThrow(/abort/i)
      while (!server.seen.entries.includes('slow cancelled')) await server.seen.next()
      expect(textOf(await client.call('echo', { region: 'a' }))).toBe('a')
    })

    test('PU5 11 is told of a changed list, and of a resource that it has subscribed to', async () => {
      const client = await use(connect(await start(options())))
      await client.subscribe(WATCHED)
      const heard = async (method: string) => {
        while (!client.told.entries.some((told) => told.method === method)) await client.told.next()
      }
      await client.call('grow', { name: 'young' })
      await heard('notifications/tools/list_changed')
      expect((await client.tools()).map((tool) => tool.name)).toContain('young')
      await client.call('touch')
      await heard('notifications/resources/updated')
    })
  })
})

test('SS5 SS6 two principals have sessions of their own, and answer their own questions', async () => {
  const authenticate = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) => ({ id: String(headers['x-user']) })
  const url = await start({ authenticate })
  const clients = await Promise.all(
    ['ada', 'bob'].map((user) => use(connectSdkV1(url, { headers: { 'x-user': user } }))),
  )
  const answers = await Promise.all(clients.map((client) => client.call('ask')))
  expect(answers.map(textOf)).toEqual(Array(2).fill('accept: {"name":"Ada"}'))
  expect(clients.map(({ asked }) => asked.entries.length)).toEqual([1, 1])
})

test('SC7 gives the operator nothing to read', async () => {
  const client = await use(connectSdkV1(await start()))
  await client.call('ask')
  await client.endSession()
  await client.close()
  expect(gateway.reported.entries).toEqual([])
})

test('UC3 ST22 PU5 a server of 2026-07-28 alone in this process is bridged, too', async () => {
  const { pipe, seen } = modernOnlyPipe()
  gateway = await use(startGateway({ servers: { modern: inProcess(pipe) } }))
  const client = await use(connectSdkV1(gateway.url('modern')))
  expect(textOf(await client.call('ask'))).toBe('accept: {"name":"Ada"}')
  const abort = new AbortController()
  const calling = client.call('slow', {}, { signal: abort.signal })
  while (!seen.entries.includes('slow started')) await seen.next()
  abort.abort()
  await expect(calling).rejects.toThrow(/abort/i)
  while (!seen.entries.includes('slow cancelled')) await seen.next()
  await client.call('grow', { name: 'young' })
  while (!client.told.entries.some(({ method }) => method === 'notifications/tools/list_changed'))
    await client.told.next()
  expect(gateway.reported.entries).toEqual([])
})
