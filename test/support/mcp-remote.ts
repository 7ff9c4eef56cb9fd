// mcp-remote as a desktop client runs it: a child on stdio that speaks HTTP to the gateway.
import { createRequire } from 'node:module'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { connectV1, type Connect } from './clients.ts'

/** `folder` is where it keeps its files, `words` are arguments beside the URL. */
export function throughMcpRemote(folder: string, ...words: string[]): Connect {
  const proxy = createRequire(import.meta.url).resolve('mcp-remote/dist/proxy.js')
  const env = { MCP_REMOTE_CONFIG_DIR: folder, PATH: String(process.env['PATH']) }
  return (url, options) => {
    const args = [proxy, url, '--transport', 'http-only', '--allow-http', ...words]
    return connectV1(new StdioClientTransport({ command: process.execPath, args, env, stderr: 'ignore' }), options)
  }
}
