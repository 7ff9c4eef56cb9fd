// The activity over HTTP: who may see it, as a page, as JSON, as a stream that ends with the right to see it.
import { request } from 'node:http'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import type { SessionRecord } from '../../../lib/index.ts'
import { serverDirectory } from '../../../lib/directory/index.ts'
import { startUpstream } from '../../support/upstream.ts'
import { closeUsed, use } from '../../support/use.ts'
import { authenticate, BROWSER, type DirectoryParts, type RunningDirectory, startDirectory } from '../setup.ts'

afterEach(closeUsed)

const VIEW = '/mcp-servers?view=activity'
const admin = { 'x-user': 'ada' }
const activity = (principal: { id: string } | undefined): boolean => principal?.id === 'ada'

async function start(parts: DirectoryParts = {}): Promise<RunningDirectory> {
  const upstream = await use(startUpstream())
  const gateway = { servers: { one: { url: upstream.url, title: 'One' } }, authenticate, ...parts.gateway }
  return use(startDirectory({ gateway, directory: { activity, ...parts.directory } }))
}

async function call({ agent }: RunningDirectory, user: string | undefined, name = 'echo'): Promise<void> {
  const headers = { accept: 'application/json, text/event-stream', ...(user && { 'x-user': user }) }
  const opening = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }
  const post = (message: object, more = {}) =>
    agent
      .post('/mcp-servers/one/mcp')
      .set({ ...headers, ...more })
      .send({ jsonrpc: '2.0', ...message })
  const opened = await post({ id: 1, method: 'initialize', params: opening })
  if (opened.status !== 200) return
  const session = { 'mcp-session-id': opened.headers['mcp-session-id']! }
  await post({ method: 'notifications/initialized' }, session)
  await post({ id: 2, method: 'tools/call', params: { name, arguments: { secret: 'hunter2' } } }, session)
}

test('calls, refusals and sessions are counted, without content', async () => {
  const directory = await start()
  await call(directory, 'bob')
  await call(directory, undefined)
  const { body, text } = await directory.agent.get(VIEW).set(admin).expect(200)
  expect(body.calls.total).toBe(2)
  expect(body.series.map(({ server, name }: { server: string; name: string }) => [server, name])).toEqual(
    expect.arrayContaining([
      ['one', 'initialize'],
      ['one', 'echo'],
    ]),
  )
  expect(body.errors.refused).toBe(1)
  expect(body.refusals).toMatchObject([{ by: 'authenticate', code: 'unauthorized' }])
  expect(body.sessions).toMatchObject({ open: 1, opened: 1, cap: 10_000 })
  expect(body.servers).toMatchObject([{ name: 'one', title: 'One', health: { status: 'answering' } }])
  expect(text).not.toMatch(/hunter2|bob/)
})

test('sessions of a store without a cap are counted, and the figure says that there is none', async () => {
  const kept = new Map<string, SessionRecord>()
  const directory = await start({
    gateway: {
      sessions: {
        create: (record) => {
          kept.set('s', record)
          return 's'
        },
        get: (id) => kept.get(id),
        delete: (id) => void kept.delete(id),
      },
    },
  })
  await call(directory, 'bob')
  const page = await directory.agent.get(VIEW).set({ ...admin, accept: BROWSER })
  expect(page.text).toContain('1 open. There is no cap to count against')
  expect(page.text).not.toContain('Against the cap')
  const { body } = await directory.agent.get(VIEW).set(admin).expect(200)
  expect(body.sessions).toMatchObject({ open: 1, opened: 1, ended: 0 })
  expect(body.sessions).not.toHaveProperty('cap')
})

test('who may not see it finds nothing, and no link', async () => {
  const { agent } = await start()
  await agent.get(VIEW).expect(401)
  await agent.get(VIEW).set('x-user', 'bob').expect(404)
  await agent.get(`${VIEW}&events`).set('x-user', 'bob').expect(404)
  const list = async (user: string): Promise<string> =>
    (await agent.get('/mcp-servers').set({ accept: BROWSER, 'x-user': user }).expect(200)).text
  expect(await list('ada')).toContain('<a href="?view=activity">Activity</a>')
  expect(await list('bob')).not.toContain('Activity')
})

test('while it is off nothing is there', async () => {
  const { agent } = await start({ directory: { activity: undefined } })
  const { body } = await agent.get(VIEW).set(admin).expect(200)
  expect(body).toHaveProperty('title', 'MCP servers')
})

test('the page has a table and a chart for each of eight figures, and names are text', async () => {
  const directory = await start()
  await call(directory, 'bob', '<img src=x>')
  const { text } = await directory.agent
    .get(VIEW)
    .set({ ...admin, accept: BROWSER })
    .expect(200)
  expect(text.match(/<table>/g)).toHaveLength(8)
  const figures = text.split('<section').slice(1)
  expect(figures).toHaveLength(8)
  for (const figure of figures) expect(figure).toMatch(/<svg\s+role="img"\s+aria-label="[^"]+\."/)
  expect(text).not.toContain('NaN')
  expect(text).toContain('&lt;img src=x&gt;')
})

/** The stream of one visitor: its head, and its next event. */
async function look({
  url,
}: RunningDirectory): Promise<{ status: number; response: Readable; next(): Promise<unknown> }> {
  const sent = request(`${url}?view=activity&events`, { headers: { ...admin, accept: 'text/event-stream' } }).end()
  const [response] = (await once(sent, 'response')) as [Readable & { statusCode: number }]
  return {
    status: response.statusCode,
    response,
    async next() {
      const [chunk] = (await once(response, 'data')) as [Buffer]
      return JSON.parse(String(chunk).replace(/^data: /, ''))
    },
  }
}

test('the stream sends the figures, twenty may look, and it ends when the gateway closes', async () => {
  const directory = await start()
  const viewers = await Promise.all(Array.from({ length: 20 }, () => look(directory)))
  expect(viewers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
  expect(await viewers[0]!.next()).toMatchObject({
    figures: [{ id: 'calls' }, { id: 'errors' }, {}, {}, {}, {}, {}, {}],
  })
  const refused = await look(directory)
  expect(refused.status).toBe(503)
  refused.response.resume()
  for (const { response } of viewers) response.resume()
  const ended = viewers.map(({ response }) => once(response, 'end'))
  await directory.gateway.close({ graceMs: 0 })
  await Promise.all(ended)
})

test('one directory of a gateway has it, and the option is a function', async () => {
  const { gateway } = await start()
  expect(() => serverDirectory({ gateway, activity })).toThrow('"activity" is on in another directory of this gateway')
  expect(() => serverDirectory({ gateway, activity: true as never })).toThrow('"activity" must be a function')
})
