// @ts-check
// The gateway as the conformance suite meets it: built, on bare node:http, in front of one server; with a login where the
// scenario is about it.

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { GATEWAYS, NODES } from './gateways.mjs'
import { resourceServer } from './resource-server.mjs'

/** @typedef {typeof import('../../lib/index.ts') & typeof import('../../lib/stdio/index.ts') &
 *   typeof import('../../lib/opentelemetry/index.ts')} Lib */

const BUILT = ['index.js', 'stdio/index.js', 'opentelemetry/index.js'].map(
  (file) => new URL(`../../dist/${file}`, import.meta.url),
)

/**
 * @param {import('./servers.mjs').Behind} behind
 * @param {import('./gateways.mjs').GatewayName} kind
 * @param {string} [scenario] of a client leg
 * @returns {Promise<{ url: string, fetch: typeof fetch, close(): Promise<void> }>}
 */
export async function startGateway(behind, kind, scenario = '') {
  const lib = await importBuilt()
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (listener.address())
  const publicUrl = `http://127.0.0.1:${port}`
  const server = behind(lib)
  const isLogin = scenario.startsWith('auth/') && 'url' in server
  const login = isLogin ? await resourceServer(scenario, String(server.url), lib) : undefined
  const options = GATEWAYS[kind](server, lib)
  const gateways = Array.from({ length: NODES[kind] ?? 1 }, () =>
    lib.mcpGateway({
      servers: { everything: server },
      authenticate: false,
      onError: report,
      ...options,
      ...(login && { publicUrl, ...login.options }),
    }),
  )
  let turn = 0
  listener.on('request', (request, response) => {
    const gateway = /** @type {typeof gateways[number]} */ (gateways[(turn += 1) % gateways.length])
    gateway.wellKnown(request, response, () => gateway(request, response))
  })

  return {
    url: `${publicUrl}/everything/mcp`,
    fetch: login?.fetch ?? fetch,
    async close() {
      const closed = once(listener, 'close')
      listener.close()
      await Promise.all(gateways.map((gateway) => gateway.close()))
      listener.closeAllConnections()
      await closed
    },
  }
}

/** @returns {Promise<Lib>} the package, its main entry and its subpaths together */
async function importBuilt() {
  if (!BUILT.every((file) => existsSync(file))) throw new Error('The gateway is not built. Run: npm run build')
  return Object.assign({}, ...(await Promise.all(BUILT.map((file) => import(file.href)))))
}

/**
 * The suite tries a foreign Host on purpose; whatever else the gateway swallows is worth a look.
 * @param {Error & { code?: unknown }} error
 */
function report(error) {
  if (error.code !== 'host_not_allowed') console.error(error)
}
