/** The hooks that let requests in, and the metadata of the servers as OAuth protected resources. */
import type { Awaitable, GatewayRequest, Hook, Principal } from './common.ts'
import type { ServerConfig } from './servers.ts'

/**
 * The authentication that the MCP SDK's `requireBearerAuth` stores in `req.auth`. The principal's id is made of `iss`
 * and `sub` in `extra`. Without these it is a digest of the token, so that a refreshed token needs a new session; the
 * `clientId` identifies a program that many users share.
 */
export interface AuthInfo {
  /** The access token. */
  readonly token: string
  /** The OAuth client that the token was issued to. */
  readonly clientId: string
  /** The granted scopes. */
  readonly scopes: readonly string[]
  /** When the token expires, in seconds since the epoch. Defaults to never. */
  readonly expiresAt?: number | undefined
  /** The resource that the token is for. With a `publicUrl`, a token for another server is refused with 401. */
  readonly resource?: URL | undefined
  /** Further claims; `iss` and `sub` are used. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Finds a server by name, for this principal. `undefined` and `null` mean that there is none: the client gets 404.
 *
 * @example
 * ```js
 * const servers = async (name, { principal }) => database.servers.find({ name, owner: principal.id })
 * ```
 *
 * @throws {GatewayError} to answer the request with another error.
 */
export type ServerLookup<P extends Principal | undefined = Principal | undefined> = Hook<
  [name: string, context: { readonly principal: P; readonly request: GatewayRequest }],
  Awaitable<ServerConfig<P> | null | undefined>
>

/**
 * Authenticates a request. `undefined` means that there is no principal: the client gets 401.
 *
 * @example
 * ```js
 * const authenticate = async (request) => {
 *   const user = await findUserBySession(request.headers.cookie)
 *   return user && { id: user.id }
 * }
 * ```
 *
 * @throws {GatewayError} to answer the request with another error.
 */
export type Authenticate<P extends Principal = Principal> = Hook<
  [request: GatewayRequest, context: AuthenticateContext],
  Awaitable<P | AuthInfo | undefined>
>

/** The second argument of an `authenticate` hook. */
export interface AuthenticateContext {
  /** The server's name; empty for the list of `serverDirectory()`. */
  readonly server: string
  /**
   * The canonical URI of the server's endpoint, or of the mount for the list: the audience that tokens must have.
   * `undefined` without `publicUrl`.
   *
   * @see https://www.rfc-editor.org/rfc/rfc8707#section-2
   */
  readonly resource: string | undefined
}

/** An `authenticate` hook, such as `jwtBearer()`, that supplies the `protectedResource` option by itself. */
export type BearerAuthenticate<P extends Principal = Principal> = Authenticate<P> & {
  /** The issuers, and the scopes that every request needs. */
  readonly protectedResource: Pick<ProtectedResource, 'authorizationServers' | 'scopes'>
  /** Whether the hook requires the `resource` of its context, and so the option `publicUrl`. */
  readonly needsResource: boolean
  /**
   * Called by each gateway that the hook is given to, with what the gateway can do for it. The function that it returns
   * is called when that gateway closes. Defaults to none.
   */
  readonly attach?: ((host: AccessHost) => () => void) | undefined
}

/** What a gateway can do for its `authenticate` hook. */
export interface AccessHost {
  /** The server whose endpoint has this URI, and the canonical form of the URI; `undefined` for any other URI. */
  serverOf(resource: string): { readonly name: string; readonly resource: string } | undefined
  /**
   * What `servers` answers for a name and a principal; `undefined` when there is no such server for this principal.
   * Rejects when the hook fails.
   */
  lookUp(
    name: string,
    context: { readonly principal: Principal; readonly request: GatewayRequest },
  ): Promise<ServerConfig | undefined>
  /** Ends the sessions, streams and requests in progress of the principals that pass the test. */
  end(test: (principal: Principal) => boolean): void
}

/**
 * The metadata by which clients find out which tokens the servers accept.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9728#section-2
 */
export interface ProtectedResource {
  /** The URLs of the issuers of these tokens. Required, unless `authenticate` is `jwtBearer()`. */
  readonly authorizationServers: readonly string[]
  /** The scopes that every request needs: a principal that lacks one gets 403. Defaults to none. */
  readonly scopes?: readonly string[] | undefined
  /** The scopes that a client should request when it has not got a challenge. Defaults to `scopes`. */
  readonly scopesSupported?: readonly string[] | undefined
  /** The URL of a page for developers of clients. Defaults to none. */
  readonly documentationUrl?: string | undefined
  /**
   * Whether a server of this name has metadata, which is served without authentication. Defaults to the names of the
   * `servers` record; where `servers` is a function, every name has metadata, which does not reveal which servers exist.
   */
  readonly has?: Hook<[name: string, request: GatewayRequest], Awaitable<boolean>> | undefined
}
