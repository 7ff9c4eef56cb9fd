// @ts-check
// haproxy, when it is installed: one thread, events sent at once, clients that vanish noticed. Knows nothing of MCP.
import { startNative } from './common/native.mjs'

export const title = 'haproxy'

/** @param {URL} upstream */
export const start = ({ host }) =>
  startNative(
    'haproxy',
    (_folder, file) => ['-db', '-f', file],
    (port) => `
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  timeout client-fin 1s
  option http-no-delay
  option abortonclose
  http-reuse always
frontend clients
  bind 127.0.0.1:${port} backlog 4096
  default_backend servers
backend servers
  server mcp ${host}
`,
  )
