// @ts-check
// The gateway as every host here mounts it: everything on, that is an authenticate hook and the memory store.
import { MemorySessionStore, mcpGateway } from '../../../dist/index.js'
import { TOKEN } from '../../token.mjs'

/**
 * @param {URL} upstream @param {Partial<import('../../../dist/index.js').GatewayOptions>} [options]
 * @param {import('../../../dist/index.js').ServerConfig} [server] behind it, in place of the one at the URL
 */
export function benchGateway(upstream, options, server = { url: upstream }) {
  return mcpGateway({
    // One principal has thousands of sessions here, which would end each other.
    sessions: new MemorySessionStore({ maxSessionsPerPrincipal: Infinity }),
    authenticate: ({ headers }) => (headers.authorization === `Bearer ${TOKEN}` ? { id: 'bench' } : undefined),
    ...options,
    servers: { bench: server },
  })
}
