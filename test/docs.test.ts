// What the README and docs/ show compiles in strict TypeScript, and their tables of options are those of the code.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { jwtBearer } from '../lib/auth/index.ts'
import { inProcess } from '../lib/index.ts'
import { openTelemetry } from '../lib/opentelemetry/index.ts'
import { stdio } from '../lib/stdio/index.ts'

const ROOT = join(import.meta.dirname, '..')
const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

const papers = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((file) => join('docs', file))].filter((file) =>
  file.endsWith('.md'),
)

/** What the snippets take for granted, since the text around them says what it is: the app, and what is in it. */
const GIVEN = `
import type { IncomingMessage, Server } from 'node:http'
import type Http from 'node:http'
import type { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { McpServerFactory } from '@modelcontextprotocol/server'
import type { test as nodeTest } from 'node:test'
import type Express from 'express'
import type * as Package from 'express-mcp-gateway'
import type * as Login from 'express-mcp-gateway/login'
import type { createClient } from 'redis'

interface Member extends Package.Principal { readonly team: string }
type Found<T> = Promise<T | undefined>
type Redis = ReturnType<typeof createClient>

declare module 'http' {
  /** As a login has it. */
  interface IncomingMessage { user?: Member }
}
declare global {
  const { app, router, server }: { app: Express.Express; router: Express.Router; server: Server }
  const { express, http, mcpGateway }: { express: typeof Express; http: typeof Http; mcpGateway: typeof Package.mcpGateway }
  const gateway: Package.Gateway
  const servers: Record<string, Package.ServerConfig>
  const login: Login.AgentLogin
  const { issuer, user, loginUrl, keys, secrets }: Login.AgentLoginOptions
  const weather: Package.HttpServer
  const authenticate: Package.Authenticate<Member>
  const { redis, blocking, client }: { redis: Redis; blocking: Redis; client: Redis }
  const { newKey, oldKey }: Record<string, string>
  const db: {
    findServer(team: string, name: string): Found<{ url: string; token: string }>
    serverOf(id: string, name: string): Found<Package.ServerConfig>
    serversOf(id: string | undefined): Promise<Record<string, Package.ServerConfig>>
  }
  const vault: { tokenFor(id: string, server: string): Promise<string> }
  const users: { of(request: IncomingMessage): Found<Member & { blocked: boolean }> }
  const log: { info(record: object): void }
  const findOwner: (token: string, resource: string | undefined) => Found<Member>
  const makeCart: (owner: Package.Principal) => McpServerV1
  const makeNotes: McpServerFactory
  const approved: Set<string>
  const withoutSecrets: (json: Package.Json | undefined) => Package.Json
  const isSuspicious: (result: Package.ToolResult) => Promise<boolean>
  const MyEventLog: new () => Package.EventLog
  const test: typeof nodeTest
}
`

/** Faults of what TypeScript alone has to say more of: a function's own parameters, and what others publish. */
const ANNOTATED_IN_TYPESCRIPT: Readonly<Record<string, string>> = {
  'export const keyValueStore': 'TS7006',
  'tracing:express-mcp-gateway:request:asyncEnd': 'TS2345',
}

interface Snippet {
  readonly file: string
  /** The line of the file where it begins. */
  readonly line: number
  readonly code: string
}

const snippets: readonly Snippet[] = papers.flatMap((file) => {
  const text = read(file)
  return Array.from(text.matchAll(/^```(?:js|ts)\n(.*?)^```$/gms), ({ index, 1: code }) => ({
    file,
    line: text.slice(0, index).split('\n').length + 1,
    code: code!,
  }))
})

test('every piece of JavaScript and TypeScript compiles, as a reader pastes it', () => {
  expect(snippets.length).toBeGreaterThan(30)
  const folder = mkdtempSync(join(tmpdir(), 'docs-code-'))
  try {
    const modules = join(folder, 'node_modules')
    mkdirSync(modules)
    for (const name of readdirSync(join(ROOT, 'node_modules')))
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
    symlinkSync(ROOT, join(modules, 'express-mcp-gateway'))
    const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
    write('package.json', '{ "type": "module" }')
    write('given.d.ts', GIVEN)
    for (const [index, { code }] of snippets.entries()) write(`snippet-${index}.ts`, `${code}\nexport {}\n`)
    // What a snippet imports of another one.
    write(
      'key-value-store.ts',
      `export * from './snippet-${snippets.findIndex(({ code }) => code.includes('export const keyValueStore'))}.js'`,
    )
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2022',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
    }
    write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    const { stdout } = spawnSync(process.execPath, [TSC, '-p', folder], { cwd: folder, encoding: 'utf8' })
    expect(stdout.split(/\n(?! )/).flatMap((fault) => inPapers(fault) ?? [])).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('every piece of JSON is JSON', () => {
  const pieces = papers.flatMap((file) =>
    Array.from(read(file).matchAll(/^```json\n(.*?)^```$/gms), ([, json]) => json!),
  )
  expect(pieces.length).toBeGreaterThan(0)
  for (const json of pieces) expect(() => JSON.parse(json) as unknown).not.toThrow()
})

/** A function that refuses an option that there is not, and lists those there are: the compiler holds its list complete. */
type TakesOptions = (options: never) => unknown

test.each<[file: string, first: string, called: string, take: TakesOptions]>([
  ['docs/authentication.md', 'issuer', 'jwtBearer', jwtBearer],
  ['docs/observability.md', 'content', 'openTelemetry', openTelemetry],
  ['docs/servers.md', 'command', 'stdio', stdio],
  ['docs/servers.md', 'key', 'inProcess', (options) => inProcess(() => {}, options)],
])('the table of %s that begins with %s has the options of %s()', (file, first, _called, take) => {
  const table =
    new RegExp(`^\\| *Option.*\\n\\|[ |-]+\\n(\\| *\`${first}\`(?:.*\\n\\|)+.*)`, 'm').exec(read(file))?.[1] ?? ''
  const listed = table.split('\n').flatMap((row) => row.split('|')[1]!.match(/(?<=`)\w+(?=`)/g) ?? [])
  let known: string | undefined
  try {
    take({ nonsense: 1 } as never)
  } catch (error) {
    known = /there are: ([\w, ]*\w)/i.exec((error as Error).message)?.[1]
  }
  expect(listed.toSorted()).toEqual(known?.split(', ').toSorted())
})

/** A fault where it is in the papers; `undefined` where TypeScript has to say more than JavaScript can. */
function inPapers(fault: string): string | undefined {
  const [, index, line, code, text] = /^snippet-(\d+)\.ts\((\d+),\d+\): error (\w+): ([^]*)/.exec(fault) ?? []
  const snippet = snippets[Number(index)]
  if (snippet === undefined) return fault === '' ? undefined : fault
  const isKnown = Object.entries(ANNOTATED_IN_TYPESCRIPT).some(
    ([part, known]) => snippet.code.includes(part) && code === known,
  )
  return isKnown ? undefined : `${snippet.file}:${snippet.line + Number(line) - 1}: ${code} ${text}`
}
