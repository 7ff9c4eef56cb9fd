// The path of a request names a server, or is not the gateway's.
import { compilePath, fitsBelow } from '../../lib/inbound/path.ts'

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
