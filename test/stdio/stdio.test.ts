// Servers that are child processes, through the gateway: real ones, real clients, and processes that misbehave.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import express from 'express'
import type { PipeServer, ServerConfig } from '../../lib/index.ts'
import { serverDirectory } from '../../lib/directory/index.ts'
import { stdio, type StdioOptions } from '../../lib/stdio/index.ts'
import { connectSdkV1, connectSdkV2, textOf } from '../support/clients.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { createJournal } from '../support/journal.ts'
import { listen } from '../support/listen.ts'
import { isAlive, untilGone } from '../support/processes.ts'
import { initialize, initializeMessage, post, type Session } from '../support/rpc.ts'
import { closeUsed, use } from '../support/use.ts'

const SERVER = fileURLToPath(new URL('../fixtures/stdio/server.mjs', import.meta.url))
const APP = fileURLToPath(new URL('../fixtures/stdio/app.mjs', import.meta.url))
const manifest = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json')
const EVERYTHING = join(dirname(manifest), 'dist', 'index.js')
const everything = { command: process.execPath, args: [EVERYTHING, 'stdio'] }

afterEach(closeUsed)

const gatewayOf = (server: ServerConfig, rest: object = {}): Promise<RunningGateway> =>
  use(startGateway({ servers: { here: server }, ...rest }))

const script = (options: Partial<StdioOptions> = {}): PipeServer =>
  stdio({ command: process.execPath, args: [SERVER], graceMs: 300, ...options })

/** A server that is this program. */
const program = (code: string, options: Partial<StdioOptions> = {}): ServerConfig =>
  script({ args: ['-e', code], ...options })

async function call(session: Session, name: string, args: object = {}): Promise<unknown> {
  const { message } = await session.request('tools/call', { name, arguments: args })
  return JSON.parse(textOf(message?.result))
}

describe.each([
  ['SDK v1', connectSdkV1],
  ['SDK v2', connectSdkV2],
])('server-everything with a client of %s', (_client, connect) => {
  test('lists, calls, reports progress, samples, elicits and ends', async () => {
    const gateway = await gatewayOf(stdio(everything))
    const client = await use(connect(gateway.url('here')))
    const names = (await client.tools()).map(({ name }) => name)
    expect(names).toContain('echo')
    expect(textOf(await client.call('echo', { message: 'hello' }))).toBe('Echo: hello')
    const progress: number[] = []
    const onprogress = (told: { progress: number }): void => void progress.push(told.progress)
    await client.call('trigger-long-running-operation', { duration: 0.3, steps: 3 }, { onprogress })
    expect(progress).toEqual([1, 2, 3])
    expect(textOf(await client.call('trigger-sampling-request', { prompt: 'Hi', maxTokens: 5 }))).toContain('Hello.')
    expect(textOf(await client.call('trigger-elicitation-request'))).toContain('Ada')
    await client.endSession()
    expect(gateway.reported.entries).toEqual([])
  })
})

test('a modern client shares its process with its own later requests', async () => {
  const gateway = await gatewayOf(script())
  const pids = new Set<string>()
  for (let count = 0; count < 2; count += 1) {
    const client = await use(connectSdkV2(gateway.url('here'), { mode: 'auto' }))
    expect(client.sessionId).toBeUndefined()
    pids.add(textOf(await client.call('pid')))
  }
  expect(pids.size).toBe(1)
})

test('a modern client that finds a legacy process goes on with a handshake, though there may be one process', async () => {
  const gateway = await gatewayOf(stdio({ ...everything, maxProcesses: 1 }))
  const client = await use(connectSdkV2(gateway.url('here'), { mode: 'auto' }))
  expect(client.sessionId).toBeDefined()
  expect(textOf(await client.call('echo', { message: 'hello' }))).toBe('Echo: hello')
})

test('the directory shows it, starts nothing to do so, and says what it offers when it is asked', async () => {
  let opens = 0
  const count = (): Record<string, string> => {
    opens += 1
    return {}
  }
  const gateway = await gatewayOf({ ...stdio({ ...everything, env: count }), title: 'Files' })
  const directory = serverDirectory({ gateway: gateway.gateway })
  const app = express().use('/', directory)
  const http = app.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const show = async (path: string): Promise<string> =>
    (await fetch(origin + path, { headers: { accept: 'text/html' } })).text()
  try {
    expect(await show('/')).toContain('Files')
    const { name } = (await (await fetch(`${origin}/here/mcp/server-card`)).json()) as { name: string }
    expect(name).toMatch(/\/here$/)
    expect(opens).toBe(0)
    expect(await show('/?server=here')).toContain('echo')
    // It is asked for the modern era first, in a process that is no session's.
    expect(opens).toBe(2)
  } finally {
    http.close()
    http.closeAllConnections()
  }
})

test.each([
  ['exits', { name: 'die', arguments: { words: 'bye' } }, { exitCode: 7 }],
  ['is killed', { name: 'kill' }, { signal: 'SIGKILL' }],
])(
  'the health of a server whose process %s says how it ended, and nothing of its environment',
  async (_how, params, end) => {
    const gateway = await gatewayOf(script({ env: { TOKEN: 'hunter2' } }))
    const directory = serverDirectory({ gateway: gateway.gateway })
    const { origin, close } = await listen(express().use('/', directory))
    try {
      const list = async (): Promise<string> =>
        (await fetch(origin, { headers: { accept: 'application/json' } })).text()
      const session = await initialize(gateway.url('here'))
      expect(JSON.parse(await list()).servers[0].health).toEqual({ status: 'answering', at: expect.any(String) })
      expect((await session.request('tools/call', params)).status).toBe(502)
      const text = await list()
      expect(JSON.parse(text).servers[0].health).toEqual({ status: 'failing', at: expect.any(String), process: end })
      const page = await (await fetch(origin, { headers: { accept: 'text/html' } })).text()
      expect(page).toContain(`its process ended: ${Object.values(end)[0]}`)
      expect(text + page).not.toContain('hunter2')
      await initialize(gateway.url('here'))
      expect(JSON.parse(await list()).servers[0].health).not.toHaveProperty('process')
    } finally {
      await close()
    }
  },
)

test('a crash loop is 502, then 503 with Retry-After, and holds up no other server', async () => {
  const crashing = program('process.exit(3)')
  const gateway = await use(startGateway({ servers: { here: crashing, other: script() } }))
  const statuses: number[] = []
  for (let count = 0; count < 4; count += 1) {
    const { status, headers } = await post(gateway.url('here'), initializeMessage())
    statuses.push(status)
    if (status === 503) expect(headers['retry-after']).toBe('1')
  }
  expect(statuses).toEqual([502, 502, 503, 503])
  await initialize(gateway.url('other'))
})

describe('processes end', () => {
  test('with their session, their children too, and with the gateway', async () => {
    const gateway = await gatewayOf(script())
    const [one, other] = [await initialize(gateway.url('here')), await initialize(gateway.url('here'))]
    const pids = [await call(one, 'pid'), await call(one, 'child')] as number[]
    const rest = [await call(other, 'pid'), await call(other, 'child')] as number[]
    expect(new Set([...pids, ...rest]).size).toBe(4)
    expect((await one.end()).status).toBe(200)
    await untilGone(...pids)
    expect(rest.map(isAlive)).toEqual([true, true])
    await gateway.gateway.close({ graceMs: 0 })
    await untilGone(...rest)
  })

  test('behind a wrapper, and when they ignore the end of input and SIGTERM', async () => {
    const wrapped = `trap '' TERM; "${process.execPath}" "${SERVER}"; sleep 1000`
    const gateway = await gatewayOf(stdio({ command: 'sh', args: ['-c', wrapped], graceMs: 100 }))
    const session = await initialize(gateway.url('here'))
    const pid = (await call(session, 'pid')) as number
    expect((await session.end()).status).toBe(200)
    await untilGone(pid)
  })

  test('when they are not used, whatever the store', async () => {
    const gateway = await gatewayOf(script({ idleMs: 1_000 }))
    const session = await initialize(gateway.url('here'))
    await untilGone((await call(session, 'pid')) as number)
    expect((await session.request('ping')).status).toBe(404)
  })

  test.each(['SIGTERM', 'SIGKILL', 'exit'] as const)('when the app ends by %s', async (how) => {
    const app = fork(APP, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    const [port] = (await once(app, 'message')) as [number]
    const session = await initialize(`http://127.0.0.1:${port}/here/mcp`)
    const pid = (await call(session, 'pid')) as number
    const exited = once(app, 'exit')
    if (how === 'exit') app.send('exit')
    else app.kill(how)
    await exited
    await untilGone(pid)
  })

  test('past maxProcesses there is 503, and room again afterwards', async () => {
    const gateway = await gatewayOf(script({ maxProcesses: 1 }))
    const session = await initialize(gateway.url('here'))
    await expect(initialize(gateway.url('here'))).rejects.toThrow('503')
    await session.end()
    await initialize(gateway.url('here'))
  })
})

describe('a process that misbehaves', () => {
  test('killed: whoever waits is told at once, the session is 404, and recover starts another', async () => {
    const gateway = await gatewayOf({ ...script(), recover: true })
    const session = await initialize(gateway.url('here'))
    const pid = (await call(session, 'pid')) as number
    const [child, waiting] = [(await call(session, 'child')) as number, session.request('tools/call', { name: 'hang' })]
    await call(session, 'pid')
    process.kill(pid, 'SIGKILL')
    expect((await waiting).status).toBe(502)
    await untilGone(child)
    expect(await call(session, 'pid')).not.toBe(pid)
  })

  test('exits: what it said on stderr is for onError, not for the client', async () => {
    const gateway = await gatewayOf(script())
    const session = await initialize(gateway.url('here'))
    const answer = await session.request('tools/call', { name: 'die', arguments: { words: 'no such database' } })
    expect(answer.status).toBe(502)
    expect(answer.body).not.toContain('database')
    expect(String(gateway.reported.entries[0]?.error.cause)).toMatch(/ended \(7\).*no such database/)
  })

  test.each([
    ['exits at once', program('console.error("no config"); process.exit(3)'), /ended \(3\).*no config/],
    ['is not there', stdio({ command: 'no-such-program' }), /"no-such-program" cannot be started/],
    ['is in no directory', script({ cwd: '/no/such/place' }), /cannot be started/],
    [
      'never ends a line',
      program('setInterval(() => process.stdout.write("x".repeat(65536)), 1)', { maxMessageBytes: 1e6 }),
      /longer than "maxMessageBytes"/,
    ],
  ])('one that %s is 502', async (_what, server, cause) => {
    const gateway = await gatewayOf(server)
    await expect(initialize(gateway.url('here'))).rejects.toThrow('502')
    expect(String(gateway.reported.entries[0]?.error.cause)).toMatch(cause)
    await sleep(50)
  })

  test('one that writes garbage is understood all the same, and told of once', async () => {
    const gateway = await gatewayOf(script())
    const session = await initialize(gateway.url('here'))
    for (const end of ['\n', '\r\n\n', '{"a":1}\n']) await call(session, 'write', { bytes: 100_000, end })
    expect(gateway.reported.entries.map(({ error }) => (error as { code?: string }).code)).toEqual(['upstream_invalid'])
  })

  test('one that never reads holds up its own session, and ends with it', async () => {
    const gateway = await gatewayOf(script(), { timeouts: { responseMs: 5_000 } })
    const session = await initialize(gateway.url('here'))
    const pid = (await call(session, 'pid')) as number
    await call(session, 'stop-reading')
    const answers = Array.from({ length: 3 }, (_, id) =>
      session.post({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'x', x: 'x'.repeat(1_000_000) } }),
    )
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([504, 504, 504])
    const waiting = session.post({ jsonrpc: '2.0', id: 9, method: 'ping' })
    await sleep(50)
    process.kill(pid, 'SIGKILL')
    expect((await waiting).status).toBe(502)
  })
})

test('two clients that both use id 1, several at once, get their own answers', async () => {
  const gateway = await gatewayOf(script())
  const sessions = [await initialize(gateway.url('here')), await initialize(gateway.url('here'))]
  const ask = (session: Session, name: string) =>
    session.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } })
  const answers = await Promise.all(sessions.flatMap((session) => [ask(session, 'pid'), ask(session, 'cwd')]))
  const texts = answers.map(({ message }) => JSON.parse(textOf(message?.result)) as unknown)
  expect(answers.map(({ message }) => message?.id)).toEqual([1, 1, 1, 1])
  expect(texts.map((each) => typeof each)).toEqual(['number', 'string', 'number', 'string'])
  expect(texts[0]).not.toBe(texts[2])
})

describe('the environment', () => {
  afterEach(() => {
    delete process.env['GATEWAY_SECRET']
    delete process.env['SOME_PROXY']
  })

  test('has nothing of the gateway that was not let in', async () => {
    process.env['GATEWAY_SECRET'] = 'hunter2'
    process.env['SOME_PROXY'] = 'http://proxy'
    const server = script({ env: { TOKEN: 't' }, inheritEnv: ['SOME_PROXY'], cwd: '/' })
    const session = await initialize((await gatewayOf(server)).url('here'))
    const env = (await call(session, 'env')) as Record<string, string>
    expect(env).toMatchObject({ TOKEN: 't', SOME_PROXY: 'http://proxy', PATH: process.env['PATH'] })
    expect(JSON.stringify(env)).not.toContain('hunter2')
    expect(await call(session, 'cwd')).toBe('/')
  })

  test('of each principal is its own; who has the same shares a process in the modern era', async () => {
    const tenants: Readonly<Record<string, string>> = { ada: 'acme', bob: 'acme', eve: 'evil' }
    const server = script({ env: ({ principal }) => ({ TENANT: tenants[principal!.id]! }) })
    const gateway = await gatewayOf(server, {
      authenticate: ({ headers }: { headers: Record<string, string> }) => ({ id: headers['x-id'] }),
    })
    const pids: string[] = []
    for (const id of ['ada', 'bob', 'eve']) {
      const client = await use(connectSdkV2(gateway.url('here'), { mode: 'auto', headers: { 'x-id': id } }))
      expect(JSON.parse(textOf(await client.call('env')))).toMatchObject({ TENANT: tenants[id] })
      pids.push(textOf(await client.call('pid')))
    }
    expect(pids[0]).toBe(pids[1])
    expect(pids[0]).not.toBe(pids[2])
  })
})

test('onStderr is told lines, whose they are, and no more than a hundred a second', async () => {
  const told = createJournal<readonly [string, unknown]>()
  const server = script({
    onStderr: (line, { server: name, pid, principal }) => told.record([line, { name, pid, principal }]),
  })
  const session = await initialize((await gatewayOf(server)).url('here'))
  const pid = await call(session, 'pid')
  await call(session, 'stderr', { lines: 500 })
  expect(await told.next()).toEqual(['line 0', { name: 'here', pid, principal: undefined }])
  await sleep(1_100)
  await call(session, 'stderr', { lines: 1 })
  await told.next(([line]) => /lines were left out/.test(line))
  expect(told.entries.length).toBeLessThan(250)
})

test.each([
  ['no object', () => stdio('npx' as never), /takes an object/],
  ['no command', () => stdio({} as never), /"stdio.command"/],
  ['arguments as a text', () => stdio({ command: 'a', args: '-y' as never }), /"stdio.args" must be an array/],
  ['an option that there is not', () => stdio({ command: 'a', envs: {} } as never), /did you mean "env"/],
  ['a variable that is no text', () => stdio({ command: 'a', env: { KEY: 1 as never } }), /"KEY"/],
  ['a plain command', () => startGateway({ servers: { a: { command: 'sh' } as never } }), /stdio\(\{ command/],
])('%s is a TypeError', async (_what, make, words) => {
  await expect((async () => make())()).rejects.toThrow(words)
  await expect((async () => make())()).rejects.toThrow(TypeError)
})
