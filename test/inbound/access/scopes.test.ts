// Which scopes a message needs: by method, by tool, in batches, and what a client is told that lacks one.
import fc from 'fast-check'
import type { Message } from '../../../lib/exchange/message.ts'
import type { ScopeRules } from '../../../lib/index.ts'
import { checkScopes, scopeRulesOf, scopesOf } from '../../../lib/inbound/access/scopes.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { challengeOf, type ProtectedGateway, startProtectedGateway } from '../../support/protected-gateway.ts'
import { initialize, post } from '../../support/rpc.ts'
import { startUpstream, type Upstream } from '../../support/upstream.ts'

const config = (scopes: unknown) => ({ url: 'https://a.example/mcp', scopes: scopes as ScopeRules })
const needed = (scopes: ScopeRules, message: Message, base: string[] = []): string[] =>
  scopesOf(scopeRulesOf('files', config(scopes)), base, message)
const wire = { era: 'legacy', text: '' } as const
const request = (method: string, params?: Record<string, unknown>): Message => ({
  kind: 'request',
  id: 1,
  method,
  params,
  ...wire,
})
const call = (name: unknown): Message => request('tools/call', { name })
const notification: Message = { kind: 'notification', method: 'notifications/initialized', params: undefined, ...wire }
const response: Message = { kind: 'response', id: 1, result: {}, ...wire }

describe('what a message needs', () => {
  test.each<[string, ScopeRules, Message, string[]]>([
    ['nothing where no entry fits', { methods: { ping: ['p'] } }, request('tools/list'), []],
    ['what its method does', { methods: { 'tools/list': ['l'] } }, request('tools/list'), ['l']],
    ['what methods of its kind do', { methods: { 'resources/*': ['r'] } }, request('resources/read'), ['r']],
    ['what every method does', { methods: { '*': ['m'] } }, notification, ['m']],
    ['what its tool does', { tools: { delete_file: ['w'] } }, call('delete_file'), ['w']],
    ['what tools of its kind do', { tools: { 'delete_*': ['w'] } }, call('delete_file'), ['w']],
    ['no more than its own tool does', { tools: { delete_file: ['w'] } }, call('delete_files'), []],
    [
      'what all entries that fit do',
      { tools: { '*_file': ['f'], 'delete_*': ['w', 'f'] } },
      call('delete_file'),
      ['f', 'w'],
    ],
    [
      'what its method and its tool do',
      { methods: { 'tools/*': ['t'] }, tools: { '*': ['c'] } },
      call('x'),
      ['t', 'c'],
    ],
    ['what tools do only when it calls one', { tools: { '*': ['c'] } }, request('prompts/get', { name: 'x' }), []],
    ['every scope of tools when its name is none', { tools: { a: ['a'], b: ['b'] } }, call(7), ['a', 'b']],
    ['every scope of tools when it names none', { tools: { a: ['a'] } }, request('tools/call'), ['a']],
    [
      'in a batch what each message does',
      { tools: { a: ['a'], b: ['b'] } },
      { kind: 'batch', items: [call('a'), call('b'), response], ...wire },
      ['a', 'b'],
    ],
    ['nothing as a response', { methods: { '*': ['m'] } }, response, []],
  ])('is %s (AU7)', (_, rules, message, scopes) => {
    expect(needed(rules, message)).toEqual(scopes)
  })

  const listen = (notifications: unknown): Message => request('subscriptions/listen', { notifications })
  const uris = ['file:///a', 'file:///b']
  const log = { _meta: { 'io.modelcontextprotocol/logLevel': 'debug' } }

  test.each<[string, string, Message, string[]]>([
    ['resources/subscribe', 'a listener names a URI', listen({ resourceSubscriptions: uris }), ['x']],
    ['resources/*', 'a listener names a URI', listen({ resourceSubscriptions: uris }), ['x']],
    ['resources/subscribe', 'a listener names none', listen({ resourceSubscriptions: [] }), []],
    ['resources/subscribe', 'a listener hears of lists', listen({ resourcesListChanged: true }), []],
    ['resources/subscribe', 'a listener says nothing', request('subscriptions/listen'), []],
    ['resources/subscribe', 'a URI is no list', listen({ resourceSubscriptions: 'file:///a' }), ['x']],
    ['resources/subscribe', 'a filter is none', listen(['file:///a']), ['x']],
    ['subscriptions/listen', 'a session subscribes', request('resources/subscribe', { uri: uris[0] }), ['x']],
    ['tasks/get', 'a listener names a task', listen({ taskIds: ['t'] }), ['x']],
    ['tasks/result', 'a listener names a task', listen({ taskIds: ['t'] }), ['x']],
    ['tasks/result', 'the result comes with the task', request('tasks/get', { taskId: 't' }), ['x']],
    ['tasks/get', 'the result is asked for alone', request('tasks/result', { taskId: 't' }), ['x']],
    ['tasks/get', 'a task is cancelled', request('tasks/cancel', { taskId: 't' }), []],
    ['initialize', 'a modern client looks what there is', request('server/discover'), ['x']],
    ['server/*', 'a session opens', request('initialize'), ['x']],
    ['logging/*', 'a request asks for its log', request('tools/list', log), ['x']],
    ['logging/*', 'a request does not', request('tools/list', { _meta: {} }), []],
    ['tools/call', 'its name is a member of no prototype', request('constructor'), []],
  ])('under the rule %j is found where %s', (rule, _, message, scopes) => {
    expect(needed({ methods: { [rule]: ['x'] } }, message)).toEqual(scopes)
    expect(needed({ methods: { [rule]: ['x'] } }, { kind: 'batch', items: [message], ...wire })).toEqual(scopes)
  })

  test('is first of all what every request does', () => {
    expect(needed({ tools: { a: ['w', 'mcp'] } }, call('a'), ['mcp'])).toEqual(['mcp', 'w'])
  })

  test('is found by the same rule as a regular expression would have it, for any name', () => {
    const alphabet = fc.constantFrom('a', 'b', '.', '*')
    fc.assert(
      fc.property(
        fc.string({ unit: alphabet, maxLength: 6 }),
        fc.string({ unit: alphabet, maxLength: 8 }),
        (glob, name) => {
          const pattern = glob
            .split('*')
            .map((piece) => piece.replaceAll('.', '\\.'))
            .join('.*')
          expect(needed({ tools: { [glob]: ['w'] } }, call(name)).length).toBe(
            new RegExp(`^${pattern}$`).test(name) ? 1 : 0,
          )
        },
      ),
    )
  })

  test('is found in time also for a name of megabytes', () => {
    const rules = { tools: { 'a*a*a*a*a*a*b': ['w'] } }
    const from = performance.now()
    expect(needed(rules, call('a'.repeat(4_000_000)))).toEqual([])
    expect(performance.now() - from).toBeLessThan(10_000)
  })
})

test('rules are compiled once for as long as they are the same object', () => {
  const rules = config({ tools: { a: ['a'] } })
  expect(scopeRulesOf('files', rules)).toBe(scopeRulesOf('files', { ...rules }))
})

test.each([
  [[], '"scopes" must be an object'],
  [{ tool: {} }, 'has no "tool"; did you mean "tools"'],
  [{ tools: [] }, '"scopes.tools" must map names'],
  [{ tools: { a: 'w' } }, '"scopes.tools" at "a" must be an array'],
  [{ methods: { a: ['two words'] } }, '"two words", which is no scope'],
  [{ methods: { a: ['"'] } }, 'which is no scope'],
  [{ methods: { a: ['offline_access'] } }, 'may not have "offline_access"'],
])('scopes %j are refused with the reason: %s (AU7)', (scopes, reason) => {
  expect(() => scopeRulesOf('files', config(scopes))).toThrow(TypeError)
  expect(() => scopeRulesOf('files', config(scopes))).toThrow(reason)
})

test('checkScopes() answers what it was given', () => {
  expect(checkScopes('x', ['a:b', 'https://x/y'])).toEqual(['a:b', 'https://x/y'])
})

describe('through a gateway', () => {
  let upstream: Upstream
  let gateway: ProtectedGateway
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startProtectedGateway({
      authenticate: ({ headers }) => ({ id: 'ada', scopes: headers['x-scopes']?.toString().split(' ') }),
      protectedResource: { authorizationServers: ['https://login.example.com'], scopes: ['mcp'] },
      servers: {
        files: {
          url: upstream.url,
          scopes: { methods: { 'resources/*': ['read'] }, tools: { 'delete_*': ['write', 'audit'] } },
        },
      },
    })
  })
  afterAll(async () => {
    await gateway.close()
    await upstream.close()
  })
  const scoped = (scopes: string): Record<string, string> => ({ 'x-scopes': scopes })

  test('who has the scopes goes on; who lacks one is told all of them, and nothing is sent (AU6, AU7)', async () => {
    const session = await initialize(gateway.url('files'), { headers: scoped('mcp write') })
    const message = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'delete_file' } }
    const sent = upstream.requests().length
    const answer = await session.post(message)
    expect(answer.status).toBe(403)
    expect(challengeOf(answer.headers['www-authenticate'])).toEqual({
      error: 'insufficient_scope',
      error_description: expect.stringMatching(/./),
      scope: 'mcp write audit',
      resource_metadata: `${gateway.publicUrl}/.well-known/oauth-protected-resource/files/mcp`,
    })
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.message).toMatchObject({ id: 7, error: { code: 403 } })
    expect(upstream.requests().length).toBe(sent)
    const granted = await session.post(message, scoped('mcp write audit'))
    expect(granted.status).toBe(200)
  })

  test('who lacks a scope that every request needs gets 403 on POST, GET and DELETE alike (AU9)', async () => {
    const session = await initialize(gateway.url('files'), { headers: scoped('mcp') })
    const bare = scoped('write audit read')
    const answers = [await session.post({ jsonrpc: '2.0', id: 1, method: 'ping' }, bare), await session.end(bare)]
    const stream = await session.listen(bare)
    expect([...answers.map(({ status }) => status), stream.status]).toEqual([403, 403, 403])
    stream.close()
  })

  test('a forged Mcp-Name gains nothing: the body decides (HD15, SC9)', async () => {
    const message = modernRequest('tools/call', { name: 'delete_file', arguments: {} })
    const sent = upstream.requests().length
    const forged = await postModern(gateway.url('files'), message, { 'mcp-name': 'list_files', ...scoped('mcp') })
    expect(forged).toMatchObject({ status: 400, message: { error: { code: -32020 } } })
    const honest = await postModern(gateway.url('files'), message, scoped('mcp'))
    expect(honest.status).toBe(403)
    expect(upstream.requests().length).toBe(sent)
  })

  test('a listener needs for a resource what a subscriber needs (AU7)', async () => {
    const listen = modernRequest('subscriptions/listen', { notifications: { resourceSubscriptions: ['file:///a'] } })
    const sent = upstream.requests().length
    const answer = await postModern(gateway.url('files'), listen, scoped('mcp'))
    expect(answer.status).toBe(403)
    expect(challengeOf(answer.headers['www-authenticate'])).toMatchObject({ scope: 'mcp read' })
    expect(upstream.requests().length).toBe(sent)
  })

  test('a call hidden in a batch needs its scopes, too (RPC5)', async () => {
    const session = await initialize(gateway.url('files'), { version: '2025-03-26', headers: scoped('mcp') })
    const batch = [
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'delete_file' } },
    ]
    const answer = await post(gateway.url('files'), batch, { ...session.headers, ...scoped('mcp') })
    expect(answer.status).toBe(403)
    expect(challengeOf(answer.headers['www-authenticate'])).toMatchObject({ scope: 'mcp write audit' })
  })

  test('a principal without scopes has none', async () => {
    const answer = await post(
      gateway.url('files'),
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { 'x-scopes': undefined },
    )
    expect(answer.status).toBe(403)
  })
})
