// @ts-check
// A bare relay over undici's dispatch, the cheapest client in Node. Knows nothing of MCP.
import http from 'node:http'
import { Pool } from 'undici'

export const title = 'bare undici dispatch'

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding'])

/** @param {URL} upstream */
export function start({ origin }) {
  const pool = new Pool(origin, { connections: null, pipelining: 1, bodyTimeout: 0, headersTimeout: 0 })
  return http.createServer((request, response) => {
    /** @type {Buffer[]} */
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const body = chunks.length > 0 ? Buffer.concat(chunks) : null
      const { method = 'GET', url: path = '/' } = request
      pool.dispatch({ method, path, headers: endToEnd(request.rawHeaders), body }, relayTo(response))
    })
  })
}

/** @param {string[]} rawHeaders */
function endToEnd(rawHeaders) {
  return rawHeaders.filter((_, at) => !HOP_BY_HOP.has(String(rawHeaders[at - (at % 2)]).toLowerCase()))
}

/** @param {http.ServerResponse} response @returns {import('undici').Dispatcher.DispatchHandler} */
function relayTo(response) {
  return {
    onConnect(abort) {
      response.once('close', () => response.writableFinished || abort())
    },
    onHeaders(status, headers, resume) {
      response.on('drain', resume)
      response.writeHead(status, endToEnd(headers.map((value) => value.toString('latin1'))))
      return true
    },
    onData: (chunk) => response.write(chunk),
    onComplete: () => void response.end(),
    onError: () => void response.destroy(),
  }
}
