// Child processes as they are in the wild: daemons, banners, programs of another era, odd bytes, clients that leave.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ChildPipe } from '../../lib/stdio/child-pipe.ts'
import { stdio, type StdioOptions } from '../../lib/stdio/index.ts'
import type { PipeServer, ServerConfig } from '../../lib/index.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { createJournal } from '../support/journal.ts'
import { modernRequest, postModern } from '../support/modern.ts'
import { isAlive, processesWith, untilGone } from '../support/processes.ts'
import { initialize, initializeMessage, post, type Session } from '../support/rpc.ts'
import { closeUsed, use } from '../support/use.ts'

const folder = mkdtempSync(join(tmpdir(), 'stdio-'))
afterAll(() => rmSync(folder, { recursive: true }))

afterEach(closeUsed)

async function gatewayOf(server: ServerConfig, rest: object = {}): Promise<RunningGateway> {
  return use(startGateway({ servers: { here: server }, ...rest }))
}

/** Reads lines, and has `on(message, say)` answer each; handshakes are answered before. */
const LOOP = `
  let rest = ''
  const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
  process.stdin.on('data', (chunk) => {
    const lines = (rest + chunk).split('\\n')
    rest = lines.pop()
    for (const line of lines) {
      const message = JSON.parse(line)
      if (message.method === 'initialize') say({ id: message.id, result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'p', version: '1' } } })
      else on(message, say)
    }
  })`

/** A server that is this program; a mark that no other one has is part of its command line. */
function program(on: string, options: Partial<StdioOptions> = {}): PipeServer {
  const args = ['-e', `const on = (message, say) => { ${on} }\n${LOOP}`]
  return stdio({ command: process.execPath, args, graceMs: 300, ...options })
}

const ANSWER = `if (message.id !== undefined) say({ id: message.id, result: { pid: process.pid } })`

async function pidOf(session: Session): Promise<number> {
  return ((await session.request('ping')).message!.result as { pid: number }).pid
}

test('a daemon that keeps stdout open does not keep the dead server alive: its exit decides', async () => {
  const options = `{ stdio: ['ignore', 'inherit', 'ignore'], detached: true }`
  const fork = `say({ id: message.id, result: { pid: require('node:child_process').spawn('sleep', ['1000'], ${options}).pid } })`
  const gateway = await gatewayOf(
    program(`if (message.method === 'ping') ${fork}; else if (message.id) process.exit(5)`),
  )
  const session = await initialize(gateway.url('here'))
  const daemon = await pidOf(session)
  expect((await session.request('tools/list')).status).toBe(502)
  // It has left the group, so it is nobody's here.
  expect(isAlive(daemon)).toBe(true)
  process.kill(daemon, 'SIGKILL')
})

test('the end of input comes first, then SIGTERM, and SIGKILL is for those who heed neither', async () => {
  const log = join(folder, 'signals')
  const note = `const note = (what) => require('node:fs').appendFileSync(${JSON.stringify(log)}, what + ' ')`
  const heeds = `${note}; process.stdin.on('end', () => note('EOF')); process.on('SIGTERM', () => { note('SIGTERM'); process.exit() }); setInterval(() => {}, 1000)`
  const args = ['-e', `${heeds}\nconst on = (message, say) => { ${ANSWER} }\n${LOOP}`]
  const gateway = await gatewayOf(stdio({ command: process.execPath, args, graceMs: 1_000 }))
  const session = await initialize(gateway.url('here'))
  const pid = await pidOf(session)
  await session.end()
  await untilGone(pid)
  expect(readFileSync(log, 'utf8')).toBe('EOF SIGTERM ')
})

test('a leader that exits alone leaves no child behind', async () => {
  const spawn = `const { pid } = require('node:child_process').spawn('sleep', ['1000'], { stdio: 'ignore' })`
  const gateway = await gatewayOf(
    program(
      `if (message.method !== 'ping') return; ${spawn}; say({ id: message.id, result: { pid } }); process.exit()`,
    ),
  )
  const session = await initialize(gateway.url('here'))
  await untilGone(await pidOf(session))
})

test('a byte order mark, CRLF, banners and line separators in strings are no trouble', async () => {
  const on = String.raw`
    process.stdout.write('\uFEFFServer started\r\n[info] ready\n\n')
    process.stdout.write('{"jsonrpc":"2.0","id":' + message.id + ',"result":{"text":"a\u2028b\u2029c\\n"}}\r\n')`
  const gateway = await gatewayOf(program(`if (message.id !== undefined) { ${on} }`))
  const session = await initialize(gateway.url('here'))
  for (let count = 0; count < 2; count += 1) {
    expect((await session.request('ping')).message?.result).toEqual({ text: 'a\u2028b\u2029c\n' })
  }
  expect(gateway.reported.entries).toHaveLength(1)
})

test('characters that are cut between two chunks are whole in the message', async () => {
  const on = `
    const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { text: '🦄ä' } }) + '\\n')
    let at = 0
    const timer = setInterval(() => { process.stdout.write(bytes.subarray(at, at += 7)); if (at >= bytes.length) clearInterval(timer) }, 2)`
  const gateway = await gatewayOf(program(`if (message.id !== undefined) { ${on} }`))
  const session = await initialize(gateway.url('here'))
  expect((await session.request('ping')).message?.result).toEqual({ text: '🦄ä' })
})

test('an argument is an argument, whatever a shell would make of it', async () => {
  const mark = join(folder, 'ran')
  const odd = [
    `& touch ${mark}`,
    `; touch ${mark}`,
    `$(touch ${mark})`,
    `\`touch ${mark}\``,
    `| touch ${mark}`,
    '%PATH%',
    '"',
    '',
  ]
  const args = [
    '-e',
    `const on = (message, say) => say({ id: message.id, result: { args: process.argv.slice(1) } })\n${LOOP}`,
    '--',
    ...odd,
  ]
  const gateway = await gatewayOf(stdio({ command: process.execPath, args, graceMs: 300 }))
  const session = await initialize(gateway.url('here'))
  expect((await session.request('ping')).message?.result).toEqual({ args: odd })
  expect(existsSync(mark)).toBe(false)
})

test('a variable that a shell would take for a function of its own is not passed on', async () => {
  process.env['LANG'] = '() { :; }; echo'
  try {
    const gateway = await gatewayOf(program(`say({ id: message.id, result: { lang: String(process.env.LANG) } })`))
    const session = await initialize(gateway.url('here'))
    expect((await session.request('ping')).message?.result).toEqual({ lang: 'undefined' })
  } finally {
    delete process.env['LANG']
  }
})

describe('a program of before the modern era, asked by a modern client', () => {
  test.each([
    ['exits', `process.exit(1)`],
    ['answers -32602', `say({ id: message.id, error: { code: -32602, message: 'Invalid request parameters' } })`],
    ['answers -32601', `say({ id: message.id, error: { code: -32601, message: 'Method not found' } })`],
    ['throws', `throw new Error('not initialized')`],
  ])('that %s sends it back to the handshake, in a process of its own', async (_how, on) => {
    const gateway = await gatewayOf(program(`if (message.method === 'server/discover') { ${on} } else { ${ANSWER} }`))
    expect((await postModern(gateway.url('here'), modernRequest('tools/list'))).status).toBe(400)
    const session = await initialize(gateway.url('here'))
    expect(isAlive(await pidOf(session))).toBe(true)
    expect(gateway.reported.entries).toEqual([])
  })
})

test('all the rounds of a modern request reach one process; after its end its successor answers for itself', async () => {
  // A key of its own start seals what it asks to be told again.
  const on = `
    global.key ??= String(process.pid)
    const { id, method, params } = message
    if (method === 'server/discover') say({ id, result: { supportedVersions: ['2026-07-28'], capabilities: {} } })
    else if (method === 'tools/call' && params.name === 'die') process.exit(1)
    else if (!params.requestState) say({ id, result: { resultType: 'input_required', inputRequests: {}, requestState: key } })
    else if (params.requestState === key) say({ id, result: { resultType: 'complete', content: [] } })
    else say({ id, error: { code: -32602, message: 'The state is of another process' } })`
  const gateway = await gatewayOf(program(on))
  const ask = (params: object) => postModern(gateway.url('here'), modernRequest('tools/call', { name: 't', ...params }))
  const { requestState } = (await ask({})).message!.result as { requestState: string }
  const second = await ask({ inputResponses: {}, requestState })
  expect(second.message?.result).toMatchObject({ resultType: 'complete' })
  expect((await ask({ name: 'die' })).status).toBe(502)
  const third = await ask({ inputResponses: {}, requestState })
  expect(third.message?.error).toEqual({ code: -32602, message: 'The state is of another process' })
})

test('a client that leaves during a handshake that is never answered leaves no process', async () => {
  const mark = `mark-${process.pid}-leaves`
  const gateway = await gatewayOf(
    stdio({
      command: process.execPath,
      args: ['-e', 'setInterval(() => {}, 1000); process.stdin.resume()', '--', mark],
      graceMs: 100,
    }),
    { timeouts: { responseMs: 500 } },
  )
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const sent = request(gateway.url('here'), { method: 'POST', headers, agent: false })
  sent.on('error', () => {})
  sent.end(JSON.stringify(initializeMessage()))
  while (processesWith(mark).length === 0) await sleep(10)
  sent.destroy()
  while (processesWith(mark).length > 0) await sleep(10)
})

test('a message to a process that has just been killed is an error, and no crash', async () => {
  const gateway = await gatewayOf(program(ANSWER))
  for (let count = 0; count < 3; count += 1) {
    const reply = await post(gateway.url('here'), initializeMessage())
    const session = await initialize(gateway.url('here')).catch(() => undefined)
    if (!session) break
    process.kill(await pidOf(session), 'SIGKILL')
    const big = { jsonrpc: '2.0', id: 1, method: 'x', params: { x: 'x'.repeat(1_000_000) } }
    const statuses = (await Promise.all([session.post(big), session.post(big)])).map(({ status }) => status)
    for (const status of statuses) expect([404, 502]).toContain(status)
    expect(reply.status).toBe(200)
  }
})

test('a paused pipe says nothing, and its process waits; resumed it says everything, in order', async () => {
  const code = `for (let line = 0; line < 20000; line += 1) process.stdout.write('{"line":' + line + ',"x":"' + 'x'.repeat(100) + '"}\\n')\nsetInterval(() => {}, 1000)\nprocess.stdin.on('end', () => process.exit()).resume()`
  const pipe = ChildPipe.spawn({
    command: process.execPath,
    args: ['-e', code],
    env: {},
    cwd: undefined,
    maxMessageBytes: 1e6,
    onStderr: undefined,
  })
  const lines = createJournal<number>()
  pipe.pause()
  let isPaused = true
  pipe.onMessage = (text) => {
    expect(isPaused).toBe(false)
    lines.record((JSON.parse(text) as { line: number }).line)
    if (lines.entries.length !== 5_000) return
    isPaused = true
    pipe.pause()
    setTimeout(() => {
      isPaused = false
      pipe.resume()
    }, 50)
  }
  await sleep(100)
  isPaused = false
  pipe.resume()
  await lines.next((line) => line === 19_999)
  expect(lines.entries).toEqual(Array.from({ length: 20_000 }, (_, index) => index))
  await pipe.close(1_000)
})
