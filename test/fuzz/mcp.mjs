// @ts-check
// Messages that properties are made of: requests of both eras, handshakes, answers in raw bytes.

/** @typedef {import('./world.mjs').World} World */

/** A whole answer in raw bytes. @param {string} type @param {string | Buffer} body @param {string} [more] */
export function answerBytes(type, body, more = '') {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}connection: close\r\n\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.from(body)])
}

/** A chunk of a chunked body. @param {Buffer | string} bytes */
export function chunk(bytes) {
  return Buffer.concat([
    Buffer.from(`${Buffer.byteLength(bytes).toString(16)}\r\n`),
    Buffer.from(bytes),
    Buffer.from('\r\n'),
  ])
}

/** All of it in chunks of so many characters, which are plain ones. @param {string} text */
export function crumbs(text, size = 1) {
  return text.replace(new RegExp(`.{1,${size}}`, 'gs'), (some) => `${some.length.toString(16)}\r\n${some}\r\n`)
}

/** What opens a session. @param {string | number} id */
export function opening(id, version = '2025-11-25') {
  const clientInfo = { name: 'fuzz', version: '1' }
  const params = { protocolVersion: version, capabilities: {}, clientInfo }
  return { jsonrpc: '2.0', id, method: 'initialize', params }
}

/** An answer in words. @param {{ status: number, body: Buffer }} answer */
export const shown = ({ status, body }) => `${status} ${body.toString()}`

/** A session of revision 2025-11-25 at an upstream that takes handshakes. @param {World} world @param {string} url @param {string} [version] */
export async function openSession(world, url, version = '2025-11-25') {
  const opened = await world.post(url, JSON.stringify(opening('init', version)))
  const id = opened.headers['mcp-session-id']
  if (typeof id !== 'string') throw new Error(`no session: ${shown(opened)}`)
  return { 'mcp-session-id': id, 'mcp-protocol-version': version }
}

/** What a server says to a handshake; `undefined` to anything else. @param {Buffer} body @returns {Buffer | undefined} */
export function handshake(body, more = 'mcp-session-id: fuzz\r\n') {
  const { method, id, params } = body.length > 0 ? JSON.parse(body.toString()) : {}
  if (method !== 'initialize') return undefined
  const { protocolVersion } = params
  const result = { protocolVersion, capabilities: {}, serverInfo: { name: 'fuzz', version: '1' } }
  return answerBytes('application/json', JSON.stringify({ jsonrpc: '2.0', id, result }), more)
}

const META = 'io.modelcontextprotocol'

/** A request of revision 2026-07-28. @param {string} method @param {object} params @param {string | number} id */
export function modern(method, params = {}, id = 1) {
  const _meta = { [`${META}/protocolVersion`]: '2026-07-28', [`${META}/clientCapabilities`]: {} }
  return { jsonrpc: '2.0', id, method, params: { _meta, ...params } }
}

/** Its headers. @param {string} method @param {string} [name] @returns {Record<string, string>} */
export function headersOf(method, name) {
  return {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(name !== undefined && { 'mcp-name': name }),
  }
}
