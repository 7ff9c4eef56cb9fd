// @ts-check
// The requests of an MCP client, as text ready for the wire.

import { TOKEN } from '../token.mjs'

export const PATH = '/bench/mcp'
export const LEGACY = '2025-11-25'
export const MODERN = '2026-07-28'

const META = 'io.modelcontextprotocol'

/** @param {string} method @param {string[]} headers @param {string} [body] */
function request(method, headers, body) {
  const lines = [
    `${method} ${PATH} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${TOKEN}`,
    `Accept: ${method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream'}`,
    ...headers,
  ]
  // Every body is ASCII: its length in characters is its length in bytes.
  if (body !== undefined) lines.push('Content-Type: application/json', `Content-Length: ${body.length}`)
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
}

/** @param {string} session */
function inSession(session) {
  return [`MCP-Protocol-Version: ${LEGACY}`, `Mcp-Session-Id: ${session}`]
}

export function initialize(capabilities = {}) {
  const params = { protocolVersion: LEGACY, capabilities, clientInfo: { name: 'bench-load', version: '1.0.0' } }
  return request('POST', [], JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }))
}

/** @param {string} session */
export function initialized(session) {
  return request('POST', inSession(session), '{"jsonrpc":"2.0","method":"notifications/initialized"}')
}

/** @param {string} session */
export function listen(session) {
  return request('GET', inSession(session))
}

/** @param {string} session */
export function remove(session) {
  return request('DELETE', inSession(session))
}

/** Makes tools/list requests of the modern era. @returns {(id: number) => string} */
export function listMaker() {
  const headers = modernHeaders('tools/list')
  const params = { _meta: modernMeta() }
  return (id) => request('POST', headers, JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/list', params }))
}

/**
 * Makes tools/call requests: each has an id of its own, all else is prepared once.
 * @param {string | undefined} session none says the modern era
 * @param {string} tool @param {object} args
 * @returns {(id: number) => string}
 */
export function callMaker(session, tool, args) {
  const headers = session === undefined ? modernHeaders('tools/call', tool) : inSession(session)
  const meta = session === undefined ? modernMeta() : {}
  return (id) => {
    const params = { name: tool, arguments: args, _meta: { ...meta, progressToken: id } }
    return request('POST', headers, JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }))
  }
}

/**
 * The same with long arguments. The long part is made once, and the load spends its time on sending it.
 * @param {string | undefined} session @param {string} tool @param {number} bytes
 * @returns {(id: number) => string}
 */
export function longCallMaker(session, tool, bytes) {
  const headers = session === undefined ? modernHeaders('tools/call', tool) : inSession(session)
  const meta = session === undefined ? modernMeta() : {}
  const { length } = JSON.stringify(SOURCE)
  const text = SOURCE.repeat(Math.ceil(bytes / length)).slice(0, Math.floor((bytes / length) * SOURCE.length))
  const rest = `"name":"${tool}","arguments":{"text":${JSON.stringify(text)}}}}`
  return (id) => {
    const own = JSON.stringify({ ...meta, progressToken: id })
    const begin = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"_meta":${own},`
    return request('POST', headers, begin + rest)
  }
}

/** What agents send where they send much: source code, with the quotes and line ends that JSON escapes. */
const SOURCE = `export function greet(name, count) {
  if (typeof name !== "string") throw new TypeError("name must be a string, not " + typeof name)
  return "Hello, " + name + "! You have " + count + " new messages since yesterday."
}
`

/** @param {string} method @param {string} [name] */
function modernHeaders(method, name) {
  const headers = [`MCP-Protocol-Version: ${MODERN}`, `Mcp-Method: ${method}`]
  return name === undefined ? headers : [...headers, `Mcp-Name: ${name}`]
}

function modernMeta() {
  const clientInfo = { name: 'bench-load', version: '1.0.0' }
  return { [`${META}/protocolVersion`]: MODERN, [`${META}/clientInfo`]: clientInfo, [`${META}/clientCapabilities`]: {} }
}
