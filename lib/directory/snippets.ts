/** What somebody pastes into a client, or clicks, to connect it. */
import type { Listed } from './listing.ts'

/** How one client is connected. */
export interface Snippet {
  readonly client: string
  /** Where it goes. */
  readonly where: string
  readonly code: string
}

type Server = Pick<Listed, 'name' | 'url'>
type Headers = ReadonlyMap<string, string>

export function snippetsFor(server: Server, headers: Headers): Snippet[] {
  return [
    { client: 'Claude Code', where: 'Run in a terminal', code: claudeCode(server, headers) },
    { client: 'Claude Desktop', where: 'Add to claude_desktop_config.json', code: claudeDesktop(server, headers) },
    {
      client: 'Cursor',
      where: 'Add to ~/.cursor/mcp.json or .cursor/mcp.json',
      code: json({ mcpServers: { [server.name]: entry(server, headers) } }),
    },
    {
      client: 'VS Code',
      where: 'Add to .vscode/mcp.json',
      code: json({ servers: { [server.name]: { type: 'http', ...entry(server, headers) } } }),
    },
    {
      client: 'mcpServers JSON',
      where: 'For clients that take an mcpServers file',
      code: json({ mcpServers: { [server.name]: { type: 'http', ...entry(server, headers) } } }),
    },
    { client: 'SDK', where: 'npm install @modelcontextprotocol/client', code: sdk(server, headers) },
  ]
}

/** Connects a client with one click, where the client has such links. */
export function installLinks(server: Server, headers: Headers): ReadonlyArray<{ client: string; href: string }> {
  return [
    { client: 'Cursor', href: cursorLink(server, headers) },
    { client: 'VS Code', href: vsCodeLink(server, headers) },
  ]
}

function entry({ url }: Server, headers: Headers): object {
  return { url, ...(headers.size > 0 && { headers: Object.fromEntries(headers) }) }
}

function claudeCode({ name, url }: Server, headers: Headers): string {
  // Its names are letters, digits, hyphens and underscores.
  const plain = name.replaceAll(/[^\w-]+/g, '-').replace(/^-+/, '') || 'server'
  const given = Array.from(headers, ([header, value]) => ` --header ${quoted(`${header}: ${value}`)}`)
  return `claude mcp add --transport http ${plain} ${quoted(url)}${given.join('')}`
}

/** It starts programs; mcp-remote is one that speaks HTTP for it. Values are in `env`, since spaces in `args` break. */
function claudeDesktop({ name, url }: Server, headers: Headers): string {
  const variables = Array.from(headers, ([header, value]) => {
    return { header, value, variable: header.toUpperCase().replaceAll('-', '_') }
  })
  const args = ['-y', 'mcp-remote', url]
  if (url.startsWith('http:')) args.push('--allow-http')
  for (const { header, variable } of variables) args.push('--header', `${header}:\${${variable}}`)
  const env = Object.fromEntries(variables.map(({ variable, value }) => [variable, value]))
  return json({ mcpServers: { [name]: { command: 'npx', args, ...(headers.size > 0 && { env }) } } })
}

function cursorLink(server: Server, headers: Headers): string {
  const config = Buffer.from(JSON.stringify(entry(server, headers))).toString('base64')
  const query = `name=${encodeURIComponent(server.name)}&config=${encodeURIComponent(config)}`
  return `cursor://anysphere.cursor-deeplink/mcp/install?${query}`
}

function vsCodeLink(server: Server, headers: Headers): string {
  const config = { name: server.name, type: 'http', ...entry(server, headers) }
  return `vscode:mcp/install?${encodeURIComponent(JSON.stringify(config))}`
}

function sdk({ url }: Server, headers: Headers): string {
  const init =
    headers.size > 0 ? `, {\n  requestInit: { headers: ${JSON.stringify(Object.fromEntries(headers))} },\n}` : ''
  return `import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

const transport = new StreamableHTTPClientTransport(new URL(${JSON.stringify(url)})${init})
const client = new Client(
  { name: 'my-client', version: '1.0.0' },
  { versionNegotiation: { mode: 'auto' } },
)
await client.connect(transport)
const { tools } = await client.listTools()
console.log(tools.map(({ name }) => name))
await client.close()`
}

function json(value: object): string {
  return JSON.stringify(value, null, 2)
}

/** For a POSIX shell, left alone where nothing needs it. */
function quoted(word: string): string {
  return /^[\w:/.%@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
