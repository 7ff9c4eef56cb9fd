/** The paths of the login, below the path of the issuer. */

export const PATHS = {
  authorize: '/oauth/authorize',
  token: '/oauth/token',
  revoke: '/oauth/revoke',
  register: '/oauth/register',
  jwks: '/oauth/jwks',
  /** The page of one authorization; its id follows. */
  consent: '/oauth/consent/',
  /** The page of connected agents. */
  agents: '/oauth/agents',
} as const
