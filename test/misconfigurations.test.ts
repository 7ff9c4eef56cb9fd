// Every option given a wrong value, null, or a name that is almost right: each is an error at construction that names it.
import { generateKeyPairSync } from 'node:crypto'
import express from 'express'
import { clientCredentials, introspection, jwtBearer, tokenExchange } from '../lib/auth/index.ts'
import { userConnections } from '../lib/connections/index.ts'
import { serverDirectory } from '../lib/directory/index.ts'
import * as api from '../lib/index.ts'
import { agentLogin, MemoryLoginStore, RedisLoginStore } from '../lib/login/index.ts'
import { openTelemetry } from '../lib/opentelemetry/index.ts'
import { stdio } from '../lib/stdio/index.ts'
import { eventLogContract, sessionStoreContract } from '../lib/testing.ts'

const WRONG: Readonly<Record<string, unknown>> = {
  null: null,
  'an empty text': '',
  'a text': 'x',
  NaN: Number.NaN,
  '-1': -1,
  '7': 7,
  true: true,
  '{}': {},
  '[]': [],
  '[null]': [null],
  'a function': () => {},
}

type Wrong = keyof typeof WRONG
type Options = Record<string, unknown>
type Make = (options: Options) => unknown

const text = ['an empty text', 'a text']
const word = ['a text']
const number = ['7']
const flag = ['true']
const list = ['[]']
const record = ['{}']
const hook = ['a function']
const layers = ['{}', '[]']

const gateway = (options: object): api.Gateway =>
  api.mcpGateway({ servers: {}, authenticate: false, ...options } as api.GatewayOptions)
const withServer = (config: object): api.Gateway =>
  api.mcpGateway({ servers: { a: config as api.ServerConfig }, authenticate: () => ({ id: 'ada' }) })
const redis = (): api.RedisCallClient => ({ call: async () => null })
const client = { issuer: 'https://login.example.com', clientId: 'gateway', clientSecret: 's3cret' }
const login = (more: object): unknown =>
  agentLogin({
    issuer: 'https://app.example.com',
    user: () => undefined,
    loginUrl: '/login',
    keys: [LOGIN_KEY],
    secrets: ['a secret of 32 characters or more'],
    ...more,
  })
const LOGIN_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
const connections = (more: object): unknown =>
  userConnections({
    baseUrl: 'https://app.example.com/connections',
    user: () => undefined,
    loginUrl: '/login',
    secrets: ['a secret of 32 characters or more'],
    store: new MemoryLoginStore(),
    ...more,
  })
const endpoint = { authMethod: [], privateKey: [], timeoutMs: number }
const info = { title: text, description: text, version: text, tags: list, scopes: record, intercept: layers }

/** Each function, and which of the wrong values are right for which of its options. */
const CASES: readonly [name: string, make: Make, takes: Readonly<Record<string, readonly Wrong[]>>][] = [
  [
    'mcpGateway',
    gateway,
    {
      servers: ['{}', 'a function'],
      authenticate: hook,
      sessions: [],
      events: [],
      path: [],
      publicUrl: [],
      protectedResource: [],
      allowedHosts: list,
      allowedOrigins: list,
      intercept: layers,
      keys: [],
      cache: ['{}', 'true'],
      limits: record,
      timeouts: record,
      recheckMs: number,
      audit: hook,
      telemetry: [],
      onError: hook,
    },
  ],
  ['limits', (limits) => gateway({ limits }), { bodyBytes: number, principalBytes: number, principalCalls: number }],
  ['timeouts', (timeouts) => gateway({ timeouts }), { connectMs: number, responseMs: number, stallMs: number }],
  ['cache', (cache) => gateway({ cache }), { maxBytes: number }],
  [
    'an HTTP server',
    (more) => withServer({ url: 'http://h/', ...more }),
    { type: [], url: [], headers: ['{}', 'a function'], protocol: [], bridge: ['{}', 'true'], recover: flag, ...info },
  ],
  [
    'an HTTP+SSE server',
    (more) => withServer({ type: 'sse', url: 'http://h/', ...more }),
    { type: [], url: [], headers: ['{}', 'a function'], recover: flag, bridge: ['{}', 'true'], ...info },
  ],
  [
    'a pipe',
    (more) => withServer({ pipe: () => {}, ...more }),
    {
      pipe: hook,
      protocol: [],
      bridge: ['{}', 'true'],
      recover: flag,
      maxPipes: number,
      idleMs: number,
      graceMs: number,
      ...info,
    },
  ],
  [
    'an aggregate',
    (more) => withServer({ members: { a: { url: 'http://h/' } }, ...more }),
    { members: ['{}', 'a function'], separator: word, show: hook, ...info },
  ],
  [
    'protectedResource',
    (more) =>
      gateway({
        publicUrl: 'https://app.example.com/mcp-servers',
        authenticate: () => ({ id: 'ada' }),
        protectedResource: { authorizationServers: [client.issuer], ...more },
      }),
    {
      authorizationServers: [],
      scopes: list,
      scopesSupported: list,
      documentationUrl: [],
      has: hook,
    },
  ],
  ['scopes', (scopes) => withServer({ url: 'http://h/', scopes }), { methods: record, tools: record }],
  ['bridge', (bridge) => withServer({ url: 'http://h/', bridge }), { sessions: number }],
  [
    'stdio',
    (more) => stdio({ command: 'x', ...more }),
    {
      command: word,
      args: list,
      env: ['{}', 'a function'],
      inheritEnv: list,
      cwd: word,
      maxProcesses: number,
      idleMs: number,
      graceMs: number,
      maxMessageBytes: number,
      onStderr: hook,
      key: word,
    },
  ],
  [
    'inProcess',
    (options) => withServer(api.inProcess(() => {}, options)),
    { key: word, isShared: flag, maxInstances: number, idleMs: number },
  ],
  ['tools', (rules) => api.tools(rules), { allow: ['[]', 'a function'], deny: ['[]', 'a function'], rename: record }],
  [
    'serverDirectory',
    (more) => serverDirectory({ gateway: gateway({}), ...more }),
    {
      gateway: [],
      list: hook,
      title: word,
      description: word,
      clientHeaders: record,
      tryIt: flag,
      activity: hook,
      loginUrl: [],
      namespace: word,
      publicCards: [],
    },
  ],
  [
    'MemorySessionStore',
    (options) => new api.MemorySessionStore(options),
    { ttlMs: number, lifetimeMs: number, maxSessions: number, maxSessionsPerPrincipal: number },
  ],
  [
    'SealedSessionStore',
    (more) => new api.SealedSessionStore({ keys: ['a secret of 32 characters or more'], ...more }),
    { keys: [], ttlMs: number },
  ],
  [
    'RedisSessionStore',
    (more) => new api.RedisSessionStore({ client: redis(), ...more }),
    { client: [], ttlMs: number, lifetimeMs: number, maxSessionsPerPrincipal: number, prefix: text, timeoutMs: number },
  ],
  [
    'MemoryEventLog',
    (options) => new api.MemoryEventLog(options),
    { maxEvents: number, maxBytes: number, maxTotalBytes: number, ttlMs: number },
  ],
  [
    'RedisEventLog',
    (more) => new api.RedisEventLog({ client: redis(), blockingClient: redis(), ...more }),
    { client: [], blockingClient: [], maxEvents: number, ttlMs: number, prefix: text, timeoutMs: number },
  ],
  [
    'jwtBearer',
    (more) => jwtBearer({ issuer: client.issuer, ...more }),
    {
      issuer: [],
      audience: word,
      jwksUri: [],
      jwks: [],
      algorithms: [],
      scopes: list,
      clockToleranceS: number,
      principal: hook,
    },
  ],
  [
    'introspection',
    (more) => introspection({ ...client, ...more }),
    {
      issuer: [],
      clientId: word,
      clientSecret: word,
      audience: word,
      scopes: list,
      cacheS: number,
      introspectionEndpoint: [],
      principal: hook,
      ...endpoint,
    },
  ],
  [
    'clientCredentials',
    (more) => clientCredentials({ ...client, ...more }),
    { issuer: [], clientId: word, clientSecret: word, scopes: list, resource: [], parameters: record, ...endpoint },
  ],
  [
    'tokenExchange',
    (more) => tokenExchange({ ...client, ...more }),
    {
      issuer: [],
      clientId: word,
      clientSecret: word,
      scopes: list,
      resource: [],
      parameters: record,
      subjectToken: hook,
      subjectTokenType: word,
      ...endpoint,
    },
  ],
  [
    'agentLogin',
    login,
    {
      issuer: [],
      user: hook,
      loginUrl: word,
      keys: [],
      secrets: [],
      store: [],
      scopes: [],
      allowClient: hook,
      clients: list,
      registration: ['{}', 'true'],
      remember: flag,
      ttl: record,
      principal: hook,
      title: text,
      onError: hook,
    },
  ],
  ['registration', (registration) => login({ registration }), { ttlS: number, perMinute: number, addressOf: hook }],
  ['ttl', (ttl) => login({ ttl }), { accessS: number, refreshS: number, grantS: number, reuseS: number }],
  ['MemoryLoginStore', (options) => new MemoryLoginStore(options), { maxEntries: number }],
  [
    'RedisLoginStore',
    (more) => new RedisLoginStore({ client: redis(), ...more }),
    { client: [], prefix: text, timeoutMs: number },
  ],
  [
    'createExpressServer',
    (options) => api.createExpressServer(express(), options),
    { IncomingMessage: [], ServerResponse: [] },
  ],
  [
    'userConnections',
    connections,
    {
      baseUrl: [],
      user: hook,
      loginUrl: word,
      secrets: [],
      store: [],
      clients: record,
      servers: record,
      ttlS: number,
      title: word,
      onError: hook,
    },
  ],
  [
    'clients of userConnections',
    (more) => connections({ clients: { [client.issuer]: { clientId: 'gateway', clientSecret: 's3cret', ...more } } }),
    { clientId: word, clientSecret: word, authMethod: [], privateKey: [] },
  ],
  [
    'servers of userConnections',
    (more) => connections({ servers: { crm: { issuer: client.issuer, ...more } } }),
    {
      issuer: [],
      authorizationEndpoint: [],
      tokenEndpoint: [],
      scopes: list,
      resource: [],
      parameters: record,
    },
  ],
  ['openTelemetry', (options) => openTelemetry(options), { content: hook, notifications: flag, propagate: [] }],
  ['sessionStoreContract', (options) => sessionStoreContract(options as never), { create: hook }],
  ['eventLogContract', (options) => eventLogContract(options as never), { create: hook }],
]

/** What is wrong with a value, as far as it is said; `undefined` when nothing is. */
function complaint(make: Make, options: Options): string | undefined {
  try {
    make(options)
    return undefined
  } catch (error) {
    return (error as Error).name === 'TypeError' ? (error as Error).message : `not a TypeError: ${String(error)}`
  }
}

test.each(CASES)('%s takes no wrong value in silence, and says which option has it', (_name, make, takes) => {
  for (const [option, right] of Object.entries(takes)) {
    const said = Object.entries(WRONG).map(([what, value]) => [what, complaint(make, { [option]: value })] as const)
    const silent = said.flatMap(([what, words]) => (words === undefined ? [what] : []))
    expect({ [option]: silent.toSorted() }).toEqual({ [option]: right.toSorted() })
    const unnamed = said.flatMap(([, words]) => (words === undefined || words.includes(option) ? [] : [words]))
    expect(unnamed).toEqual([])
  }
})

test.each(CASES)('all options of %s are tried', (_name, make, takes) => {
  const listed = /there are: ([\w, ]*\w)/i.exec(complaint(make, { nonsense: 1 }) ?? '')?.[1]?.split(', ') ?? []
  expect(listed.filter((option) => !(option in takes))).toEqual([])
})

// The options of createExpressServer() are those of node:http, which has more than two.
test.each(CASES.filter(([name]) => !name.endsWith('Contract') && name !== 'createExpressServer'))(
  '%s takes no option by a name that is almost right, and suggests the right one',
  (_name, make, takes) => {
    for (const option of Object.keys(takes)) {
      expect(complaint(make, { [`${option}z`]: undefined })).toBeUndefined()
      expect(complaint(make, { [`${option}z`]: 1 })).toContain(`did you mean "${option}"?`)
    }
  },
)
