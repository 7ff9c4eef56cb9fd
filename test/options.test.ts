// Misuse speaks: every option that cannot work is a TypeError at construction, which names the option and the cure.
import { once } from 'node:events'
import { request } from 'node:http'
import express from 'express'
import express4 from 'express4'
import { MemorySessionStore, mcpGateway, type Gateway, type GatewayOptions } from '../lib/index.ts'
import { parseOptions } from '../lib/options.ts'
import { listen } from './support/listen.ts'
import { startGateway } from './support/gateway.ts'
import { initialize, post } from './support/rpc.ts'
import { startUpstream } from './support/upstream.ts'

const { jest } = import.meta
const good = { servers: { weather: { url: 'http://127.0.0.1:3001/mcp' } }, authenticate: false } as const

/** With options of any type, as JavaScript passes them. */
const make = (options: unknown): Gateway => mcpGateway(options as GatewayOptions)

/** What each message ends with: where the docs say more. */
const ANCHOR = ' (docs/errors.md#typeerror)'

describe('misuse', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a function', () => {}],
    ['text', 'http://127.0.0.1:3001/mcp'],
  ])('%s instead of options', (_, options) => {
    expect(() => make(options)).toThrow(
      new TypeError(`mcpGateway takes an object: mcpGateway({ servers, authenticate })${ANCHOR}`),
    )
  })

  test.each([
    ['Express 5', () => express()],
    ['Express 4', () => express4()],
  ])('app.use(mcpGateway) in %s', async (_, makeApp) => {
    const app = makeApp() as ReturnType<typeof express>
    app.use(mcpGateway as never)
    const faults: unknown[] = []
    app.use(((error, _req, res, _next) => {
      faults.push(error)
      res.status(500).end()
    }) satisfies express.ErrorRequestHandler)
    const listening = await listen(app)
    const [response] = (await once(request(`${listening.origin}/weather/mcp`).end(), 'response')) as [
      NodeJS.ReadableStream,
    ]
    response.resume()
    await listening.close()
    expect(faults).toEqual([
      new TypeError(
        `mcpGateway was mounted itself: write app.use(mcpGateway({ ... })), not app.use(mcpGateway)${ANCHOR}`,
      ),
    ])
  })

  const cases: [what: string, given: Record<string, unknown>, message: string | RegExp][] = [
    [
      'an unknown option',
      { server: {} },
      /^"server" is not an option; did you mean "servers"\? There are: servers, authenticate, sessions, events, keys, path, .*onError \(docs\/errors\.md#typeerror\)$/,
    ],
    [
      'an unknown limit',
      { limits: { bodySize: 1 } },
      '"limits.bodySize" is not an option; there are: bodyBytes, principalBytes, principalCalls',
    ],
    [
      'an unknown timeout',
      { timeouts: { idleMs: 1 } },
      '"timeouts.idleMs" is not an option; there are: connectMs, responseMs, stallMs',
    ],
    ['an option of 0.1', { limits: { stallMs: 1_000 } }, '"limits.stallMs" has become "timeouts.stallMs"'],
    ['an interval of 0.1', { timeouts: { recheckMs: 1_000 } }, '"timeouts.recheckMs" has become "recheckMs"'],
    ['an option from the prototype', { toString: 1 }, /^"toString" is not an option/],

    [
      'no authenticate',
      { authenticate: undefined },
      /^"authenticate" must be a function .* or false to let everybody in \(docs\/errors\.md#typeerror\)$/,
    ],
    ['authenticate: true', { authenticate: true }, /^"authenticate" must be a function/],
    ['authenticate: null', { authenticate: null }, /^"authenticate" must be a function/],
    ['authenticate: {}', { authenticate: {} }, /^"authenticate" must be a function/],

    ['no servers', { servers: undefined }, /^"servers" must be a record, \{ name: \{ url \} \}, or a function/],
    ['servers: null', { servers: null }, /^"servers" must be a record/],
    ['servers as text', { servers: 'http://127.0.0.1' }, /^"servers" must be a record/],
    [
      'a relative url',
      { servers: { a: { url: '/mcp' } } },
      'Server "a": "url" must be an absolute http: or https: URL, not "/mcp"',
    ],
    ['no url', { servers: { a: {} } }, /^Server "a": "url" must be an absolute http: or https: URL/],
    [
      'a url without a scheme',
      { servers: { a: { url: '127.0.0.1:3001/mcp' } } },
      /^Server "a": "url" must be an absolute/,
    ],
    [
      'a url of another scheme',
      { servers: { a: { url: 'ftp://127.0.0.1/' } } },
      /^Server "a": "url" must be an absolute/,
    ],
    [
      'a file url',
      { servers: { a: { url: new URL('file:///etc/passwd') } } },
      /^Server "a": "url" must be an absolute/,
    ],
    [
      'an unknown type',
      { servers: { a: { type: 'stdio', url: 'http://h/' } } },
      /^Server "a": "type" must be "http", "streamable-http" or "sse", not "stdio": no plain entry starts a process/,
    ],
    [
      'the type sse with a protocol',
      { servers: { a: { type: 'sse', url: 'http://h/', protocol: 'auto' } } },
      /^Server "a": "protocol" is not a key of an HTTP\+SSE server's config/,
    ],
    [
      'credentials in a url',
      { servers: { a: { url: 'http://user:secret@h/' } } },
      'Server "a": "url" may not hold credentials; put them into "headers"',
    ],
    [
      'a user name in a url',
      { servers: { a: { url: 'http://user@h/' } } },
      /^Server "a": "url" may not hold credentials/,
    ],
    [
      'a server that is the second',
      { servers: { a: { url: 'http://h/' }, b: { url: 'x' } } },
      /^Server "b": "url" must be/,
    ],
    [
      'the header Host',
      { servers: { a: { url: 'http://h/', headers: { Host: 'x' } } } },
      'Server "a": "headers" may not set Host, the gateway does',
    ],
    [
      'the header mcp-session-id',
      { servers: { a: { url: 'http://h/', headers: { 'Mcp-Session-Id': 'x' } } } },
      /^Server "a": "headers" may not set Mcp-Session-Id/,
    ],
    [
      'the header transfer-encoding',
      { servers: { a: { url: 'http://h/', headers: { 'transfer-encoding': 'x' } } } },
      /^Server "a": "headers" may not set transfer-encoding/,
    ],
    [
      'the header accept',
      { servers: { a: { url: 'http://h/', headers: { ACCEPT: '*/*' } } } },
      /^Server "a": "headers" may not set ACCEPT/,
    ],
    [
      'a header name that is none',
      { servers: { a: { url: 'http://h/', headers: { 'x y': '1' } } } },
      /^Server "a": .*x y/,
    ],

    [
      'a path without a slash',
      { path: ':name/mcp' },
      '"path" must be like "/:name/mcp", with ":name" as a segment or without it, not ":name/mcp"',
    ],
    ['an empty path', { path: '' }, /^"path" must be like "\/:name\/mcp"/],
    ['a path with another parameter', { path: '/:server/mcp' }, /^"path" must be like/],
    ['a path with :name twice', { path: '/:name/:name' }, /^"path" must be like/],
    ['a path with :name in a segment', { path: '/x-:name/mcp' }, /^"path" must be like/],
    ['a path with a longer parameter', { path: '/:names/mcp' }, /^"path" must be like/],
    ['a path with a query', { path: '/:name/mcp?x' }, /^"path" must be like/],
    ['a path that is none', { path: /mcp/ }, /^"path" must be like/],
    [
      'one path for two servers',
      { path: '/mcp', servers: { a: { url: 'http://h/' }, b: { url: 'http://h/' } } },
      '"path" without ":name" serves one server, but "servers" has 2',
    ],
    [
      'one path for no server',
      { path: '/mcp', servers: {} },
      '"path" without ":name" serves one server, but "servers" has 0',
    ],

    [
      'a store without get',
      { sessions: { create() {}, delete() {} } },
      '"sessions" must be a store with create, get and delete; "get" is not a function',
    ],
    ['a store without create', { sessions: { get() {}, delete() {} } }, /"create" is not a function \(docs/],
    ['a store without delete', { sessions: { create() {}, get() {} } }, /"delete" is not a function \(docs/],
    ['a Map for a store', { sessions: new Map() }, /"create" is not a function \(docs/],
    ['a store class', { sessions: MemorySessionStore }, /"create" is not a function \(docs/],
    ['sessions: null', { sessions: null }, /^"sessions" must be a store with create, get and delete/],

    [
      'an event log without read',
      { events: { append() {} } },
      '"events" must be an event log such as new MemoryEventLog(); "read" is not a function',
    ],
    ['events: true', { events: true }, /^"events" must be an event log/],
    ['events: null', { events: null }, /^"events" must be an event log/],

    [
      'a public URL without a scheme',
      { publicUrl: 'gateway.example.com' },
      '"publicUrl" must be an absolute http: or https: URL, not "gateway.example.com"',
    ],
    ['a public URL of another scheme', { publicUrl: 'ws://gateway.example.com' }, /^"publicUrl" must be an absolute/],
    [
      'allowedHosts as text',
      { allowedHosts: 'example.com' },
      '"allowedHosts" must be an array, such as ["example.com or example.com:8443"]',
    ],
    [
      'a URL for a host',
      { allowedHosts: ['https://example.com'] },
      '"allowedHosts" takes values such as "example.com or example.com:8443", not "https://example.com"',
    ],
    ['a RegExp for a host', { allowedHosts: [/example/] }, /^"allowedHosts" takes values such as/],
    ['allowedOrigins as text', { allowedOrigins: '*' }, /^"allowedOrigins" must be an array/],
    [
      '* for an origin',
      { allowedOrigins: ['*'] },
      /^"allowedOrigins" takes values such as "https:\/\/example.com", not "\*" \(docs/,
    ],
    ['a host for an origin', { allowedOrigins: ['example.com'] }, /^"allowedOrigins" takes values such as/],
    ['an origin with a path', { allowedOrigins: ['https://example.com/'] }, /^"allowedOrigins" takes values such as/],

    [
      'a bridge of no kind',
      { servers: { a: { url: 'http://h/', bridge: 'modern' } } },
      'Server "a": "bridge" must be true, false or { sessions }, not a string',
    ],
    [
      'a bridge with an unknown key',
      { servers: { a: { type: 'sse', url: 'http://h/', bridge: { session: 1 } } } },
      /^Server "a": "session" is not a key of "bridge"; did you mean "sessions"\?/,
    ],
    [
      'a bridge with sessions of a server that has none',
      { servers: { a: { url: 'http://h/', protocol: 'modern', bridge: { sessions: 2 } } } },
      /^Server "a": "bridge.sessions" has no meaning with "protocol" "modern", which says that the server has no sessions/,
    ],
    [
      'a bridge of a pipe',
      { servers: { a: { pipe: () => {}, bridge: { sessions: 0 } } } },
      'Server "a": "bridge.sessions" must be an integer of at least 1, not 0',
    ],
    ['a key that is no array', { keys: 'secret' }, '"keys" must be an array of secrets; the first one seals'],
    ['a short key', { keys: ['secret'] }, '"keys" must be secrets of 32 bytes or characters at least'],
    ['a body limit of 0', { limits: { bodyBytes: 0 } }, '"limits.bodyBytes" must be a number of at least 1, not 0'],
    [
      'a body limit as text',
      { limits: { bodyBytes: '4mb' } },
      '"limits.bodyBytes" must be a number of at least 1, not "4mb"',
    ],
    [
      'no body limit at all',
      { limits: { bodyBytes: Number.POSITIVE_INFINITY } },
      /^"limits.bodyBytes" must be a number/,
    ],
    [
      'no time to connect',
      { timeouts: { connectMs: 0 } },
      '"timeouts.connectMs" must be a number of at least 1, not 0',
    ],
    ['no time between rechecks', { recheckMs: 0 }, '"recheckMs" must be a number of at least 1, not 0'],
    [
      'a negative time',
      { timeouts: { responseMs: -1 } },
      '"timeouts.responseMs" must be a number of at least 0, not -1',
    ],
    ['a time that is no number', { timeouts: { responseMs: Number.NaN } }, /^"timeouts.responseMs" must be a number/],

    ['onError: true', { onError: true }, '"onError" must be a function (error, { server, principal, request })'],
  ]

  test.each(cases)('%s', (_, given, message) => {
    const build = (): Gateway => make({ ...good, ...given })
    // By name: node's own errors are of another realm here.
    expect(build).toThrow(expect.objectContaining({ name: 'TypeError' }))
    expect(build).toThrow(typeof message === 'string' ? new TypeError(message + ANCHOR) : message)
  })

  test('the stack begins at the call, not within the library', () => {
    const stackOf = (): string => {
      try {
        return String(make({ ...good, path: 'mcp' }))
      } catch (error) {
        return (error as Error).stack!
      }
    }
    const [first, second] = stackOf().split('\n')
    expect(first).toMatch(/^TypeError: "path" must be like .* \(docs\/errors\.md#typeerror\)$/)
    expect(second).toContain('options.test.ts')
  })

  test('SC6 a header value with a line end is refused, and not shown', () => {
    const build = (): Gateway =>
      make({ ...good, servers: { a: { url: 'http://h/', headers: { 'x-key': 'secret\r\nx: y' } } } })
    expect(build).toThrow(expect.objectContaining({ name: 'TypeError' }))
    expect(build).not.toThrow(/secret/)
    expect(build).toThrow(/^Server "a": .*x-key/)
  })

  test('SC7 credentials in a url are not shown', () => {
    const build = (url: string) => (): Gateway => make({ ...good, servers: { a: { url } } })
    for (const url of ['http://user:secret@h/', 'ftp://user:secret@h/']) {
      expect(build(url)).toThrow(TypeError)
      expect(build(url)).not.toThrow(/secret/)
    }
  })
})

describe('what is taken', () => {
  const fine: [what: string, given: Record<string, unknown>][] = [
    ['no servers yet', { servers: {} }],
    ['a lookup', { servers: () => undefined }],
    ['a hook that authenticates', { authenticate: () => ({ id: 'ann' }) }],
    [
      'options that are undefined',
      {
        sessions: undefined,
        events: undefined,
        path: undefined,
        limits: undefined,
        timeouts: undefined,
        onError: undefined,
        publicUrl: undefined,
        allowedHosts: undefined,
        allowedOrigins: undefined,
      },
    ],
    [
      'limits that are undefined',
      { limits: { bodyBytes: undefined }, timeouts: { connectMs: undefined, responseMs: undefined } },
    ],
    [
      'both names of the type',
      { servers: { a: { type: 'http', url: 'http://h/' }, b: { type: 'streamable-http', url: 'https://h/' } } },
    ],
    ['a URL object', { servers: { a: { url: new URL('http://h/mcp?x=1') } } }],
    [
      'what mcpServers entries have beside',
      {
        servers: {
          a: { url: 'http://h/', title: 'A', description: 'a', tags: ['x'], headers: { Authorization: 'Bearer x' } },
        },
      },
    ],
    ['headers as a function', { servers: { a: { url: 'http://h/', headers: () => ({}) } } }],
    ['a path in front of the name', { path: '/v1/:name' }],
    ['a path for one server', { path: '/mcp' }],
    ['the root for one server', { path: '/' }],
    ['a path without a name for a lookup', { path: '/mcp', servers: () => undefined }],
    ['a public URL', { publicUrl: new URL('https://gateway.example.com/mcp-servers') }],
    [
      'hosts and origins',
      {
        allowedHosts: ['example.com', '[2001:db8::1]:8443'],
        allowedOrigins: ['https://example.com', 'vscode-webview://abc'],
      },
    ],
    ['no time limit for answers', { timeouts: { responseMs: 0 } }],
  ]

  test.each(fine)('%s', (_, given) => {
    expect(() => make({ ...good, ...given })).not.toThrow()
  })
})

test('what is not said has one right value', () => {
  const config = parseOptions(good)
  expect(config).toMatchObject({ bodyBytes: 4_194_304, connectMs: 10_000, responseMs: 300_000, recheckMs: 60_000 })
  expect(config.authenticate).toBe(false)
  expect(config.hostRules).toEqual({ hosts: new Set(), origins: new Set(), everySocket: false })
  expect(config.sessions).toBeInstanceOf(MemorySessionStore)
  expect(config.serverPath('/weather/mcp')).toBe('weather')
})

test('SC2 the host and the origin of the public URL are allowed by themselves', () => {
  const { hostRules } = parseOptions({ ...good, publicUrl: 'https://Gateway.example.com:8443/mcp-servers' })
  expect(hostRules).toEqual({
    hosts: new Set(['gateway.example.com:8443']),
    origins: new Set(['https://gateway.example.com:8443']),
    everySocket: false,
  })
})

test('SC2 hosts that are listed are asked for on every socket', () => {
  const { hostRules } = parseOptions({ ...good, allowedHosts: ['Example.com'] })
  expect(hostRules).toMatchObject({ hosts: new Set(['example.com']), everySocket: true })
})

test('a record that is changed after construction changes nothing', async () => {
  const upstream = await startUpstream()
  const servers: Record<string, { url: string }> = { weather: { url: upstream.url } }
  const running = await startGateway({ servers })
  delete servers['weather']
  servers['mail'] = { url: upstream.url }
  await initialize(running.url('weather'))
  expect(await post(running.url('mail'), {})).toMatchObject({ status: 404 })
  await running.close()
  await upstream.close()
})

describe('without onError', () => {
  const written = jest.spyOn(console, 'error')
  beforeEach(() => void written.mockReset().mockImplementation(() => {}))
  afterAll(() => written.mockRestore())

  test('SC7 what was foreseen is one line with its reasons', async () => {
    const { report } = parseOptions(good)
    const { GatewayError } = await import('../lib/errors.ts')
    const cause = new Error('Host "x" was refused', { cause: new Error('deeper') })
    report(new GatewayError('host_not_allowed', 'Host not allowed', { cause }), { server: 'weather' })
    expect(written.mock.calls).toEqual([
      [
        'express-mcp-gateway (server "weather"):',
        'host_not_allowed: Host not allowed: Host "x" was refused: deeper (docs/errors.md#host_not_allowed)',
      ],
    ])
  })

  test('what was not foreseen is the whole error', () => {
    const { report } = parseOptions(good)
    const error = new TypeError('of a hook')
    report(error, undefined)
    expect(written.mock.calls).toEqual([['express-mcp-gateway:', error]])
  })
})

describe('onError', () => {
  test('gets an Error, whatever was thrown', () => {
    const onError = jest.fn()
    parseOptions({ ...good, onError }).report('text', { server: 'weather' })
    expect(onError.mock.calls).toEqual([
      [new Error('text'), { server: 'weather', principal: undefined, request: undefined }],
    ])
  })

  test('that throws is written down and breaks nothing', async () => {
    const written = jest.spyOn(console, 'error').mockImplementation(() => {})
    const fault = new Error('of onError')
    const { report } = parseOptions({
      ...good,
      onError() {
        throw fault
      },
    })
    expect(() => report(new Error('x'), undefined)).not.toThrow()
    await new Promise(setImmediate)
    expect(written.mock.calls).toEqual([['express-mcp-gateway: "onError" threw', fault]])
    written.mockRestore()
  })

  test('that rejects is written down and breaks nothing', async () => {
    const written = jest.spyOn(console, 'error').mockImplementation(() => {})
    const fault = new Error('of onError')
    const { report } = parseOptions({ ...good, onError: () => Promise.reject(fault) as unknown as void })
    report(new Error('x'), undefined)
    await new Promise(setImmediate)
    expect(written).toHaveBeenCalledWith(expect.stringMatching(/^express-mcp-gateway: "onError" /), fault)
    written.mockRestore()
  })
})
