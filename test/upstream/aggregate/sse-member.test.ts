// A member of HTTP+SSE, the transport of 2024-11-05, beside one of Streamable HTTP.
import { aggregated, member } from '../../support/aggregated.ts'
import { connectSdkV1, connectSdkV2, textOf } from '../../support/clients.ts'
import { initialize } from '../../support/rpc.ts'
import { type OldServer, startSseServer } from '../../support/sse-server.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

async function allClosed({ open }: OldServer): Promise<void> {
  while (open.size > 0) await new Promise(setImmediate)
}

test.each([
  ['SDK v1', connectSdkV1],
  ['SDK v2', connectSdkV2],
])('a client of %s lists and calls its tools, is asked, told and sampled, and ends its stream', async (_, connect) => {
  const old = await use(startSseServer())
  const gateway = await aggregated({ members: { old: { type: 'sse', url: old.url }, one: await member() } })
  const client = await use(connect(gateway.url('desk')))
  const listed = (await client.tools()).map(({ name }) => name)
  expect(listed).toEqual(expect.arrayContaining(['old__echo', 'one__echo']))
  expect(textOf(await client.call('old__echo', { text: 'hi' }))).toBe('hi')
  const answers = await Promise.all([client.call('old__ask'), client.call('old__sample'), client.call('old__ask')])
  expect(answers.map(textOf)).toEqual(['accept: Ada', expect.stringContaining('Hello.'), 'accept: Ada'])
  const seen: number[] = []
  await client.call('old__count', { to: 3 }, { onprogress: ({ progress }) => void seen.push(progress) })
  expect(seen.length).toBeGreaterThan(0)
  await client.call('old__grow', { name: 'young' })
  await client.told.next(({ method }) => method === 'notifications/tools/list_changed')
  await client.endSession()
  await allClosed(old)
  expect(gateway.reported.entries).toEqual([])
})

test('SS8 one whose stream breaks is opened again, and the client that listens is told', async () => {
  const old = await use(startSseServer())
  const gateway = await aggregated({ members: { old: { type: 'sse', url: old.url }, one: await member() } })
  const session = await initialize(gateway.url('desk'))
  const stream = await session.listen()
  const [before] = [...old.open]
  await before![1].close()
  while ((await stream.nextMessage()).method !== 'notifications/tools/list_changed');
  const { message } = await session.request('tools/call', { name: 'old__echo', arguments: { text: 'hi' } })
  expect(textOf(message!.result)).toBe('hi')
  expect([...old.open.keys()]).not.toContain(before![0])
  stream.close()
})

test('one that nobody serves any more is missing, and its calls are its own error', async () => {
  const gone = { type: 'sse', url: 'http://127.0.0.1:9/sse' } as const
  const gateway = await aggregated({ members: { gone, one: await member() } })
  const session = await initialize(gateway.url('desk'))
  expect((await session.request('tools/list')).message!.result).toMatchObject({
    tools: [{ name: 'one__echo' }],
    _meta: { 'express-mcp-gateway/missing': { gone: expect.any(String) as string } },
  })
  expect((await session.request('tools/call', { name: 'gone__echo' })).message!.error).toMatchObject({
    message: expect.stringMatching(/^gone: /) as string,
  })
})
