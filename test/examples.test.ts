// The examples are programs that check themselves: each must end well, and say what it is there to show.
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { jest } from '@jest/globals'
import { describeChromium } from './support/chromium.ts'
import { listen } from './support/listen.ts'
import { initialize } from './support/rpc.ts'

// Some build, or start several processes and a browser.
jest.setTimeout(120_000)

const run = promisify(execFile)

/** Runs an example as a user would; rejects when it exits non-zero. */
async function example(name: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const script = fileURLToPath(new URL(`../examples/${name}/index.mjs`, import.meta.url))
  const { stdout, stderr } = await run(process.execPath, [script, ...args], {
    timeout: 110_000,
    env: { ...process.env, ...env },
  })
  // oidc-provider warns of Node.js 20, on which all but the login is supported.
  expect(stderr.replace(/^oidc-provider WARNING: Unsupported runtime.*\n/, '')).toBe('')
  return stdout
}

test.each([
  ['quickstart', ['--once'], '8. It ended its session; the session id is worth nothing now.'],
  ['existing-app', [], "grace's session id is of no use to ada: 404."],
  ['access-tokens', [], 'Deleting takes a scope more: 403, and with that scope the call goes on.'],
  ['logins', [], '/with-key: strangers are 401, and build-server is let in.'],
  ['upstream-credentials', [], 'Three tokens were asked for: one for each user of "notes", one for all of "weather".'],
  [
    'connections',
    [],
    'ada disconnects hers: her tokens are revoked at the service, and her agent is told a link again.',
  ],
  ['own-server', [], 'One port is open: that of the app.'],
  [
    'openapi',
    [],
    'A 404 is an error of the tool; what breaks the schema, leaves its path or is not for agents is refused.',
  ],
  ['mcp-json', [], 'It is mended, and read again.'],
  ['one-url', [], 'It is back: the client is told that the list has changed, in the session that it has.'],
  ['tool-policy', [], 'by-cedar: 50 euros pass, 500 do not, and the server never hears of them.'],
  ['rate-limit', [], 'The 41st HTTP request of a minute is 429 before anybody is asked who it is.'],
  ['pinned-tools', [], 'Its description has changed: it is gone again, until somebody has read that, too.'],
  ['guard', [], 'A server that wants a million tokens of the client’s model gets a thousand.'],
  ['custom-session-store', [], 'The gateway was restarted; the session goes on: 2.'],
  ['keyv-session-store', [], 'The other ended it; for the first it is 404, and nothing of it is left.'],
  ['audit-trail', [], 'A line that is changed, or missing, shows.'],
  ['telemetry', [], 'prom-client counted the same messages, from the channel.'],
  ['connect', [], 'Connect: any other path goes on to the rest of the app.'],
  ['bare-http', [], 'node:http: any other path is 404.'],
])('the example %s runs to its end', async (name, args, lastWords) => {
  const said = await example(name, args)
  expect(said.trimEnd().split('\n').at(-1)).toBe(lastWords)
})

const hasRedis = spawnSync('redis-server', ['--version']).status === 0
const hasNginx = hasRedis && spawnSync('nginx', ['-v']).status === 0
if (!hasNginx && process.env['CI'] === 'true') throw new Error('nginx or redis-server is not installed')

;(hasNginx ? test : test.skip)('the example many-nodes runs to its end, with nginx and Redis', async () => {
  const said = await example('many-nodes', [])
  expect(said).toContain('Each node was restarted under load: no answer was lost, and none came twice.')
})

;(hasRedis ? test : test.skip)('the example full is built and runs to its end, with Redis', async () => {
  const said = await example('full', [])
  expect(said.trimEnd().split('\n').at(-1)).toBe('On SIGTERM the node leaves, and ends by itself.')
})

describeChromium('in a browser', () => {
  test('the example agent-login runs to its end', async () => {
    const said = await example('agent-login', [])
    expect(said.trimEnd().split('\n').at(-1)).toBe('She disconnects it: its next request is 401.')
  })
})

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

test('the quick start stays up for clients of one’s own until Ctrl-C', async () => {
  const script = fileURLToPath(new URL('../examples/quickstart/index.mjs', import.meta.url))
  const env = { ...process.env, PORT: '0' }
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  cleanups.push(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  let url: string | undefined
  for await (const line of createInterface(child.stdout)) {
    url = /^Point your own MCP client at (\S+)\. Ctrl-C ends\.$/.exec(line)?.[1]
    if (url !== undefined) break
  }
  const session = await initialize(String(url))
  const echo = await session.request('tools/call', { name: 'echo', arguments: { message: 'hi' } })
  expect(echo.message?.result).toEqual({ content: [{ type: 'text', text: 'Echo: hi' }] })
  child.kill('SIGINT')
  await expect(exited).resolves.toEqual([0, null])
})

test('the quick start says what to do when its port is taken', async () => {
  const taken = await listen(() => {})
  cleanups.push(taken.close)
  const running = example('quickstart', [], { PORT: new URL(taken.origin).port })
  await expect(running).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('PORT=') as string })
})
