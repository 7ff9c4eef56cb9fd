// What the page says to paste, pasted as it is: into a shell, a file, a program.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { installLinks, snippetsFor } from '../../lib/directory/snippets.ts'
import { connectV1, textOf } from '../support/clients.ts'
import { startSdkV1Server } from '../support/servers.ts'
import { type RunningDirectory, BROWSER, startDirectory } from './setup.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const none: ReadonlyMap<string, string> = new Map()
const key = new Map([['X-Api-Key', `it's "secret"`]])

function snippet(client: string, server: { name: string; url: string }, headers = none): string {
  return snippetsFor(server, headers).find((one) => one.client === client)!.code
}

const weather = { name: 'weather', url: 'https://app.example.com/mcp-servers/weather/mcp' }

/** What a shell makes of a command line. */
function words(line: string): string[] {
  const script = `for word in ${line}; do printf '%s\\0' "$word"; done`
  const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
  return stdout.split('\0').slice(0, -1)
}

describe('what is pasted', () => {
  test('Claude Code takes a command', () => {
    expect(snippet('Claude Code', weather)).toBe(`claude mcp add --transport http weather ${weather.url}`)
    expect(
      words(snippet('Claude Code', { name: `o'neil & sons`, url: 'https://a.example/o%27neil?a=1&b=$HOME' }, key)),
    ).toEqual(
      ['claude', 'mcp', 'add', '--transport', 'http', 'o-neil-sons', 'https://a.example/o%27neil?a=1&b=$HOME'].concat([
        '--header',
        `X-Api-Key: it's "secret"`,
      ]),
    )
  })

  test('a command is the same for every shell, or says for which it is', () => {
    const of = (header: string): [string, string] => {
      const { where, code } = snippetsFor(weather, new Map([['Authorization', header]]))[0]!
      return [where, code.slice(code.indexOf('--header'))]
    }
    expect(of('Bearer YOUR-KEY')).toEqual(['Run in a terminal', '--header "Authorization: Bearer YOUR-KEY"'])
    for (const special of ['"', '$KEY', '`', '\\', '!', '%KEY%']) {
      const [where, code] = of(`a ${special} b`)
      expect(where).toContain('POSIX')
      expect(code).toBe(`--header 'Authorization: a ${special} b'`)
    }
  })

  test('Claude Desktop starts mcp-remote, with secrets in the environment', () => {
    expect(JSON.parse(snippet('Claude Desktop', weather))).toEqual({
      mcpServers: { weather: { command: 'npx', args: ['-y', 'mcp-remote', weather.url] } },
    })
    expect(JSON.parse(snippet('Claude Desktop', { ...weather, url: 'http://localhost/mcp' }, key))).toEqual({
      mcpServers: {
        weather: {
          command: 'npx',
          args: ['-y', 'mcp-remote', 'http://localhost/mcp', '--allow-http', '--header', 'X-Api-Key:${X_API_KEY}'],
          env: { X_API_KEY: `it's "secret"` },
        },
      },
    })
  })

  test('Cursor, VS Code and files with mcpServers take JSON of their own', () => {
    const { url } = weather
    const headers = Object.fromEntries(key)
    expect(JSON.parse(snippet('Cursor', weather, key))).toEqual({ mcpServers: { weather: { url, headers } } })
    expect(JSON.parse(snippet('VS Code', weather))).toEqual({ servers: { weather: { type: 'http', url } } })
    expect(JSON.parse(snippet('mcpServers JSON', weather))).toEqual({ mcpServers: { weather: { type: 'http', url } } })
  })

  test('install links carry the same', () => {
    const server = { name: 'größe & co', url: 'https://app.example.com/mcp' }
    const [cursor, vsCode] = installLinks(server, key).map(({ href }) => new URL(href))
    expect(cursor?.href.split('?')[0]).toBe('cursor://anysphere.cursor-deeplink/mcp/install')
    expect(cursor?.searchParams.get('name')).toBe(server.name)
    const config = Buffer.from(cursor!.searchParams.get('config')!, 'base64').toString()
    expect(JSON.parse(config)).toEqual({ url: server.url, headers: Object.fromEntries(key) })
    expect(vsCode?.href.split('?')[0]).toBe('vscode:mcp/install')
    expect(JSON.parse(decodeURIComponent(vsCode!.search.slice(1)))).toEqual({
      name: server.name,
      type: 'http',
      url: server.url,
      headers: Object.fromEntries(key),
    })
  })
})

describe('pasted from the page, as it is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'snippets-'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  afterAll(() => rmSync(folder, { recursive: true }))

  let server: { url: string; close(): Promise<void> }
  let directory: RunningDirectory
  let page: string
  beforeAll(async () => {
    server = await startSdkV1Server()
    const one = { url: server.url, headers: { 'x-own': 'yes' } }
    const gateway = {
      servers: { one },
      authenticate: ({ headers }: { headers: object }) =>
        'x-api-key' in headers && headers['x-api-key'] === 'sesame' ? { id: 'ada' } : undefined,
    }
    directory = await startDirectory({ gateway, directory: { clientHeaders: { 'X-Api-Key': 'sesame' } } })
    page = (await directory.agent.get('/mcp-servers').set({ accept: BROWSER, 'x-api-key': 'sesame' })).text
  })
  afterAll(async () => {
    await directory.close()
    await server.close()
  })

  /** The text of a snippet, as somebody who selects it gets it. */
  function pasted(index: number): string {
    const [, code] = new RegExp(`<code id="server-0-client-${index}-code">([^<]*)</code>`).exec(page) ?? []
    const marks: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
    return code!.replace(/&([\w#]+);/g, (_, name: string) => marks[name]!)
  }

  test('the JSON of Claude Desktop connects a client through mcp-remote', async () => {
    const { command, args, env } = JSON.parse(pasted(1)).mcpServers.one
    const environment = { ...env, PATH: String(process.env['PATH']), MCP_REMOTE_CONFIG_DIR: folder }
    const transport = new StdioClientTransport({ command, args, env: environment, cwd: ROOT, stderr: 'ignore' })
    const client = await connectV1(transport)
    try {
      expect(textOf(await client.call('echo', { text: 'hello' }))).toBe('hello')
    } finally {
      await client.close()
    }
  })

  test('the SDK code is a program that lists the tools', async () => {
    const program = join(folder, 'program.mjs')
    writeFileSync(program, pasted(5))
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (chunk) => (said += String(chunk)))
    const [code] = await once(child, 'close')
    expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining("'echo'") })
  })
})
