// @ts-check
// A user who logs in wherever the client is sent, and the client's memory of it.

import { UnauthorizedError } from '@modelcontextprotocol/client'

const REDIRECT = 'http://localhost:3000/callback'

export class Login {
  /** @type {URLSearchParams} */
  #back = new URLSearchParams()
  /** @type {Map<string, any>} */
  #kept = new Map()

  /** What the SDK's client asks. @type {import('@modelcontextprotocol/client').OAuthClientProvider} */
  provider = {
    redirectUrl: REDIRECT,
    clientMetadata: {
      client_name: 'express-mcp-gateway-conformance',
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
    },
    clientInformation: () => this.#kept.get('client'),
    saveClientInformation: (client) => void this.#kept.set('client', client),
    tokens: () => this.#kept.get('tokens'),
    saveTokens: (tokens) => void this.#kept.set('tokens', tokens),
    codeVerifier: () => this.#kept.get('verifier'),
    saveCodeVerifier: (verifier) => void this.#kept.set('verifier', verifier),
    discoveryState: () => this.#kept.get('discovery'),
    saveDiscoveryState: (state) => void this.#kept.set('discovery', state),
    redirectToAuthorization: async (url) => {
      const { headers } = await fetch(url, { redirect: 'manual' })
      this.#back = new URL(headers.get('location') ?? '', url).searchParams
    },
  }

  /**
   * Tries again after a login, once: who is refused again will not get in. (SEP-2350)
   * @template Result
   * @param {() => Promise<Result>} attempt
   * @param {(back: URLSearchParams) => Promise<void>} finish
   * @returns {Promise<Result>}
   */
  async attempt(attempt, finish) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error
      await finish(this.#back)
      return attempt()
    }
  }
}
