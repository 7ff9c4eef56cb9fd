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
    { client: 'Claude Code', ...claudeCode(server, headers) },
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

/** The same command for every shell, where there is one. */
function claudeCode({ name, url }: Server, headers: Headers): Pick<Snippet, 'where' | 'code'> {
  // Its names are letters, digits, hyphens and underscores.
  const plain = name.replaceAll(/[^\w-]+/g, '-').replace(/^-+/, '') || 'server'
  const given = Array.from(headers, ([header, value]) => `${header}: ${value}`)
  const quote = [url, ...given].every(isPortable) ? quotedForAny : quotedForPosix
  const where = quote === quotedForAny ? 'Run in a terminal' : 'Run in a POSIX shell, such as bash or zsh'
  const options = given.map((line) => ` --header ${quote(line)}`)
  return { where, code: `claude mcp add --transport http ${plain} ${quote(url)}${options.join('')}` }
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

/** Whether POSIX shells, PowerShell and cmd.exe read a word in double quotes as it stands. */
function isPortable(word: string): boolean {
  return !/["$`\\!%]/.test(word)
}

function quotedForAny(word: string): string {
  return isPlain(word) ? word : `"${word}"`
}

function quotedForPosix(word: string): string {
  return isPlain(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** Whether no shell reads anything into a word without quotes. */
function isPlain(word: string): boolean {
  return /^[\w:/.%-][\w:/.%@-]*$/.test(word)
}
