// The built command line as a gateway: real clients call real servers through it.
import { EventEmitter, once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { connectSdkV1, connectSdkV2, textOf } from '../support/clients.ts'
import { CliFolder, type RunningCli } from '../support/cli.ts'
import { listen } from '../support/listen.ts'
import { startSdkV1Server } from '../support/servers.ts'
import { closeUsed, use } from '../support/use.ts'

// Each test starts processes.
afterEach(closeUsed)

const ROOT = join(import.meta.dirname, '..', '..')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const everythingJson = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json')
const everything = { command: process.execPath, args: [join(dirname(everythingJson), 'dist', 'index.js')] }
const down = { url: 'http://127.0.0.1:9/mcp' }
const folderOf = (mcpServers: object): Promise<CliFolder> => use(new CliFolder({ mcpServers }))

/** Starts it on a free port; answers the URL of each server, and of the page. */
async function serving(cli: RunningCli): Promise<Record<string, string>> {
  const said = await cli.until('Ctrl-C ends it.\n')
  return Object.fromEntries(
    Array.from(said.matchAll(/^(.*?) +(?:is at )?(http:\S+)$/gm), ([, name, url]) => [name, url]),
  )
}

test('SDK clients of both generations call a server over HTTP and one that is a command', async () => {
  const { url } = await use(startSdkV1Server())
  const folder = await folderOf({ remote: { url }, everything })
  const cli = await use(folder.start(['mcp.json', '--port', '0', '--allow-commands']))
  const urls = await serving(cli)
  expect(Object.keys(urls)).toEqual(['remote', 'everything', 'The page'])
  for (const connect of [connectSdkV1, connectSdkV2]) {
    const client = await connect(urls['everything']!)
    expect(textOf(await client.call('echo', { message: 'hello' }))).toBe('Echo: hello')
    await client.close()
  }
  const client = await connectSdkV1(urls['remote']!)
  expect((await client.tools()).length).toBeGreaterThan(1)
  await client.endSession()
  await client.close()
  const { stderr, code } = await cli.end('SIGINT')
  expect(stderr).toBe(
    `everything starts ${process.execPath} ${everything.args[0]}\nEnding when all is answered; Ctrl-C again ends it at once.\n`,
  )
  expect(code).toBe(0)
})

test('the page lists the servers; --no-page has none', async () => {
  const folder = await folderOf({ weather: down })
  const asBrowser = (url: string) => fetch(url, { headers: { accept: 'text/html' } })
  const paged = await serving(await use(folder.start(['mcp.json', '--port', '0'])))
  const page = await asBrowser(paged['The page']!)
  expect(page.status).toBe(200)
  expect(await page.text()).toContain('weather')
  expect((await asBrowser(`${paged['The page']}?view=activity`)).status).toBe(200)
  const bare = await serving(await use(folder.start(['mcp.json', '--port', '0', '--no-page'])))
  expect(Object.keys(bare)).toEqual(['weather'])
  expect((await asBrowser(new URL('/', bare['weather']).href)).status).toBe(404)
})

test('what cannot be served is left out, with the reason; --only serves what it names', async () => {
  const folder = await folderOf({ weather: down, files: everything, keyed: { ...down, headers: { k: '${NOT_SET}' } } })
  const cli = await use(folder.start(['mcp.json', '--port', '0']))
  expect(Object.keys(await serving(cli))).toEqual(['weather', 'The page'])
  const { stderr } = await cli.end('SIGTERM')
  expect(stderr.split('\n').slice(0, 2)).toEqual([
    `files is left out: a command, which --allow-commands starts: ${process.execPath} ${everything.args[0]}`,
    'keyed is left out: the variable NOT_SET is not set: set it, or write ${NOT_SET:-default}',
  ])
  expect(await folder.run(['mcp.json', '--only', 'files'])).toMatchObject({
    stderr: expect.stringMatching(/\nexpress-mcp-gateway: No server of mcp\.json is left to serve\n$/),
    code: 2,
  })
})

test('a port that is taken is an error that names a free one, and none is taken in its place', async () => {
  const taken = await use(listen(() => {}))
  const port = Number(new URL(taken.origin).port)
  const { stdout, stderr, code } = await (await folderOf({ down })).run(['mcp.json', '--port', String(port)])
  const free = Number(/^express-mcp-gateway: Port \d+ is taken: --port (\d+) is free\n$/.exec(stderr)?.[1])
  expect(free).toBeGreaterThan(port)
  expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
})

test('SC3: with --api-key-env only who sends the key is served, and every address may be listened on', async () => {
  const KEY = 'k3y-0123456789abcdef'
  const { url } = await use(startSdkV1Server())
  const folder = await folderOf({ weather: { url } })
  const args = ['mcp.json', '--port', '0', '--host', '0.0.0.0', '--api-key-env', 'KEY']
  const cli = await use(folder.start(args, { KEY }))
  const urls = await serving(cli)
  const weather = urls['weather']!.replace('0.0.0.0', '127.0.0.1')
  const statusOf = async (headers: Record<string, string>) => (await fetch(weather, { method: 'POST', headers })).status
  expect(await statusOf({})).toBe(401)
  expect(await statusOf({ authorization: `Bearer ${KEY}x` })).toBe(401)
  expect((await fetch(new URL('/', weather), { headers: { accept: 'text/html' } })).status).toBe(401)
  const client = await connectSdkV1(weather, { headers: { authorization: `Bearer ${KEY}` } })
  expect((await client.tools()).length).toBeGreaterThan(1)
  await client.close()
  const { stdout, stderr } = await cli.end('SIGINT')
  expect(stdout + stderr).not.toContain(KEY)
})

test('SC2: a page of another origin that rebinds its name to loopback is refused', async () => {
  const cli = await use((await folderOf({ weather: down })).start(['mcp.json', '--port', '0']))
  const { weather } = await serving(cli)
  const response = await fetch(weather!, { method: 'POST', headers: { origin: 'https://evil.example' } })
  expect(response.status).toBe(403)
})

test('--verbose prints each message and what a command writes to stderr; errors are printed in any case', async () => {
  const folder = await folderOf({ everything, down })
  const cli = await use(folder.start(['mcp.json', '--port', '0', '--allow-commands', '--verbose']))
  const urls = await serving(cli)
  const client = await connectSdkV1(urls['everything']!)
  await client.call('echo', { message: 'hello' })
  await client.close()
  await expect(connectSdkV1(urls['down']!)).rejects.toThrow(/cannot be reached/)
  const { stderr } = await cli.end('SIGINT')
  expect(stderr).toMatch(/^everything: Starting default \(STDIO\) server\.\.\.$/m)
  expect(stderr).toMatch(/^everything tools\/call echo {2}ok {2}\d+ ms$/m)
  expect(stderr).toMatch(/^down: upstream_unreachable: 127\.0\.0\.1:9: nothing listens there; is the server running/m)
})

test('Ctrl-C lets a call that is under way finish; a second one ends at once', async () => {
  const arrivals = new EventEmitter()
  const slow = await use(
    listen((request, response) => void request.resume().on('end', () => arrivals.emit('call', response))),
  )
  const folder = await folderOf({ slow: { url: slow.origin } })
  const handshake = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }
  for (const isPatient of [true, false]) {
    const cli = await use(folder.start(['mcp.json', '--port', '0']))
    const urls = await serving(cli)
    const arrived = once(arrivals, 'call')
    const asked = fetch(urls['slow']!, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: handshake }),
    }).then(
      ({ status }) => status,
      () => 'cut',
    )
    const [response] = (await arrived) as [ServerResponse]
    cli.signal('SIGINT')
    await cli.until('Ending', 'stderr')
    if (isPatient) response.writeHead(500).end()
    const { code } = await cli.end(isPatient ? undefined : 'SIGINT')
    expect({ status: await asked, code }).toEqual(isPatient ? { status: 502, code: 0 } : { status: 'cut', code: 1 })
  }
})

test('-h prints the options and -v the version of the package, which installs the command', async () => {
  const folder = await folderOf({ down })
  const help = await folder.run(['-h'])
  expect(help).toMatchObject({ stderr: '', code: 0 })
  expect(help.stdout).toMatch(/^Usage: express-mcp-gateway FILE \[options\]\n/)
  expect(await folder.run(['-v'])).toEqual({ stdout: `${manifest.version}\n`, stderr: '', code: 0 })
  expect(manifest.bin).toEqual({ 'express-mcp-gateway': 'dist/cli/bin.js' })
  expect(existsSync(join(ROOT, manifest.bin['express-mcp-gateway']))).toBe(true)
})
