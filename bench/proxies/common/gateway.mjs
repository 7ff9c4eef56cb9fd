// @ts-check
// The gateway as every host here mounts it: everything on, that is an authenticate hook and the memory store.
import { MemorySessionStore, mcpGateway } from '../../../dist/index.js'

/** @param {URL} upstream @param {Partial<import('../../../dist/index.js').GatewayOptions>} [options] */
export function benchGateway(upstream, options) {
  return mcpGateway({
    // One principal has thousands of sessions here, which would end each other.
    sessions: new MemorySessionStore({ maxSessionsPerPrincipal: Infinity }),
    ...options,
    servers: { bench: { url: upstream } },
    authenticate: ({ headers }) => (headers.authorization === 'Bearer bench' ? { id: 'bench' } : undefined),
  })
}
