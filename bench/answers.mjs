// @ts-check
// What the servers of the bench answer, over HTTP and on a pipe.

const SERVER_INFO = { name: 'bench-upstream', version: '1.0.0' }
export const VERSION_FIELD = 'io.modelcontextprotocol/protocolVersion'
/** How long a modern list may be kept: longer than a case takes, so that all but its first call are hits. */
const FRESH_MS = 600_000
const ANY_OBJECT = { type: 'object', properties: {} }
const TOOLS = ['echo', 'big', 'stream'].map((name) => ({
  name,
  description: `bench: ${name}`,
  inputSchema: ANY_OBJECT,
}))

/** Of a server with many tools, as one member of an aggregate. */
const MANY_TOOLS = Array.from({ length: 200 }, (_, at) => ({ ...TOOLS[0], name: `tool_${at}` }))

/** @typedef {{ jsonrpc: '2.0', id?: string | number, method: string, params?: any }} Message */

/** @param {Message} message */
export function handshake({ id, params: { protocolVersion } }) {
  const result = { protocolVersion, capabilities: { tools: {} }, serverInfo: SERVER_INFO }
  return { jsonrpc: '2.0', id, result }
}

/** Of a request that calls no tool. @param {Message} message @param {boolean} modern @param {boolean} [hasMany] */
export function resultOf(message, modern, hasMany = false) {
  const cacheable = modern ? { resultType: 'complete', ttlMs: FRESH_MS, cacheScope: 'private' } : {}
  const results = /** @type {Record<string, object>} */ ({
    ping: {},
    'tools/list': { tools: hasMany ? MANY_TOOLS : TOOLS, ...cacheable },
    'server/discover': { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ...cacheable },
  })
  const result = results[message.method]
  const outcome = result ? { result } : { error: { code: -32601, message: 'Method not found' } }
  return { jsonrpc: '2.0', id: message.id, ...outcome }
}

/** @param {Message} message @param {string} text @param {boolean} [modern] */
export function answer(message, text, modern = false) {
  const result = { content: [{ type: 'text', text }], isError: false, ...(modern && { resultType: 'complete' }) }
  return { jsonrpc: '2.0', id: message.id, result }
}

/** What a tool that answers at once says. @param {Message} message */
export function toolText({ params: { name, arguments: args = {} } }) {
  return name === 'big' ? bigText(args.bytes) : 'It is 21 degrees and sunny, with a light wind from the west.'
}

/** @type {Map<number, string>} */
const bigTexts = new Map()

/** @param {number} bytes */
function bigText(bytes) {
  const text = bigTexts.get(bytes) ?? 'x'.repeat(bytes)
  bigTexts.set(bytes, text)
  return text
}
