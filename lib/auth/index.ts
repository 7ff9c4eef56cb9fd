/**
 * `express-mcp-gateway/auth`: OAuth on both sides. An app that does not import it loads neither jose nor oauth4webapi.
 *
 * @module express-mcp-gateway/auth
 */

// Hooks for `authenticate`.
export { jwtBearer, type JwtBearerOptions, type JwtClaims, type JwtPrincipal } from './jwt-bearer.ts'
export {
  introspection,
  type IntrospectedClaims,
  type IntrospectedPrincipal,
  type IntrospectionOptions,
} from './introspection.ts'

// Credentials for servers: functions for the option `headers`.
export { clientCredentials, type ClientCredentialsOptions } from './client-credentials.ts'
export { tokenExchange, type TokenExchangeOptions } from './token-exchange.ts'
export type { OAuthClientOptions } from './client-options.ts'
export type { TokenOptions } from './token-options.ts'
