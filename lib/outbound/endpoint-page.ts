/** The page for a person who opens a server's URL in a browser: what it is, and where the list of servers is. */
import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'

const PAGE_STYLE = 'body{font:1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:15vh auto 0;padding:0 1.5rem}'

/** The same for every name, so that it does not tell which servers exist. `listUrl` is relative to the server's URL. */
export function endpointPage(listUrl: string | undefined): Buffer {
  const list = listUrl === undefined ? '' : `\n<p><a href="${listUrl}">All servers that are open to you</a></p>`
  return Buffer.from(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>For MCP clients</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<h1>This address is for MCP clients</h1>
<p>Programs that speak the Model Context Protocol, such as agents and editors, use it to reach a server. There is nothing
to see in a browser: copy the address into your client, as a server of type HTTP.</p>${list}
</body>
</html>
`)
}

export function endpointPageHeaders(page: Buffer): OutgoingHttpHeaders {
  const style = createHash('sha256').update(PAGE_STYLE).digest('base64')
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-length': page.length,
    'cache-control': 'no-store',
    vary: 'Accept',
    'content-security-policy': `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
  }
}
