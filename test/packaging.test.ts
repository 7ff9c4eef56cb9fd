// Packs the tarball that would be published and consumes it from fresh folders, the ways users do.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const NOT_IN_A_CLONE = new Set(['node_modules', '.git', 'coverage'])
const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')

const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

/** Mounts the gateway on a port of its own, asks it for a server that nobody knows, and ends by itself. */
const PROGRAM = `
const server = createServer(mcpGateway({ servers: {}, authenticate: false }))
server.listen(0, '127.0.0.1', async () => {
  const { status } = await fetch('http://127.0.0.1:' + server.address().port + '/nobody/mcp', { method: 'DELETE' })
  server.close()
  server.closeAllConnections()
  console.log(status, typeof sessionStoreContract, new MemorySessionStore() instanceof MemorySessionStore)
})`

const TYPED_PROGRAM = `
import { createServer } from 'node:http'
import express = require('express')
import { type GatewayOptions, type Principal, type SessionStore, MemorySessionStore, mcpGateway } from 'express-mcp-gateway'
import { sessionStoreContract } from 'express-mcp-gateway/testing'

interface Member extends Principal { tenant: string }
const sessions: SessionStore = new MemorySessionStore()
const options: GatewayOptions<Member> = {
  servers: (name, { principal }) => ({ url: \`https://\${principal?.tenant}.example.com/\${name}\` }),
  authenticate: () => ({ id: 'ada', tenant: 'acme' }),
  sessions,
}
express().use('/mcp-servers', mcpGateway(options))
createServer(mcpGateway(options))
void sessionStoreContract
// @ts-expect-error
mcpGateway({ servers: {} })`

const SUBPATHS = [
  'express-mcp-gateway',
  'express-mcp-gateway/auth',
  'express-mcp-gateway/directory',
  'express-mcp-gateway/testing',
  'express-mcp-gateway/stdio',
  'express-mcp-gateway/opentelemetry',
  'express-mcp-gateway/package.json',
]

const work = mkdtempSync(join(tmpdir(), 'express-mcp-gateway-'))
const consumer = join(work, 'consumer')
let packed: string[] = []

beforeAll(() => {
  const clone = join(work, 'clone')
  cpSync(ROOT, clone, { recursive: true, filter: (source) => !NOT_IN_A_CLONE.has(basename(source)) })
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'))
  // Without `prepack`, which would build again what test/build-when-stale.mjs has just built in the same way.
  const pack = run('npm', ['pack', '--json', '--silent', '--ignore-scripts'], clone)
  const [{ files, filename }] = JSON.parse(pack.replace(/^[^[]*/, ''))
  packed = files.map(({ path }: { path: string }) => path)

  mkdirSync(consumer)
  write('package.json', JSON.stringify({ private: true }))
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(clone, filename)], consumer)
}, 120_000)

afterAll(() => rmSync(work, { recursive: true, force: true }))

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${status}:\n${stdout}${stderr}`)
  return stdout
}

function write(file: string, text: string): void {
  writeFileSync(join(consumer, file), text)
}

const node = (file: string) => run(process.execPath, [file], consumer).trim()

test('it is built from nothing whenever it is packed', () => {
  expect(PACKAGE.scripts['prepack']).toBe('npm run build')
  expect(PACKAGE.scripts['build']).toMatch(/rmSync\('dist', .* && tsc$/)
})

test('the tarball holds the build, its source and its papers, and no test', () => {
  const top = new Set(packed.map((path) => path.replace(/\/.*/, '')))
  const papers = ['CHANGELOG.md', 'LICENSE', 'README.md']
  expect([...top].toSorted()).toEqual([...papers, 'dist', 'docs', 'lib', 'package.json'])
  expect(packed.filter((path) => path.startsWith('docs/'))).toEqual(['docs/errors.md'])
  expect(packed.filter((path) => /\.test\.|[./]spec[./]|fixture|conformance/.test(path))).toEqual([])
})

test('every source file comes with its build, declarations and both maps, and nothing else is built', () => {
  const sources = packed.filter((path) => path.startsWith('lib/')).map((path) => path.slice('lib/'.length))
  expect(sources).toContain('index.ts')
  // The page's script is bundled into one of them, and a declaration of a package without types is for the compiler alone.
  const compiled = sources.filter((path) => !path.startsWith('directory/browser/') && !path.endsWith('.d.ts'))
  const built = compiled.flatMap((path) => {
    const stem = `dist/${path.replace(/\.ts$/, '')}`
    return [`${stem}.js`, `${stem}.js.map`, `${stem}.d.ts`, `${stem}.d.ts.map`]
  })
  expect(packed.filter((path) => path.startsWith('dist/')).toSorted()).toEqual(built.toSorted())
})

test('installing it brings its dependencies and nothing more', () => {
  const installed = readdirSync(join(consumer, 'node_modules')).filter((name) => !name.startsWith('.'))
  const dependencies = [
    'cross-spawn',
    'eventsource-parser',
    'jose',
    'lru-cache',
    'negotiator',
    'oauth4webapi',
    'undici',
  ]
  // What negotiator and cross-spawn bring with them.
  const theirs = ['content-type', 'isexe', 'path-key', 'shebang-command', 'shebang-regex', 'which']
  expect(installed.toSorted()).toEqual([...theirs, 'express-mcp-gateway', ...dependencies].toSorted())
})

test('it brings the command express-mcp-gateway, which reads a file', () => {
  write('mcp.json', '{ "mcpServers": { "off": { "url": "http://127.0.0.1:9/", "disabled": true } } }')
  const command = join(consumer, 'node_modules', '.bin', 'express-mcp-gateway')
  expect(run(command, ['mcp.json', '--check'], consumer)).toBe(
    'off  skipped  disabled in the file\n0 of 0 can be used\n',
  )
})

test('an ES module imports it and mounts it, and the process ends by itself', () => {
  write(
    'program.mjs',
    `import { createServer } from 'node:http'
    import { MemorySessionStore, mcpGateway } from 'express-mcp-gateway'
    import { sessionStoreContract } from 'express-mcp-gateway/testing'
    ${PROGRAM}`,
  )
  expect(node('program.mjs')).toBe('404 function true')
})

test('without @opentelemetry/api only the subpath that needs it cannot be loaded, and the error names the package', () => {
  write(
    'untraced.mjs',
    `await import('express-mcp-gateway')
    await import('express-mcp-gateway/opentelemetry').catch((error) => console.log(error.code, error.message))`,
  )
  expect(node('untraced.mjs')).toMatch(/^ERR_MODULE_NOT_FOUND .*@opentelemetry\/api/)
})

test('CommonJS requires it, without a flag and without a warning', () => {
  write(
    'program.cjs',
    `const { createServer } = require('node:http')
    const { MemorySessionStore, mcpGateway } = require('express-mcp-gateway')
    const { sessionStoreContract } = require('express-mcp-gateway/testing')
    process.on('warning', (warning) => console.log(String(warning)))
    ${PROGRAM}`,
  )
  expect(node('program.cjs')).toBe('404 function true')
})

test('every exported path resolves to a file, for import and for require, and no other path does', () => {
  write(
    'paths.mjs',
    `import { createRequire } from 'node:module'
    import { existsSync } from 'node:fs'
    import { fileURLToPath } from 'node:url'
    const require = createRequire(import.meta.url)
    for (const path of ${JSON.stringify(SUBPATHS)}) {
      console.log(existsSync(fileURLToPath(import.meta.resolve(path))), existsSync(require.resolve(path)))
    }
    try { import.meta.resolve('express-mcp-gateway/dist/gateway.js') } catch (error) { console.log(error.code) }`,
  )
  expect(node('paths.mjs').split('\n')).toEqual([...SUBPATHS.map(() => 'true true'), 'ERR_PACKAGE_PATH_NOT_EXPORTED'])
})

test('a TypeScript program (nodenext, .mts and .cts) mounts it under Express, its libraries checked too', () => {
  const types = join(consumer, 'node_modules', '@types')
  if (!existsSync(types)) symlinkSync(join(ROOT, 'node_modules', '@types'), types)
  const programs = ['program.mts', 'program.cts']
  for (const file of programs) write(file, TYPED_PROGRAM)
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  }
  write('tsconfig.json', JSON.stringify({ files: programs, compilerOptions }))
  expect(run(process.execPath, [TSC, '-p', 'tsconfig.json'], consumer)).toBe('')
})
