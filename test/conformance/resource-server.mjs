// @ts-check
// The gateway as the resource server of a scenario: what an operator would configure for the server behind, and what
// its tokens are good for.

/** @typedef {import('../../lib/index.ts').GatewayOptions} GatewayOptions */

/** What each scenario's server asks for. @type {Record<string, { resource?: { scopes?: string[], scopesSupported?: string[] }, scopes?: import('../../lib/index.ts').ScopeRules }>} */
const CONFIGURED = {
  'auth/scope-from-www-authenticate': { resource: { scopes: ['mcp:basic'], scopesSupported: [] } },
  'auth/scope-from-scopes-supported': { resource: { scopesSupported: ['mcp:basic', 'mcp:read', 'mcp:write'] } },
  'auth/scope-step-up': {
    resource: { scopes: ['mcp:basic'], scopesSupported: ['mcp:profile'] },
    scopes: { methods: { 'tools/call': ['mcp:write'] } },
  },
  'auth/scope-retry-limit': { scopes: { methods: { 'tools/*': ['never:granted'] } } },
}

/**
 * @param {string} scenario
 * @param {string} upstream
 * @param {typeof import('../../lib/index.ts')} lib
 */
export async function resourceServer(scenario, upstream, { bearerToken }) {
  const { resource = {}, scopes } = CONFIGURED[scenario] ?? {}
  /** The suite has opaque tokens and nobody to ask about them, so what is granted is read where it is. @type {Map<string, string[]>} */
  const granted = new Map()

  /** @type {Partial<GatewayOptions>} */
  const options = {
    protectedResource: { authorizationServers: await issuersOf(upstream), ...resource },
    authenticate(request) {
      const token = bearerToken(request)
      const found = token && granted.get(token)
      return found ? { id: 'user', scopes: found } : undefined
    },
    servers: {
      everything: {
        url: upstream,
        // The scenario's server wants to see a token, too, and takes that of the client: a gateway of one's own never does this.
        headers: ({ request }) => ({ authorization: request?.headers.authorization ?? '' }),
        ...(scopes && { scopes }),
      },
    },
  }

  /** @type {typeof fetch} */
  const overhear = async (input, init) => {
    const response = await fetch(input, init)
    if (response.url.endsWith('/token') && response.ok) {
      const { access_token: token, scope = '' } = /** @type {Record<string, string>} */ (await response.clone().json())
      granted.set(String(token), scope.split(' '))
    }
    return response
  }
  return { options, fetch: overhear }
}

/** An operator reads the metadata of the server behind, wherever it has it. @param {string} upstream */
async function issuersOf(upstream) {
  const { headers } = await fetch(upstream, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"jsonrpc":"2.0","id":0,"method":"ping"}',
  })
  const named = /resource_metadata="([^"]*)"/.exec(headers.get('www-authenticate') ?? '')?.[1]
  const { origin, pathname } = new URL(upstream)
  const wellKnown = `${origin}/.well-known/oauth-protected-resource`
  for (const url of named === undefined ? [wellKnown + pathname, wellKnown] : [named]) {
    const response = await fetch(url)
    if (response.ok) return /** @type {any} */ (await response.json()).authorization_servers
  }
  throw new Error('The server behind has no metadata')
}
