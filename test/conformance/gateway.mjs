// @ts-check
// The gateway as the conformance suite meets it: built, on bare node:http, in front of one server, without a login.

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'

const BUILT = new URL('../../dist/index.js', import.meta.url)

/**
 * @param {string} upstream
 * @param {{ withEvents?: boolean }} [options] whether it has an event log
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
export async function startGateway(upstream, { withEvents = false } = {}) {
  if (!existsSync(BUILT)) throw new Error('The gateway is not built. Run: npm run build')
  /** @type {typeof import('../../lib/index.ts')} */
  const { MemoryEventLog, mcpGateway } = await import(BUILT.href)
  const gateway = mcpGateway({
    servers: { everything: { url: upstream } },
    authenticate: false,
    events: withEvents ? new MemoryEventLog() : undefined,
    onError: report,
  })
  const listener = createServer(gateway)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (listener.address())

  return {
    url: `http://127.0.0.1:${port}/everything/mcp`,
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
