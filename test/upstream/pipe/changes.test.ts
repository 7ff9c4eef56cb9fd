// What a pipe's server says has changed leaves the cache, whoever listens and over whichever pipe of it that comes.
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { createJournal } from '../../support/journal.ts'
import { modernRequest, openModern, postModern } from '../../support/modern.ts'
import { initialize } from '../../support/rpc.ts'
import { ScriptedPipe } from '../../support/scripted-pipe.ts'

/** Answers every question but a listener's with something to keep. */
class FreshPipe extends ScriptedPipe {
  override send(message: string): boolean {
    const { id, method } = JSON.parse(message) as { id?: number; method: string }
    const result = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' }
    if (!/listen|discover|initialize/.test(method)) this.say({ id, result })
    return super.send(message)
  }
}

const pipes = createJournal<FreshPipe>()
let gateway: RunningGateway

beforeEach(async () => {
  const open = (context: FreshPipe['context']): FreshPipe => {
    const pipe = new FreshPipe(context)
    pipes.record(pipe)
    return pipe
  }
  gateway = await startGateway({ servers: { here: { pipe: open }, other: { pipe: open } }, cache: true })
})

afterEach(() => gateway.close())

/** Asks: whether the server is asked at all. */
async function isAsked(pipe: ScriptedPipe, method: string, params: object = {}): Promise<boolean> {
  const asked = (): number => pipe.sent.entries.filter((text) => text.includes(`"${method}"`)).length
  const before = asked()
  expect((await postModern(gateway.url('here'), modernRequest(method, params))).status).toBe(200)
  return asked() > before
}

/** A pipe that modern requests share, with this in the cache. */
async function cached(method: string, params: object = {}): Promise<ScriptedPipe> {
  await postModern(gateway.url('here'), modernRequest(method, params))
  const pipe = await pipes.next()
  expect(await isAsked(pipe, method, params)).toBe(false)
  return pipe
}

test.each([
  ['tools/list', {}, { method: 'notifications/tools/list_changed' }],
  ['prompts/list', {}, { method: 'notifications/prompts/list_changed' }],
  ['resources/templates/list', {}, { method: 'notifications/resources/list_changed' }],
  ['resources/read', { uri: 'a:b' }, { method: 'notifications/resources/updated', params: { uri: 'a:b' } }],
])('%s is asked again when the server has said so, though nobody listens', async (method, params, said) => {
  const pipe = await cached(method, params)
  pipe.say({ method: 'notifications/resources/updated', params: { uri: 'c:d' } })
  expect(await isAsked(pipe, method, params)).toBe(false)
  pipe.say(said)
  expect(await isAsked(pipe, method, params)).toBe(true)
})

test('what the pipe of a session says counts, too', async () => {
  const pipe = await cached('tools/list')
  await initialize(gateway.url('here'))
  ;(await pipes.next()).say({ method: 'notifications/tools/list_changed' })
  expect(await isAsked(pipe, 'tools/list')).toBe(true)
})

test('what another server says does not', async () => {
  const pipe = await cached('tools/list')
  await initialize(gateway.url('other'))
  ;(await pipes.next()).say({ method: 'notifications/tools/list_changed' })
  expect(await isAsked(pipe, 'tools/list')).toBe(false)
})

test('a listener hears of it as well', async () => {
  const pipe = await cached('tools/list')
  const listening = openModern(
    gateway.url('here'),
    modernRequest('subscriptions/listen', { toolsListChanged: true }, 7),
  )
  const { id } = await pipe.asked('subscriptions/listen')
  const _meta = { 'io.modelcontextprotocol/subscriptionId': id }
  pipe.say({ method: 'notifications/tools/list_changed', params: { _meta } })
  const stream = await listening
  expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
  expect(await isAsked(pipe, 'tools/list')).toBe(true)
  stream.close()
})
