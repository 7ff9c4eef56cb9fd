/** Snippets to paste into clients, and links to click, that connect them to a server. */
import type { ListedServer } from './listing.ts'

/** The configuration of one client. */
export interface Snippet {
  readonly client: string
  /** An instruction where to put the code. */
  readonly where: string
  readonly code: string
}

type Server = Pick<ListedServer, 'name' | 'url'>
type Headers = ReadonlyMap<string, string>

export function snippetsFor(server: Server, headers: Headers): Snippet[] {
  return [
    { client: 'Claude Code', ...claudeCode(server, headers) },
    { client: 'Claude Desktop', where: 'Add to claude_desktop_config.json', code: claudeDesktop(server, headers) },
    {
      client: 'Cursor',
      where: 'Add to ~/.cursor/mcp.json or .cursor/mcp.json',
      code: json({ mcpServers: { [server.name]: remoteEntry(server, headers) } }),
    },
    {
      client: 'VS Code',
      where: 'Add to .vscode/mcp.json',
      code: json({ servers: { [server.name]: { type: 'http', ...remoteEntry(server, headers) } } }),
    },
    {
      client: 'mcpServers JSON',
      where: 'For clients that take an mcpServers file',
      code: json({ mcpServers: { [server.name]: { type: 'http', ...remoteEntry(server, headers) } } }),
    },
    { client: 'SDK', where: 'npm install @modelcontextprotocol/client', code: sdk(server, headers) },
  ]
}

/** Links that connect a client with one click, for the clients that support such links. */
export function installLinks(server: Server, headers: Headers): ReadonlyArray<{ client: string; href: string }> {
  return [
    { client: 'Cursor', href: cursorLink(server, headers) },
    { client: 'VS Code', href: vsCodeLink(server, headers) },
  ]
}

/** The entry of a remote server, as `mcpServers` files have it. */
function remoteEntry({ url }: Server, headers: Headers): object {
  return { url, ...(headers.size > 0 && { headers: Object.fromEntries(headers) }) }
}

/** One command for every shell; a POSIX one when a value has characters that shells interpret differently. */
function claudeCode({ name, url }: Server, headers: Headers): Pick<Snippet, 'where' | 'code'> {
  // Claude Code allows letters, digits, hyphens and underscores in names.
  const plain = name.replaceAll(/[^\w-]+/g, '-').replace(/^-+/, '') || 'server'
  const given = Array.from(headers, ([header, value]) => `${header}: ${value}`)
  const quote = [url, ...given].every(isPortable) ? quotedForAny : quotedForPosix
  const where = quote === quotedForAny ? 'Run in a terminal' : 'Run in a POSIX shell, such as bash or zsh'
  const options = given.map((line) => ` --header ${quote(line)}`)
  return { where, code: `claude mcp add --transport http ${plain} ${quote(url)}${options.join('')}` }
}

/**
 * Claude Desktop runs local programs alone, so `mcp-remote` bridges stdio to HTTP. Header values are in `env`, because
 * spaces in `args` are not quoted on every platform.
 */
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
  const config = Buffer.from(JSON.stringify(remoteEntry(server, headers))).toString('base64')
  const query = `name=${encodeURIComponent(server.name)}&config=${encodeURIComponent(config)}`
  return `cursor://anysphere.cursor-deeplink/mcp/install?${query}`
}

function vsCodeLink(server: Server, headers: Headers): string {
  const config = { name: server.name, type: 'http', ...remoteEntry(server, headers) }
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

/** Whether POSIX shells, PowerShell and cmd.exe all take a word in double quotes literally. */
function isPortable(word: string): boolean {
  return !/["$`\\!%]/.test(word)
}

function quotedForAny(word: string): string {
  return isPlain(word) ? word : `"${word}"`
}

function quotedForPosix(word: string): string {
  return isPlain(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** Whether every shell takes a word without quotes literally. */
function isPlain(word: string): boolean {
  return /^[\w:/.%-][\w:/.%@-]*$/.test(word)
}
