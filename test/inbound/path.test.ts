// The path of a request names a server, or is not the gateway's.
import { checkSegments, compilePath, fitsBelow } from '../../lib/inbound/path.ts'

const found: [path: string, url: string, name: string][] = [
  ['/:name/mcp', '/weather/mcp', 'weather'],
  ['/:name/mcp', '/weather/mcp/', 'weather'],
  ['/:name/mcp', '/weather/mcp?token=1', 'weather'],
  ['/:name/mcp', '/weather/mcp?next=/mail/mcp', 'weather'],
  ['/:name/mcp', '/caf%C3%A9/mcp', 'café'],
  ['/:name/mcp', '/a%20b/mcp', 'a b'],
  ['/:name/mcp', '/mcp/mcp', 'mcp'],
  ['/:name', '/weather', 'weather'],
  ['/:name', '/weather/', 'weather'],
  ['/:name/', '/weather/', 'weather'],
  ['/v1/:name/mcp', '/v1/weather/mcp', 'weather'],
  ['/v1/:name/mcp', '/v1/v1/mcp', 'v1'],
  ['/mcp', '/mcp', 'default'],
  ['/mcp', '/mcp/', 'default'],
  ['/mcp', '/mcp?x', 'default'],
  ['/', '/', 'default'],
  ['/', '/?x', 'default'],
]

test.each(found)('with the path %s, %s is of the server %s', (path, url, name) => {
  expect(compilePath(path)(url)).toBe(name)
})

const foreign: [path: string, url: string][] = [
  ['/:name/mcp', '/'],
  ['/:name/mcp', ''],
  ['/:name/mcp', '/mcp'],
  ['/:name/mcp', '//mcp'],
  ['/:name/mcp', '/weather'],
  ['/:name/mcp', '/weather/sse'],
  ['/:name/mcp', '/weather/mcp/more'],
  ['/:name/mcp', '/weather/mcpx'],
  ['/:name/mcp', '/a/b/mcp'],
  ['/:name/mcp', '/weather/MCP'],
  ['/:name/mcp', '/weather?x=/mcp'],
  ['/:name/', '/weather'],
  ['/v1/:name/mcp', '/v2/weather/mcp'],
  ['/v1/:name/mcp', '/v1/mcp'],
  ['/mcp', '/mcpx'],
  ['/mcp', '/mcp/weather'],
  ['/', '/mcp'],
]

test.each(foreign)('with the path %s, %j is not the gateway’s', (path, url) => {
  expect(compilePath(path)(url)).toBeUndefined()
})

test('a path without :name takes the name of its one server', () => {
  expect(compilePath('/mcp', 'weather')('/mcp')).toBe('weather')
})

test('RT9 SC10 a name is decoded once, and what it decodes to is a key and no path', () => {
  const serverPath = compilePath('/:name/mcp')
  expect(serverPath('/..%2fadmin/mcp')).toBe('../admin')
  expect(serverPath('/..%252fadmin/mcp')).toBe('..%2fadmin')
  expect(serverPath('/../mcp')).toBe('..')
  expect(serverPath('/__proto__/mcp')).toBe('__proto__')
  expect(serverPath('/a%00b/mcp')).toBe('a\0b')
})

test.each(['/%/mcp', '/%zz/mcp', '/%E0%A4%A/mcp'])('%s cannot be decoded and is a bad request', (url) => {
  expect(() => compilePath('/:name/mcp')(url)).toThrow(expect.objectContaining({ code: 'bad_request' }))
})

test.each(['/%61dmin/mcp', '/a%2Db/mcp', '/%5Fa/mcp', '/a%7e/mcp', '/%30/mcp', '/%7A/mcp', '/caf%C3%A9%2e/mcp'])(
  'RT9 HD15 %s is not the canonical way to write its name: a bad request',
  (url) => {
    expect(() => compilePath('/:name/mcp')(url)).toThrow(expect.objectContaining({ code: 'bad_request' }))
  },
)

test('RT9 every character may be written as encodeURIComponent() does, and as the directory does', () => {
  const serverPath = compilePath('/:name/mcp')
  for (let code = 1; code < 0x300; code += 1) {
    const name = `a${String.fromCharCode(code)}`
    expect(serverPath(`/${encodeURIComponent(name)}/mcp`)).toBe(name)
  }
  expect(serverPath('/%21%27%28%29%2A/mcp')).toBe("!'()*")
})

test.each(['//admin/mcp', '/mcp-servers//admin/mcp', '//', '/a//?x'])('HD15 %s has an empty segment', (url) => {
  expect(() => checkSegments(url)).toThrow(expect.objectContaining({ code: 'bad_request' }))
})

test.each([undefined, '/', '/mcp-servers/admin/mcp', '/a/mcp?next=https://b.example//c'])(
  '%s has no empty segment',
  (url) => {
    expect(() => checkSegments(url)).not.toThrow()
  },
)

test.each<[path: string, url: string, fits: boolean]>([
  ['/:name/mcp', '/mcp-servers/a/mcp', true],
  ['/:name/mcp', '/api/v1/mcp-servers/a/mcp?x=/b', true],
  ['/mcp', '/one/mcp', true],
  ['/:name/mcp', '/a/mcp', false],
  ['/:name/mcp', '/about', false],
  ['/:name/mcp', '/mcp-servers/a/other', false],
  ['/:name/mcp', `${'/x'.repeat(20)}/a/mcp`, false],
])('with the path %s, %s is the gateway’s below a mount: %s', (path, url, fits) => {
  expect(fitsBelow(compilePath(path), url)).toBe(fits)
})
