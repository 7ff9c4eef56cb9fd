/** The types of `userConnections()`: its options, and what it returns. */
import type { webcrypto } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Awaitable, GatewayRequest, HeadersContext, Hook, LoginStore, Principal } from '../types.ts'

/** The gateway as a client that was registered at an authorization server. */
export interface ConnectionClient {
  /** The client id. Required. */
  readonly clientId: string
  /** The client secret. Defaults to none, as does `privateKey`: a public client. */
  readonly clientSecret?: string | undefined
  /** How the secret is sent. Defaults to `client_secret_basic`, unless the metadata lists only `client_secret_post`. */
  readonly authMethod?: 'client_secret_basic' | 'client_secret_post' | undefined
  /** Authenticates the gateway by a signature (`private_key_jwt`, RFC 7523), in place of a secret. */
  readonly privateKey?: webcrypto.CryptoKey | { readonly key: webcrypto.CryptoKey; readonly kid?: string } | undefined
}

/** What is known of a server beforehand. */
export interface ConnectionServer {
  /**
   * The issuer of the server's authorization server, exactly as in its metadata. It is then trusted, and whatever the
   * server itself says of an issuer is not asked. Required to use an entry of `clients`. Defaults to what the server
   * says (RFC 9728).
   */
  readonly issuer?: string | undefined
  /** The authorization endpoint, for an issuer without metadata. Requires `issuer` and `tokenEndpoint`. */
  readonly authorizationEndpoint?: string | undefined
  /** The token endpoint, for an issuer without metadata. Requires `issuer` and `authorizationEndpoint`. */
  readonly tokenEndpoint?: string | undefined
  /** The scopes to ask for. Defaults to those that the server asks for, else to those that its metadata lists. */
  readonly scopes?: readonly string[] | undefined
  /**
   * The `resource` that tokens are asked for (RFC 8707); `false` for an authorization server that refuses the parameter.
   * Defaults to what the metadata says, else to the server's URL.
   */
  readonly resource?: string | false | undefined
  /** More parameters of the authorization request, such as `{ prompt: 'consent' }`. Defaults to none. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

/** The options of `userConnections()`. */
export interface UserConnectionsOptions {
  /**
   * Where `pages` is mounted, as browsers see it: `https:`, or `http:` on the local machine. The redirect URI is
   * `{baseUrl}/callback`. Required.
   */
  readonly baseUrl: string
  /**
   * Who is logged in to the app in this browser, with the `id` of the principal that calls the gateway; `undefined` for
   * nobody. Called for every page, and never remembered. Required.
   */
  readonly user: Hook<
    [request: GatewayRequest],
    Awaitable<{ readonly id: string; readonly name?: string | undefined } | null | undefined>
  >
  /**
   * The app's login page, on the origin of `baseUrl`. It is opened with `?return_to=` and a path of the pages, to which
   * the app goes back. Required.
   */
  readonly loginUrl: string
  /**
   * Secrets of 32 characters at least, the same on every node: they encrypt tokens in the store, and forms. The first
   * one is used, all of them are valid. Required.
   */
  readonly secrets: readonly string[]
  /** Keeps connections, and may be the store of `agentLogin()`. Required: a connection is worth keeping. */
  readonly store: LoginStore
  /**
   * Where the gateway is registered, by issuer, with the redirect URI `{baseUrl}/callback`. It is used only for the
   * servers whose `issuer` in `servers` is this one, to the letter, so that no server chooses whose secret is used.
   * Others are asked with the metadata document at `{baseUrl}/client.json`. Defaults to none.
   */
  readonly clients?: Readonly<Record<string, ConnectionClient>> | undefined
  /** What is known of servers beforehand, by name. Defaults to none: each server says it itself (RFC 9728). */
  readonly servers?: Readonly<Record<string, ConnectionServer>> | undefined
  /** How long a connection that is not used is kept, in seconds. Defaults to 180 days. */
  readonly ttlS?: number | undefined
  /** The title of the app on the pages, and its name at the services. Defaults to the host of `baseUrl`. */
  readonly title?: string | undefined
  /** Called with every error that nobody is told of. Defaults to printing it by `console.error`. */
  readonly onError?: Hook<[error: Error, context: { readonly request: GatewayRequest | undefined }], void> | undefined
}

/** A connected account. */
export interface UserConnection {
  readonly server: string
  /** The server's URL. */
  readonly url: string
  readonly issuer: string
  /** The granted scopes. */
  readonly scopes: readonly string[]
  readonly since: Date
  /** Whether the service has ended it: the user will be asked again. */
  readonly broken: boolean
}

/**
 * The `headers` function for servers, which sends each the token of the user who calls. It throws `connection_required`
 * for a user without an account there.
 */
export interface UserConnections<P extends Principal = Principal> {
  (context: HeadersContext<P>): Awaitable<Readonly<Record<string, string>>>
  /**
   * The middleware with the pages, for the path of `baseUrl` or the root: the list of connections, the pages behind links,
   * the callback, and `client.json`.
   */
  readonly pages: (request: GatewayRequest, response: ServerResponse, next?: (error?: unknown) => void) => void
  /** The connections of a user, as the page shows them, for a page of your own. */
  list(user: string): Promise<readonly UserConnection[]>
  /**
   * Disconnects a server, by name: revokes the tokens at the service (RFC 7009, tried once) and forgets them, whether or
   * not that worked. Other nodes use them for 5 seconds at most.
   */
  disconnect(user: string, server: string): Promise<void>
  /** Ends timers, and closes the store. */
  close(): Promise<void>
}
