// @ts-check
// http-proxy-3, the maintained http-proxy, on node:http.
import http from 'node:http'
import { createProxyServer } from 'http-proxy-3'

export const title = 'http-proxy-3'

/** @param {URL} upstream */
export function start({ origin }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: Infinity })
  const proxy = createProxyServer({ target: origin, agent })
  proxy.on('error', (_error, _request, response) => void response.destroy())
  return http.createServer((request, response) => proxy.web(request, response))
}
