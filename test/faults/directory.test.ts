// Faults of the directory: whose endpoint is public, whose offer is kept for whom, and which shells a command is for.
import { randomUUID } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import express from 'express'
import {
  type GatewayOptions,
  type GatewayRequest,
  mcpGateway,
  type Principal,
  type HttpServer,
  type ServerConfig,
} from '../../lib/index.ts'
import { serverDirectory, type ServerDirectoryOptions } from '../../lib/directory/index.ts'
import { createJournal } from '../support/journal.ts'
import { listen } from '../support/listen.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { refusalOf } from './support-clients.ts'

let upstream: Upstream
const cleanups: Array<() => unknown> = []

beforeEach(async () => {
  upstream = await startUpstream({ sessions: false })
  cleanups.push(upstream.close)
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

interface Parts {
  readonly gateway?: Partial<GatewayOptions>
  readonly directory?: Omit<ServerDirectoryOptions, 'gateway'>
  readonly mount?: string
}

/** A directory in an Express app: its origin, and what was reported. */
async function start({ gateway: given, directory: options, mount = '/mcp-servers' }: Parts) {
  const reported = createJournal<Error>()
  const servers = { one: { url: upstream.url, protocol: 'legacy' as const } }
  const gateway = mcpGateway({ servers, authenticate: false, ...given, onError: (error) => reported.record(error) })
  const directory = serverDirectory({ gateway, ...options })
  const app = express()
  app.use(directory.catalog('/mcp-servers'))
  app.use(mount, gateway, directory)
  const listening = await listen(app)
  cleanups.push(listening.close, () => gateway.close({ graceMs: 0 }))
  return { origin: listening.origin, reported }
}

interface Got {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: string
}

/** Unlike `fetch`, it lets a visitor say any Host. */
async function get(url: string, headers: Record<string, string> = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { headers: { accept: 'application/json', ...headers }, agent: false },
      async (response) => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: await text(response) })
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

describe('25: public cards', () => {
  const CARD = '/mcp-servers/one/mcp/server-card'
  const CATALOG = '/.well-known/ai-catalog.json'
  const forged = { host: 'evil.example' }

  test.each([CARD, CATALOG])(
    'take "publicUrl": a visitor’s Host is in nothing that anybody may keep: %s',
    async (path) => {
      const directory = { publicCards: true }
      const refusal = refusalOf(() => {
        const gateway = mcpGateway({ servers: { one: { url: upstream.url } }, authenticate: false })
        cleanups.push(() => gateway.close({ graceMs: 0 }))
        serverDirectory({ gateway, ...directory })
      })
      if (refusal !== undefined) return expect(refusal).toContain('"publicUrl"')
      const { origin } = await start({ directory })
      const { status, headers, body } = await get(origin + path, forged)
      if (status === 200 && body.includes('evil.example')) {
        expect(String(headers['cache-control'])).not.toMatch(/public|max-age=[1-9]/)
      }
    },
  )

  test.each([CARD, CATALOG])('with "publicUrl" say that, whatever the Host: %s', async (path) => {
    const { origin } = await start({
      gateway: { publicUrl: 'https://app.example.com/mcp-servers' },
      directory: { publicCards: true },
    })
    const { status, body } = await get(origin + path, forged)
    expect(status).toBe(200)
    expect(body).toContain('https://app.example.com/mcp-servers/one/mcp')
    expect(body).not.toContain('evil.example')
  })

  test.each([CARD, CATALOG])('that are private are for nobody else to keep: %s', async (path) => {
    const { origin } = await start({})
    const { headers } = await get(origin + path)
    expect(headers['cache-control']).toMatch(/private|no-store/)
  })
})

describe('what a server offers to one visitor is kept for nobody who is told something else', () => {
  /** A server with a tool for each tenant, as the header `x-tenant` says. */
  function offerByTenant(): void {
    upstream.on('tools/list', ({ headers, result }) =>
      result({ tools: [{ name: `tool-of-${String(headers['x-tenant'])}`, inputSchema: { type: 'object' } }] }),
    )
  }

  interface Way extends Parts {
    readonly paths?: readonly [string, string]
    readonly headers?: readonly [Record<string, string>, Record<string, string>]
  }

  const config = (headers: HttpServer['headers']): ServerConfig => ({
    url: upstream.url,
    protocol: 'legacy',
    headers,
  })
  const byRequest = (tenantOf: (request: GatewayRequest) => unknown): Partial<GatewayOptions> => ({
    servers: { one: config(({ request: asking }) => ({ 'x-tenant': String(asking && tenantOf(asking)) })) },
  })
  const paramOf = (asking: GatewayRequest): unknown => (asking as express.Request).params['tenant']
  const list = (): Record<string, ServerConfig> => ({ one: { url: upstream.url } })

  const tenantOfUrl = ({ originalUrl }: GatewayRequest): string => String(originalUrl?.split('/')[1])
  const mounts = { mount: '/:tenant/mcp-servers', paths: ['/red/mcp-servers', '/blue/mcp-servers'] } as const

  const ways: Array<[string, () => Way]> = [
    ['a parameter of the mount', () => ({ ...mounts, gateway: byRequest(paramOf) })],
    ['the path of the mount', () => ({ ...mounts, gateway: byRequest(tenantOfUrl) })],
    [
      'a host name',
      () => ({
        gateway: {
          ...byRequest(({ headers: { host } }) => host?.split('.')[0]),
          allowedHosts: ['red.example', 'blue.example'],
        },
        headers: [{ host: 'red.example' }, { host: 'blue.example' }],
      }),
    ],
    [
      'a header of the visitor',
      () => ({
        gateway: byRequest(({ headers }) => headers['x-of-tenant']),
        headers: [{ 'x-of-tenant': 'red' }, { 'x-of-tenant': 'blue' }],
      }),
    ],
    [
      'a field of the principal beside the id',
      () => ({
        gateway: {
          authenticate: ({ headers }) => ({ id: 'ada', tenant: headers['x-of-tenant'] }) as Principal,
          servers: {
            one: config(({ principal }) => ({ 'x-tenant': (principal as unknown as { tenant: string }).tenant })),
          },
        },
        headers: [{ 'x-of-tenant': 'red' }, { 'x-of-tenant': 'blue' }],
      }),
    ],
    [
      'the headers that the lookup answers',
      () => ({
        gateway: { servers: (_name, { request: asking }) => config({ 'x-tenant': tenantOfUrl(asking) }) },
        directory: { list },
        ...mounts,
      }),
    ],
  ]

  test.each(ways)('by %s', async (_, makeWay) => {
    const { paths = ['/mcp-servers', '/mcp-servers'], headers = [{}, {}], ...parts } = makeWay()
    offerByTenant()
    const { origin } = await start(parts)
    const [red, blue] = [
      await get(`${origin}${paths[0]}?server=one`, headers[0]),
      await get(`${origin}${paths[1]}?server=one`, headers[1]),
    ]
    expect(red.body).toContain('tool-of-red')
    expect(blue.body).toContain('tool-of-blue')
    expect(blue.body).not.toContain('tool-of-red')
  })

  test('and one who is told the same is not asked about again', async () => {
    offerByTenant()
    const { origin } = await start({ ...mounts, gateway: byRequest(tenantOfUrl) })
    for (let look = 0; look < 3; look += 1) await get(`${origin}/red/mcp-servers?server=one`)
    expect(upstream.requests('tools/list')).toHaveLength(1)
  })
})

describe('"list" of the directory', () => {
  test.each<[string, (servers: Record<string, ServerConfig>) => unknown]>([
    ['a Map', (servers) => new Map(Object.entries(servers))],
    ['a Set', (servers) => new Set(Object.values(servers))],
  ])('that answers %s is told what it may, or lists the servers', async (_, answer) => {
    const { origin, reported } = await start({
      directory: { list: () => answer({ one: { url: upstream.url } }) as never },
    })
    const { status, body } = await get(`${origin}/mcp-servers`)
    if (status === 200) return expect(body).toContain('/mcp-servers/one/mcp')
    expect(reported.entries.map(({ message }) => message).join()).toContain('"list"')
  })

  test.each([[[]], [null], ['one'], [undefined]])('that answers %j is told what it may', async (answer) => {
    const { origin, reported } = await start({ directory: { list: () => answer as never } })
    expect((await get(`${origin}/mcp-servers`)).status).toBe(500)
    expect(reported.entries.map(({ message }) => message).join()).toContain('"list"')
  })
})

describe('a command that is pasted', () => {
  const clientHeaders = { Authorization: 'Bearer YOUR-KEY' }

  /** The commands of the page, as somebody who selects them gets them, and the page itself. */
  async function commands(): Promise<{ page: string; lines: string[] }> {
    const { origin } = await start({
      gateway: { publicUrl: 'https://app.example.com/mcp-servers' },
      directory: { clientHeaders },
    })
    const { body } = await get(`${origin}/mcp-servers`, { accept: 'text/html' })
    const marks: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
    const codes = Array.from(body.matchAll(/<code[^>]*>([^<]*)<\/code>/g), ([, code]) =>
      code!.replace(/&([\w#]+);/g, (_, name: string) => marks[name]!),
    )
    return { page: body, lines: codes.filter((code) => code.startsWith('claude mcp add')) }
  }

  const words = ['claude', 'mcp', 'add', '--transport', 'http', 'one', 'https://app.example.com/mcp-servers/one/mcp']
  const expected = [...words, '--header', 'Authorization: Bearer YOUR-KEY']

  /** What cmd.exe and the C runtime make of a line without backslashes, carets, percents or operators: quotes are double. */
  function inWindows(line: string): string[] {
    if (/[\\^%&|<>!]/.test(line)) throw new Error(`this is more than the test reads: ${line}`)
    return Array.from(line.matchAll(/(?:"[^"]*"|[^\s"])+/g), ([word]) => word.replaceAll('"', ''))
  }

  /** What a POSIX shell makes of it. */
  function inPosix(line: string): string[] {
    const mark = randomUUID()
    const { stdout } = spawnSync('sh', ['-c', `for word in ${line}; do printf '%s${mark}' "$word"; done`])
    return String(stdout).split(mark).slice(0, -1)
  }

  test('is for cmd.exe and PowerShell too, or the page says for which shells it is', async () => {
    const { page, lines } = await commands()
    if (/\b(?:POSIX|bash|zsh|WSL|PowerShell)\b/i.test(page) && lines.length === 1) return
    expect(lines.map(inWindows)).toContainEqual(expected)
  })

  test('is for a POSIX shell', async () => {
    const { lines } = await commands()
    expect(lines.map(inPosix)).toContainEqual(expected)
  })
})
