// Which redirect URIs clients may have, and where pages say that these lead.
import { faultOfRedirectUri, redirectHostOf } from '../../lib/login/redirect-uri.ts'

test.each([
  ['https://agent.example/callback', 'agent.example'],
  ['https://agent.example:8443/callback?a=b', 'agent.example:8443'],
  ['https://xn--pple-43d.example/callback', 'xn--pple-43d.example'],
  ['https://localhost/callback', 'loopback'],
  ['http://localhost/callback', 'loopback'],
  ['http://localhost:3334/oauth/callback', 'loopback'],
  ['http://127.0.0.1:1/', 'loopback'],
  ['http://[::1]:8080/cb', 'loopback'],
  ['cursor://anysphere.cursor-mcp/oauth/callback', 'app:cursor'],
  ['com.example.app:/callback', 'app:com.example.app'],
  ['vscode://ms-vscode/authorize', 'app:vscode'],
  ['CURSOR://a', 'app:cursor'],
])('%s may be one, and leads to %s', (uri, host) => {
  expect(faultOfRedirectUri(uri)).toBeUndefined()
  expect(redirectHostOf(uri)).toBe(host)
})

test.each([
  ['http://evil.example/callback', 'http:'],
  ['http://127.0.0.1.evil.example/', 'http:'],
  ['http://localhost.evil.example/', 'http:'],
  ['http://127.0.0.2/', 'http:'],
  ['http://0.0.0.0/', 'http:'],
  ['http://[::ffff:127.0.0.1]/', 'http:'],
  ['http://localhost@evil.example/', 'credentials'],
  ['https://user@agent.example/', 'credentials'],
  ['https://:secret@agent.example/', 'credentials'],
  ['https://agent.example/#', 'fragment'],
  ['https://agent.example/#a', 'fragment'],
  ['javascript:alert(1)', 'scheme'],
  ['JavaScript:alert(1)', 'scheme'],
  ['java\nscript:alert(1)', 'not a URI'],
  [' javascript:alert(1)', 'not a URI'],
  ['data:text/html,a', 'scheme'],
  ['vbscript:a', 'scheme'],
  ['file:///etc/passwd', 'scheme'],
  ['blob:https://agent.example/a', 'scheme'],
  ['about:blank', 'scheme'],
  ['view-source:https://agent.example', 'scheme'],
  ['ms-msdt:/id', 'scheme'],
  ['search-ms:query', 'scheme'],
  ['mailto:a@b.example', 'scheme'],
  ['ftp://agent.example/', 'scheme'],
  ['ws://agent.example/', 'scheme'],
  ['intent://a', 'scheme'],
  ['https://agent.example/ä', 'not a URI'],
  ['https://аgent.example/', 'not a URI'],
  ['https://agent.example/a b', 'not a URI'],
  ['https://agent.example/\u202e', 'not a URI'],
  ['https://', 'not a URI'],
  ['/callback', 'not a URI'],
  ['', 'not a URI'],
  [`https://agent.example/${'a'.repeat(2_000)}`, 'not a URI'],
  [undefined, 'not a URI'],
  [7, 'not a URI'],
  [['https://agent.example/'], 'not a URI'],
])('%j may not be one: %s', (uri, reason) => {
  expect(faultOfRedirectUri(uri)).toContain(reason)
})
