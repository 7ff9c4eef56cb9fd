// @ts-check
// An agent: a client of the MCP SDK that is given the URL of a server, and finds out the rest.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'

/**
 * @param {string} url of the server
 * @param {(url: URL) => Promise<void>} openBrowser shows the user a page
 */
export async function startAgent(url, openBrowser) {
  // Where the browser comes back to: a port of its own, as programs on a desktop have it.
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (listener.address())
  const redirectUrl = `http://127.0.0.1:${port}/callback`
  /** @type {Promise<URLSearchParams>} */
  const answer = new Promise((resolve) => {
    listener.on('request', (request, response) => {
      response.end('The agent has its answer.')
      resolve(new URL(request.url ?? '', redirectUrl).searchParams)
    })
  })

  /** What the SDK asks to be kept. @type {Record<string, any>} */
  const kept = {}
  /** @type {import('@modelcontextprotocol/client').OAuthClientProvider} */
  const authProvider = {
    redirectUrl,
    clientMetadata: {
      client_name: 'Example agent',
      redirect_uris: [redirectUrl],
      token_endpoint_auth_method: 'none',
    },
    clientInformation: () => kept['client'],
    saveClientInformation: (client) => void (kept['client'] = client),
    tokens: () => kept['tokens'],
    saveTokens: (tokens) => void (kept['tokens'] = tokens),
    codeVerifier: () => kept['verifier'],
    saveCodeVerifier: (verifier) => void (kept['verifier'] = verifier),
    discoveryState: () => kept['discovery'],
    saveDiscoveryState: (state) => void (kept['discovery'] = state),
    redirectToAuthorization: openBrowser,
  }
  const connect = async () => {
    const client = new Client({ name: 'agent', version: '1.0.0' })
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider })
    await client.connect(transport).catch(async (error) => {
      if (!(error instanceof UnauthorizedError)) throw error
      await transport.finishAuth(await answer)
      return undefined
    })
    return client
  }

  // The first attempt ends in a login, the second in a session.
  const first = await connect()
  await first.close()
  const client = await connect()
  return {
    /** @param {string} name */
    async call(name) {
      const { content } = /** @type {{ content: { text: string }[] }} */ (await client.callTool({ name }))
      return content[0]?.text
    },
    /** Sends a request with its token, as it is. */
    async status() {
      const headers = { authorization: `Bearer ${kept['tokens'].access_token}` }
      return (await fetch(url, { headers })).status
    },
    async close() {
      await client.close()
      listener.close()
      listener.closeAllConnections()
    },
  }
}
