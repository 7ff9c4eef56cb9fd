// `--check` of the built command line against real servers: what it prints, and how it exits.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { CliFolder } from '../support/cli.ts'
import { listen } from '../support/listen.ts'
import { processesWith, untilGone } from '../support/processes.ts'
import { startSdkV1Server, startSdkV2Server } from '../support/servers.ts'
import { closeUsed, use } from '../support/use.ts'

// Each test starts processes.
afterEach(closeUsed)

const manifest = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json')
const everything = { command: process.execPath, args: [join(dirname(manifest), 'dist', 'index.js')] }
/** Nothing listens on the port "discard". */
const down = { url: 'http://127.0.0.1:9/mcp?key=s3cret', headers: { 'x-key': 's3cret' } }

const folderOf = (mcpServers: object): Promise<CliFolder> => use(new CliFolder({ mcpServers }))
const withoutTimes = (text: string): string => text.replaceAll(/ \d+ ms/g, ' N ms')

test('each server has a line, in the order of the file: one that is down, two over HTTP, one that is a command', async () => {
  const [v1, v2] = [await use(startSdkV1Server()), await use(startSdkV2Server())]
  const folder = await folderOf({ down, legacy: { url: v1.url }, modern: { url: v2.url }, everything })
  const { stdout, stderr, code } = await folder.run(['mcp.json', '--check', '--allow-commands'])
  expect(withoutTimes(stdout).split('\n')).toEqual([
    'down        down     127.0.0.1:9: nothing listens there; is the server running, and the port right?',
    expect.stringMatching(
      /^legacy      ok       2025-11-25  \d+ tools, \d+ prompts?, \d+ resources?  N ms  sdk-v1-server 1\.0\.0$/,
    ),
    expect.stringMatching(
      /^modern      ok       2026-07-28  \d+ tools, \d+ prompts?, \d+ resources?  N ms  sdk-v2-server 1\.0\.0$/,
    ),
    'everything  ok       2025-11-25  13 tools, 4 prompts, 7 resources  N ms  mcp-servers/everything 2.0.0',
    '3 of 4 can be used',
    '',
  ])
  expect(stderr).toBe(`everything starts ${process.execPath} ${everything.args[0]}\n`)
  expect(code).toBe(1)
})

test('without --allow-commands no process is started, and the line says what would be', async () => {
  const mark = `sleep-${process.pid}-never`
  const folder = await folderOf({ shell: { command: 'sh', args: ['-c', `: ${mark}; exec sleep 30`] } })
  const { stdout, stderr, code } = await folder.run(['mcp.json', '--check'])
  expect(stdout).toBe(
    `shell  skipped  a command, which --allow-commands starts: sh -c ": ${mark}; exec sleep 30"\n0 of 1 can be used\n`,
  )
  expect(stderr).toBe('')
  expect(code).toBe(1)
  expect(processesWith(mark)).toEqual([])
})

test('when all can be used it exits with 0, and what the file disables does not count', async () => {
  const { url } = await use(startSdkV1Server())
  const folder = await folderOf({ weather: { url }, off: { ...down, disabled: true } })
  const { stdout, code } = await folder.run(['mcp.json', '--check'])
  expect(stdout).toContain('off      skipped  disabled in the file\n1 of 1 can be used\n')
  expect(code).toBe(0)
})

test('--json has a JSON object a line, and nothing else', async () => {
  const { url } = await use(startSdkV2Server())
  const folder = await folderOf({ weather: { url }, down })
  const { stdout, stderr, code } = await folder.run(['mcp.json', '--check', '--json'])
  const lines = stdout.trim().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    {
      name: 'weather',
      status: 'ok',
      era: 'modern',
      protocolVersions: ['2026-07-28'],
      tools: expect.any(Number),
      prompts: expect.any(Number),
      resources: expect.any(Number),
      ms: expect.any(Number),
      server: { name: 'sdk-v2-server', version: '1.0.0' },
    },
    {
      name: 'down',
      status: 'down',
      code: 'upstream_unreachable',
      reason: '127.0.0.1:9: nothing listens there',
      cure: 'is the server running, and the port right?',
    },
  ])
  expect(stderr).toBe('')
  expect(code).toBe(1)
})

test('SC7: no value of a header, of a variable or of a query is printed, whatever goes wrong', async () => {
  const refusing = await use(listen((_request, response) => void response.writeHead(401).end()))
  const folder = await folderOf({
    down,
    refused: { url: refusing.origin, headers: { authorization: 'Bearer ${KEY}' } },
    malformed: { url: 'http://h/', headers: { 'x-key': 's3cret\r\nx: y' } },
    broken: { command: 'sh', args: ['-c', 'exit 3', '${KEY}'], env: { TOKEN: '${KEY}' } },
  })
  for (const more of [[], ['--json'], ['--verbose']]) {
    const { stdout, stderr } = await folder.run(['mcp.json', '--check', '--allow-commands', ...more], { KEY: 's3cret' })
    expect(stdout).toContain('refused')
    expect(stdout + stderr).not.toContain('s3cret')
  }
})

test('each way to be unusable has its reason and its cure', async () => {
  const answering = (status: number, type: string, body = '') =>
    use(listen((_request, response) => void response.writeHead(status, { 'content-type': type }).end(body)))
  const silent = await use(listen(() => {}))
  const folder = await folderOf({
    key: { url: (await answering(401, 'text/plain')).origin },
    page: { url: (await answering(200, 'text/html', '<h1>hello</h1>')).origin },
    path: { url: (await answering(404, 'text/html')).origin },
    stream: { url: (await answering(405, 'text/plain')).origin },
    tls: { url: silent.origin.replace('http:', 'https:') },
    relative: { url: '/mcp' },
    unset: { url: 'http://h/', headers: { 'x-key': '${NOT_SET}' } },
    editor: { url: 'http://h/', headers: { 'x-key': '${input:key}' } },
    nothing: { command: 'no-such-program' },
    broken: { command: 'sh', args: ['-c', 'printf "no \\033[31mkey\\nset" >&2; exit 3'] },
  })
  const { stdout, code } = await folder.run(['mcp.json', '--check', '--allow-commands', '--timeout', '30'])
  const lines = Object.fromEntries(
    stdout.split('\n').map((line) => [line.slice(0, 8).trim(), line.slice(10)] as [string, string]),
  )
  expect(lines).toMatchObject({
    key: 'down     The server refused the gateway\'s credentials (401); are the credentials in "headers" right?',
    page: 'down     The server answered 200 text/html; is it the URL of an MCP server, with its path?',
    path: 'down     The server answered 404; is the path right? A server of HTTP+SSE needs "type": "sse"',
    stream: 'down     The server answered 405; is the path right? A server of HTTP+SSE needs "type": "sse"',
    tls: expect.stringMatching(/^down     127\.0\.0\.1:\d+: it does not speak TLS; write http: instead of https:$/),
    relative: 'skipped  "url" must be an absolute http: or https: URL, not "/mcp"',
    unset: 'skipped  the variable NOT_SET is not set: set it, or write ${NOT_SET:-default}',
    editor: 'skipped  ${input:key} is for an editor: write ${VAR}, and set the variable',
    nothing: 'down     "no-such-program" cannot be started: is it in PATH?',
    broken: 'down     "sh" ended (3); it said on stderr: no key set',
  })
  expect(code).toBe(1)
})

test('a server that does not answer in time is down, and the option that gives it longer is named', async () => {
  const silent = await use(listen(() => {}))
  const folder = await folderOf({ silent: { url: silent.origin } })
  const { stdout, code } = await folder.run(['mcp.json', '--check', '--timeout', '1'])
  expect(stdout).toContain('down     The server took longer than 1 s; --timeout gives it longer')
  expect(code).toBe(1)
})

test('variables are replaced, with defaults, also as VS Code writes them', async () => {
  const seen: unknown[] = []
  const server = await use(
    listen((request, response) => {
      seen.push(request.headers['x-key'])
      response.writeHead(401).end()
    }),
  )
  const { port } = new URL(server.origin)
  const folder = await use(
    new CliFolder({
      servers: {
        one: { type: 'http', url: 'http://127.0.0.1:${PORT}', headers: { 'x-key': '${env:KEY}${EMPTY:-!}$x' } },
      },
    }),
  )
  await folder.run(['mcp.json', '--check'], { PORT: port, KEY: 'abc', EMPTY: '' })
  expect([...new Set(seen)]).toEqual(['abc!$x'])
})

test('a signal ends what was started, too', async () => {
  const mark = `sleep-${process.pid}-signal`
  const folder = await folderOf({ shell: { command: 'sh', args: ['-c', `: ${mark}; sleep 30`] } })
  const cli = await use(folder.start(['mcp.json', '--check', '--allow-commands']))
  await cli.until('shell starts', 'stderr')
  while (processesWith(mark).length === 0) await new Promise((resolve) => void setTimeout(resolve, 20))
  const { stdout, code } = await cli.end('SIGINT')
  expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
  await untilGone(...processesWith(mark))
})

test('when nobody reads its output it ends, and writes no stack', async () => {
  const folder = await folderOf({ down, twice: down })
  const cli = await use(folder.start(['mcp.json', '--check']))
  cli.hangUp()
  const { stderr, code } = await cli.end()
  expect({ stderr, code }).toEqual({ stderr: '', code: 1 })
})

test('a file that is malformed, or arguments that are, exit with 2 and one line', async () => {
  const folder = await folderOf({ down })
  folder.write('broken.json', '{\n  "mcpServers": {\n    "a": { "url": "http://h/" }\n    "b": {}\n  }\n}')
  expect(await folder.run(['broken.json', '--check'])).toEqual({
    stdout: '',
    stderr: 'express-mcp-gateway: broken.json:4:5: a comma or "}" is expected\n',
    code: 2,
  })
  expect(await folder.run(['mcp.json', '--chekc'])).toEqual({
    stdout: '',
    stderr: 'express-mcp-gateway: --chekc is not an option; did you mean --check?\n',
    code: 2,
  })
  expect(await folder.run(['mcp.json', '--check', '--only', 'dow'])).toEqual({
    stdout: '',
    stderr: 'express-mcp-gateway: --only dow: the file has no server of this name; did you mean down?\n',
    code: 2,
  })
})
