// How servers do, from what clients saw of them: nobody is asked for it.
import { Health } from '../../lib/directory/health.ts'
import { initialize, initializeMessage, post } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { BROWSER, type RunningDirectory, startDirectory } from './setup.ts'

let upstream: Upstream
let directory: RunningDirectory
beforeEach(async () => {
  upstream = await startUpstream()
  const servers = {
    one: { url: upstream.url },
    same: { url: new URL(upstream.url) },
    down: { url: 'http://127.0.0.1:9/mcp' },
  }
  directory = await startDirectory({ gateway: { servers } })
})
afterEach(async () => {
  await directory.close()
  await upstream.close()
})

const endpoint = (name: string): string => `${directory.url}/${name}/mcp`

async function statusOf(name: string): Promise<string> {
  const { body } = await directory.agent.get('/mcp-servers').expect(200)
  return body.servers.find((server: { name: string }) => server.name === name).health.status
}

test('a server nobody has used yet is not asked either', async () => {
  expect(await statusOf('one')).toBe('unknown')
  expect(upstream.requests()).toEqual([])
  const { text } = await directory.agent.get('/mcp-servers').set('accept', BROWSER)
  expect(text).toContain('<p class="health unknown">Not used yet</p>')
})

test('what a client got says how the server does, under each of its names', async () => {
  await initialize(endpoint('one'))
  expect([await statusOf('one'), await statusOf('same'), await statusOf('down')]).toEqual([
    'answering',
    'answering',
    'unknown',
  ])
  await post(endpoint('down'), initializeMessage())
  expect(await statusOf('down')).toBe('failing')
  const { text } = await directory.agent.get('/mcp-servers').set('accept', BROWSER)
  expect(text).toMatch(/<p class="health answering">Answered <time datetime="[\dT:.Z-]+">just now<\/time><\/p>/)
  expect(text).toMatch(/<p class="health failing">Did not answer <time /)
})

test.each([
  ['an error of its own', 'answering', 200],
  ['that it refuses', 'answering', 400],
  ['that nothing is there', 'failing', 404],
  ['that our credentials are wrong', 'answering', 401],
  ['that it is broken', 'failing', 500],
  ['that it is overloaded', 'failing', 503],
])('a server that says %s is %s', async (_what, status, code) => {
  upstream.on('initialize', (exchange) => exchange.error(-32603, 'no', code))
  await post(endpoint('one'), initializeMessage())
  expect(await statusOf('one')).toBe(status)
})

test('a server that answers something else, or nothing, is failing, until it answers again', async () => {
  upstream.once('initialize', (exchange) => exchange.status(200, 'It works!', { 'content-type': 'text/html' }))
  await post(endpoint('one'), initializeMessage())
  expect(await statusOf('one')).toBe('failing')
  await initialize(endpoint('one'))
  expect(await statusOf('one')).toBe('answering')
  upstream.once('initialize', (exchange) => exchange.cut())
  await post(endpoint('one'), initializeMessage())
  expect(await statusOf('one')).toBe('failing')
})

test('two directories of one gateway both see it', async () => {
  const { serverDirectory } = await import('../../lib/directory/index.ts')
  const other = serverDirectory({ gateway: directory.gateway })
  await initialize(endpoint('one'))
  const answered = await new Promise<string>((resolve) => {
    const headers = { host: 'localhost' }
    const request = { url: '/', method: 'GET', headers, rawHeaders: Object.entries(headers).flat(), socket: {} }
    const response = {
      writableFinished: true,
      appendHeader() {},
      writeHead: () => response,
      end: (body: Buffer) => resolve(String(body)),
    }
    other(request as never, response as never)
  })
  expect(answered).toContain('"status": "answering"')
  expect(await statusOf('one')).toBe('answering')
})

test('what is remembered is bounded, and the oldest goes first', () => {
  const health = new Health()
  for (let count = 0; count <= 1_000; count += 1) health.record(`upstream-${count}`, true)
  expect(health.of('upstream-0').status).toBe('unknown')
  expect(health.of('upstream-1').status).toBe('answering')
  expect(health.of('upstream-1000').status).toBe('answering')
})
