/** What `--help` and `--version` print. */
import { readFileSync } from 'node:fs'

export const HELP = `Usage: express-mcp-gateway FILE [options]

Serves the MCP servers of FILE (mcpServers, or VS Code's servers) over Streamable HTTP at
http://127.0.0.1:3000/NAME/mcp, with a page that lists them at http://127.0.0.1:3000/.
\${VAR} and \${VAR:-default} in FILE are replaced by variables of the environment.

Options:
  -p, --port PORT       port to listen on; 0 takes a free one (3000)
      --host ADDRESS    address to listen on; any but loopback needs --api-key-env (127.0.0.1)
      --api-key-env VAR clients must send the key in this variable: Authorization: Bearer KEY
      --only NAME       serve this server alone; may be repeated
      --allow-commands  start the servers of FILE that are commands, without a shell
      --no-page         no page
      --verbose         print each message, and what commands write to stderr
  -h, --help            print this
  -v, --version         print the version

Asking whether the servers work:
      --check           ask each server, print a line for each, and exit:
                        0 all can be used, 1 some cannot, 2 the arguments or FILE are wrong
      --json            a JSON object a line instead
      --timeout SECONDS how long a server may take (10)
`

/** The version of the package. */
export function packageVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
