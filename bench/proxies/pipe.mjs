// @ts-check
// The yardstick: a bare node:http pipe. Knows nothing of MCP, checks nothing, drops nothing.
import http from 'node:http'

export const title = 'bare node:http pipe'

/** @param {URL} upstream */
export function start({ hostname, port }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: Infinity })
  return http.createServer((request, response) => {
    const { method, url: path, headers } = request
    const outgoing = http.request({ hostname, port, method, path, headers, agent }, (answer) => {
      response.writeHead(Number(answer.statusCode), answer.headers)
      answer.pipe(response)
    })
    outgoing.on('error', () => response.destroy())
    response.on('close', () => response.writableFinished || outgoing.destroy())
    request.pipe(outgoing)
  })
}
