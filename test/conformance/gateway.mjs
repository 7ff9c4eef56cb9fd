// @ts-check
// The gateway as the conformance suite meets it: built, on bare node:http, in front of one server; with a login where the
// scenario is about it.

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { GATEWAYS } from './gateways.mjs'
import { resourceServer } from './resource-server.mjs'

const BUILT = new URL('../../dist/index.js', import.meta.url)

/**
 * @param {string} upstream
 * @param {import('./gateways.mjs').GatewayName} kind
 * @param {string} [scenario] of a client leg
 * @returns {Promise<{ url: string, fetch: typeof fetch, close(): Promise<void> }>}
 */
export async function startGateway(upstream, kind, scenario = '') {
  if (!existsSync(BUILT)) throw new Error('The gateway is not built. Run: npm run build')
  /** @type {typeof import('../../lib/index.ts')} */
  const lib = await import(BUILT.href)
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (listener.address())
  const publicUrl = `http://127.0.0.1:${port}`
  const login = scenario.startsWith('auth/') ? await resourceServer(scenario, upstream, lib) : undefined
  const gateway = lib.mcpGateway({
    servers: { everything: { url: upstream } },
    authenticate: false,
    onError: report,
    ...GATEWAYS[kind](upstream, lib),
    ...(login && { publicUrl, ...login.options }),
  })
  listener.on('request', (request, response) => gateway.wellKnown(request, response, () => gateway(request, response)))

  return {
    url: `${publicUrl}/everything/mcp`,
    fetch: login?.fetch ?? fetch,
    async close() {
      const closed = once(listener, 'close')
      listener.close()
      await gateway.close()
      listener.closeAllConnections()
      await closed
    },
  }
}

/**
 * The suite tries a foreign Host on purpose; whatever else the gateway swallows is worth a look.
 * @param {Error & { code?: unknown }} error
 */
function report(error) {
  if (error.code !== 'host_not_allowed') console.error(error)
}
