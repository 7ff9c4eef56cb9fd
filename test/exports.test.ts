// Pins the public surface: a name that comes or goes is a decision, not an accident.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from '@swc/core'
import * as api from '../lib/index.ts'
import * as stdio from '../lib/stdio/index.ts'
import * as testing from '../lib/testing.ts'

const ROOT = join(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

interface Specifier {
  readonly isTypeOnly: boolean
  readonly orig: { readonly value: string }
  readonly exported: { readonly value: string } | null
}

/** The names a file exports as types only. */
function typesOf(file: string): string[] {
  const { body } = parseSync(readFileSync(join(ROOT, file), 'utf8'), { syntax: 'typescript', target: 'es2022' })
  return body
    .flatMap((node) => (node.type === 'ExportNamedDeclaration' ? [node] : []))
    .flatMap(({ typeOnly, specifiers }) =>
      (specifiers as unknown as Specifier[]).filter(({ isTypeOnly }) => typeOnly || isTypeOnly),
    )
    .map(({ orig, exported }) => (exported ?? orig).value)
    .toSorted()
}

test('the package exports exactly these values', () => {
  expect(Object.keys(api).toSorted()).toEqual([
    'GatewayError',
    'MemoryEventLog',
    'MemorySessionStore',
    'RedisEventLog',
    'RedisSessionStore',
    'RpcError',
    'SealedSessionStore',
    'bearerToken',
    'clientCredentials',
    'createServer',
    'inProcess',
    'jwtBearer',
    'mcpGateway',
    'serverDirectory',
    'tokenExchange',
    'tools',
  ])
})

test('the package exports exactly these types', () => {
  expect(typesOf('lib/index.ts')).toEqual([
    'AuthInfo',
    'Authenticate',
    'AuthenticateContext',
    'Awaitable',
    'BearerAuthenticate',
    'Challenge',
    'ClientCredentialsOptions',
    'ClientState',
    'DirectoryHandler',
    'ErrorContext',
    'EventLog',
    'EventStreamName',
    'ExpressApp',
    'ExpressServerOptions',
    'Gateway',
    'GatewayErrorCode',
    'GatewayErrorOptions',
    'GatewayOptions',
    'GatewayRequest',
    'HeadersContext',
    'HttpServer',
    'InProcessAuthInfo',
    'InProcessOptions',
    'Intercept',
    'Interceptor',
    'Json',
    'JwtBearerOptions',
    'JwtClaims',
    'JwtPrincipal',
    'ListServers',
    'LoggedEvent',
    'McpMessage',
    'McpMethods',
    'MemoryEventLogOptions',
    'MemorySessionStoreOptions',
    'NextInterceptor',
    'OpenPipe',
    'Pipe',
    'PipeContext',
    'PipeServer',
    'Principal',
    'ProtectedResource',
    'RedisEventLogOptions',
    'RedisSessionStoreOptions',
    'ScopeRules',
    'SealedSessionStoreOptions',
    'ServerConfig',
    'ServerDirectory',
    'ServerDirectoryOptions',
    'ServerInfo',
    'ServerLookup',
    'ServerTransport',
    'SessionHost',
    'SessionRecord',
    'SessionStore',
    'TokenExchangeOptions',
    'Tool',
    'ToolContext',
    'ToolInterceptor',
    'ToolList',
    'ToolResult',
    'ToolRule',
    'ToolRules',
    'UpstreamState',
  ])
})

test('the subpath ./testing exports exactly the contracts', () => {
  expect(Object.keys(testing)).toEqual(['eventLogContract', 'sessionStoreContract'])
})

test('the subpath ./stdio exports stdio() alone', () => {
  expect(Object.keys(stdio)).toEqual(['stdio'])
})

test('package.json exports exactly these paths', () => {
  expect(Object.keys(manifest.exports)).toEqual(['.', './testing', './stdio', './package.json'])
})

test('each exported path names its source, its types and then its code, and the source is there', () => {
  for (const [path, target] of Object.entries<Record<string, string>>(manifest.exports)) {
    if (path === './package.json') continue
    expect(Object.keys(target)).toEqual(['source', 'types', 'default'])
    expect(existsSync(join(ROOT, target['source'] ?? ''))).toBe(true)
    const built = target['source']?.replace('./lib/', './dist/').replace(/\.ts$/, '')
    expect(target).toMatchObject({ types: `${built}.d.ts`, default: `${built}.js` })
  }
})
