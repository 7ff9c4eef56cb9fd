// A server's config, checked once and turned into where its messages go.
import type { HttpServer } from '../../../lib/types.ts'
import { checkHeaders, targetOf } from '../../../lib/upstream/http/target.ts'

const url = 'http://127.0.0.1:3001/mcp'

describe('targetOf', () => {
  test.each<[string, HttpServer['url'], string, string]>([
    ['a path', url, 'http://127.0.0.1:3001', '/mcp'],
    ['no path', 'https://mcp.example.com', 'https://mcp.example.com', '/'],
    ['a query', 'https://mcp.example.com/v1/mcp?key=1&b=%2F', 'https://mcp.example.com', '/v1/mcp?key=1&b=%2F'],
    ['a fragment, which is never sent', `${url}#top`, 'http://127.0.0.1:3001', '/mcp'],
    ['a URL object', new URL(url), 'http://127.0.0.1:3001', '/mcp'],
    ['IPv6', 'http://[::1]:80/mcp', 'http://[::1]', '/mcp'],
    ['escapes, which stay', 'http://h/a%2Fb/mcp', 'http://h', '/a%2Fb/mcp'],
  ])('takes a URL with %s (RT9)', (_, given, origin, path) => {
    expect(targetOf('a', { url: given })).toMatchObject({ origin, path })
  })

  test.each<[string, unknown, string]>([
    ['a relative URL', { url: '/mcp' }, '"url" must be an absolute'],
    ['no URL', {}, '"url" must be an absolute'],
    ['an empty URL', { url: '' }, '"url" must be an absolute'],
    ['a file URL', { url: 'file:///etc/passwd' }, '"url" must be an absolute'],
    ['a websocket URL', { url: 'ws://127.0.0.1/' }, '"url" must be an absolute'],
    ['credentials in the URL', { url: 'http://user:hunter2@127.0.0.1/mcp' }, '"headers"'],
    ['type stdio', { type: 'stdio', url }, '"type" must be'],
    ['a command', { command: 'npx', args: [] }, 'no plain entry starts a process: stdio({ command, args })'],
    ['a misspelt key', { url, scope: {} }, '"scope" is not a key of a server\'s config; did you mean "scopes"?'],
    ['a URL alone', url, 'must be an object such as { url }, not a string'],
    ['null', null, 'must be an object such as { url }, not null'],
    ['a Map', new Map([['url', url]]), 'must be an object such as { url }, not an object of the class Map'],
    ['headers as a Map', { url, headers: new Map() }, '"headers" must be an object of names and values'],
    ['headers that are null', { url, headers: null }, '"headers" must be an object of names and values'],
  ])('refuses %s with a TypeError that names the server and the cure', (_, config, message) => {
    const check = (): unknown => targetOf('weather', config as HttpServer)
    expect(check).toThrow(TypeError)
    expect(check).toThrow('"weather"')
    expect(check).toThrow(message)
  })

  test('does not repeat a password in its refusal (SC7)', () => {
    const check = (): unknown => targetOf('a', { url: 'http://user:hunter2@127.0.0.1/mcp' })
    expect(check).toThrow('credentials')
    expect(check).not.toThrow('hunter2')
  })

  test.each(['http', 'streamable-http', undefined] as const)('takes type %s', (type) => {
    expect(targetOf('a', { type, url })).toMatchObject({ path: '/mcp' })
  })

  test('asks for both media types and for nothing encoded, then adds the headers of the config (HD1, HD17)', () => {
    const { headers } = targetOf('a', { url, headers: { Authorization: 'Bearer x' } })
    expect(headers).toEqual([
      'accept',
      'application/json, text/event-stream',
      'accept-encoding',
      'identity',
      'Authorization',
      'Bearer x',
    ])
  })

  test('names an endpoint alike however its URL is given, any other otherwise, and shows nothing of it (SC7)', () => {
    const secret = 'https://mcp.example.com/mcp?key=hunter2'
    const { id } = targetOf('a', { url: secret })
    expect(targetOf('b', { url: new URL(secret), headers: { 'x-key': '1' } }).id).toBe(id)
    expect(targetOf('a', { url: 'HTTPS://MCP.example.com:443/mcp?key=hunter2' }).id).toBe(id)
    for (const other of [url, 'https://mcp.example.com/mcp', 'https://mcp.example.com/mcp?key=hunter3']) {
      expect(targetOf('a', { url: other }).id).not.toBe(id)
    }
    expect(id).toMatch(/^[\w-]{22}$/)
  })

  test('takes a key without a value for none', () => {
    const config = { url, command: undefined } as HttpServer
    expect(targetOf('a', config)).toMatchObject({ path: '/mcp' })
  })

  test('checks a config once, and again when its url or headers were replaced', () => {
    const config = { url, headers: { 'x-key': '1' } as Record<string, string> }
    const first = targetOf('a', config)
    expect(targetOf('a', config)).toBe(first)
    config.headers = { 'x-key': '2' }
    expect(targetOf('a', config).headers).toContain('2')
    config.url = 'http://127.0.0.1:3002/other'
    expect(targetOf('a', config)).toMatchObject({ origin: 'http://127.0.0.1:3002', path: '/other' })
    config.url = 'nowhere'
    expect(() => targetOf('a', config)).toThrow(TypeError)
  })
})

describe('checkHeaders', () => {
  test.each([
    'Host',
    'content-length',
    'Content-Type',
    'Accept',
    'accept-encoding',
    'Transfer-Encoding',
    'Connection',
    'Mcp-Session-Id',
    'MCP-Protocol-Version',
    'Last-Event-ID',
    'Expect',
    'Upgrade',
  ])('refuses %s, which the gateway sets itself (HD16)', (name) => {
    expect(() => checkHeaders('weather', { [name]: 'x' })).toThrow(TypeError)
    expect(() => checkHeaders('weather', { [name]: 'x' })).toThrow(name)
    expect(() => checkHeaders('weather', { [name]: 'x' })).toThrow('"weather"')
  })

  test.each([
    ['CR and LF', { 'x-key': 'a\r\nx-injected: 1' }],
    ['LF', { 'x-key': 'a\nb' }],
    ['NUL', { 'x-key': 'a\0b' }],
    ['a letter outside Latin-1', { 'x-key': 'π' }],
    ['a name with a colon', { 'x-key: a\r\nx-b': 'c' }],
    ['an empty name', { '': 'c' }],
    ['a value that is undefined', { 'x-key': undefined as unknown as string }],
    ['a value that is null', { 'x-key': null as unknown as string }],
    ['a value that is a promise', { 'x-key': Promise.resolve('1') as unknown as string }],
  ])('refuses %s, and names the server (SC6)', (_, headers) => {
    const check = (): unknown => checkHeaders('weather', headers)
    // Node's own TypeError is of another realm than that of the tests.
    expect(check).toThrow(expect.objectContaining({ name: 'TypeError' }) as Error)
    expect(check).toThrow('"weather"')
  })

  test('keeps names and values as they are', () => {
    expect(checkHeaders('a', { 'X-Key': ' ü ', Authorization: 'Bearer a.b.c' })).toEqual([
      'X-Key',
      ' ü ',
      'Authorization',
      'Bearer a.b.c',
    ])
  })
})
