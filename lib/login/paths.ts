/** The paths of the login, below the path of the issuer. */

export const PATHS = {
  authorize: '/oauth/authorize',
  token: '/oauth/token',
  revoke: '/oauth/revoke',
  register: '/oauth/register',
  jwks: '/oauth/jwks',
  /**
   * Where the form of the consent page is posted to, and where the browser comes back to from connecting an account; the
   * page itself is the answer of `authorize`.
   */
  consent: '/oauth/consent',
  /** The page of connected agents. */
  agents: '/oauth/agents',
} as const
