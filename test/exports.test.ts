// Pins the public surface: a name that comes or goes is a decision, not an accident.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from '@swc/core'
import * as auth from '../lib/auth/index.ts'
import * as connections from '../lib/connections/index.ts'
import * as directory from '../lib/directory/index.ts'
import * as api from '../lib/index.ts'
import * as opentelemetry from '../lib/opentelemetry/index.ts'
import * as stdio from '../lib/stdio/index.ts'
import * as testing from '../lib/testing.ts'
import * as login from './support/login.ts'

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
    'aggregate',
    'bearerToken',
    'createExpressServer',
    'inProcess',
    'mcpGateway',
    'tools',
  ])
})

test('the package exports exactly these types', () => {
  expect(typesOf('lib/index.ts')).toEqual([
    'AccessHost',
    'AggregateOptions',
    'AggregateServer',
    'AuditDecider',
    'AuditRecord',
    'AuthInfo',
    'Authenticate',
    'AuthenticateContext',
    'Awaitable',
    'BearerAuthenticate',
    'BridgeOptions',
    'BridgeState',
    'Challenge',
    'ClientState',
    'DescribedTool',
    'Era',
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
    'Hook',
    'HttpServer',
    'InProcessAuthInfo',
    'InProcessOptions',
    'Intercept',
    'Interceptor',
    'Json',
    'LoggedEvent',
    'McpMessage',
    'McpMethods',
    'MemberKind',
    'MemberServer',
    'Members',
    'MembersContext',
    'MemoryEventLogOptions',
    'MemorySessionStoreOptions',
    'MessagePart',
    'NextInterceptor',
    'OpenPipe',
    'Pipe',
    'PipeContext',
    'PipeServer',
    'Principal',
    'ProtectedResource',
    'RedisCallClient',
    'RedisClient',
    'RedisClusterClient',
    'RedisEventLogOptions',
    'RedisSentinelClient',
    'RedisSessionStoreOptions',
    'RedisSingleClient',
    'RequestId',
    'ScopeRules',
    'SealedSessionStoreOptions',
    'ServerConfig',
    'ServerInfo',
    'ServerLookup',
    'ServerTransport',
    'SessionHost',
    'SessionRecord',
    'SessionStore',
    'ShowContext',
    'SseServer',
    'Telemetry',
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

test('the subpath ./auth exports exactly these', () => {
  expect(Object.keys(auth).toSorted()).toEqual(['clientCredentials', 'introspection', 'jwtBearer', 'tokenExchange'])
  expect(typesOf('lib/auth/index.ts')).toEqual([
    'ClientCredentialsOptions',
    'IntrospectedClaims',
    'IntrospectedPrincipal',
    'IntrospectionOptions',
    'JwtBearerOptions',
    'JwtClaims',
    'JwtPrincipal',
    'OAuthClientOptions',
    'TokenExchangeOptions',
    'TokenOptions',
  ])
})

test('the subpath ./directory exports exactly these', () => {
  expect(Object.keys(directory)).toEqual(['serverDirectory'])
  expect(typesOf('lib/directory/index.ts')).toEqual([
    'ActivityHook',
    'DirectoryHandler',
    'ListServers',
    'ServerDirectory',
    'ServerDirectoryOptions',
  ])
})

test('the subpath ./login exports exactly these', () => {
  expect(Object.keys(login).toSorted()).toEqual(['MemoryLoginStore', 'RedisLoginStore', 'agentLogin'])
  expect(typesOf('lib/login/index.ts')).toEqual([
    'AgentClient',
    'AgentLogin',
    'AgentLoginOptions',
    'AgentPrincipal',
    'AgentUser',
    'ConnectedAgent',
    'KnownClient',
    'LoginAddOptions',
    'LoginSetOptions',
    'LoginStore',
    'MemoryLoginStoreOptions',
    'RedisLoginStoreOptions',
  ])
})

test('the subpath ./connections exports exactly these', () => {
  expect(Object.keys(connections).toSorted()).toEqual(['MemoryLoginStore', 'RedisLoginStore', 'userConnections'])
  expect(typesOf('lib/connections/index.ts')).toEqual([
    'ConnectionClient',
    'ConnectionServer',
    'LoginAddOptions',
    'LoginSetOptions',
    'LoginStore',
    'MemoryLoginStoreOptions',
    'RedisLoginStoreOptions',
    'UserConnection',
    'UserConnections',
    'UserConnectionsOptions',
  ])
})

test('the subpath ./testing exports exactly the contracts', () => {
  expect(Object.keys(testing)).toEqual(['eventLogContract', 'loginStoreContract', 'sessionStoreContract'])
})

test('the subpath ./stdio exports stdio() alone', () => {
  expect(Object.keys(stdio)).toEqual(['stdio'])
  expect(typesOf('lib/stdio/index.ts')).toEqual([
    'EnvironmentVariables',
    'StderrContext',
    'StdioContext',
    'StdioOptions',
  ])
})

test('the subpath ./opentelemetry exports openTelemetry() alone', () => {
  expect(Object.keys(opentelemetry)).toEqual(['openTelemetry'])
})

test('package.json exports exactly these paths', () => {
  const paths = [
    '.',
    './auth',
    './directory',
    './login',
    './connections',
    './testing',
    './stdio',
    './opentelemetry',
    './package.json',
  ]
  expect(Object.keys(manifest.exports)).toEqual(paths)
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
