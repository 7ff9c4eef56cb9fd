// @ts-check
// The members beside the fixture in an aggregate: one that is dead, one that hangs, and one with a tool on each page.

/** @typedef {import('./gateway.mjs').Lib} Lib */
/** @typedef {import('../../lib/index.ts').MemberServer} MemberServer */
/** @typedef {{ id?: unknown, method?: string, params?: Record<string, any> }} Message */

const PAGES = 3

const VERSIONS = ['2026-07-28']
const CAPABILITIES = { tools: {} }
const serverInfo = { name: 'paging', version: '1.0.0' }

/** What it answers, by method. @type {Record<string, (params: Record<string, any>) => object>} */
const ANSWERS = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: CAPABILITIES, serverInfo }),
  'server/discover': () => ({ supportedVersions: VERSIONS, capabilities: CAPABILITIES, ...cached() }),
  'tools/list': ({ cursor = '0' }) => {
    const page = Number(cursor)
    const tools = [{ name: `page_${page}`, description: `On page ${page}`, inputSchema: { type: 'object' } }]
    return { tools, ...(page + 1 < PAGES && { nextCursor: String(page + 1) }), ...cached() }
  },
}

const cached = () => ({ resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' })

/** @param {Lib} lib @returns {Record<string, MemberServer>} */
export function brokenMembers({ inProcess }) {
  return {
    dead: { url: 'http://127.0.0.1:9/mcp' },
    hanging: inProcess(() => {}),
    paging: inProcess((transport) => {
      transport.onmessage = (/** @type {Message} */ { id, method = '', params = {} }) => {
        const answer = ANSWERS[method]
        if (id === undefined) return
        const error = { code: -32601, message: 'Method not found' }
        void transport.send({ jsonrpc: '2.0', id, ...(answer ? { result: answer(params) } : { error }) })
      }
      return transport.start()
    }),
  }
}
