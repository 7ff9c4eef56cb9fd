// @ts-check
// The gateway as every host here mounts it: everything on, that is an authenticate hook and the memory store.
import { MemorySessionStore, mcpGateway } from '../../../dist/index.js'

/**
 * @param {URL} upstream @param {Partial<import('../../../dist/index.js').GatewayOptions>} [options]
 * @param {import('../../../dist/index.js').ServerConfig} [server] behind it, in place of the one at the URL
 */
export function benchGateway(upstream, options, server = { url: upstream }) {
  return mcpGateway({
    // One principal has thousands of sessions here, which would end each other.
    sessions: new MemorySessionStore({ maxSessionsPerPrincipal: Infinity }),
    ...options,
    servers: { bench: server },
    authenticate: ({ headers }) => (headers.authorization === 'Bearer bench' ? { id: 'bench' } : undefined),
  })
}
