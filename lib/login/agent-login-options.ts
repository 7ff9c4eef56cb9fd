/** The options of `agentLogin()`. */
import type { JSONWebKeySet, JWK } from 'jose'
import type { Awaitable, GatewayRequest, Hook, LoginStore } from '../types.ts'
import type { AgentClient } from './types.ts'

/** Who is logged in to the app. `name` is shown on pages, as whose account it is. */
export interface AgentUser {
  /** The app's own id of the user: it becomes the `id` of the principal, and the `sub` of tokens. Not empty. */
  readonly id: string
  readonly name?: string | undefined
}

/** A client that is known beforehand. */
export interface KnownClient {
  readonly id: string
  readonly name: string
  readonly redirectUris: readonly string[]
  /** The public keys of a client that proves who it is (`private_key_jwt`). Defaults to none: a public client. */
  readonly jwks?: JSONWebKeySet | undefined
}

/** The options of `agentLogin()`. */
export interface AgentLoginOptions<U extends AgentUser = AgentUser, A extends object = object> {
  /** What tokens name as `iss`: an origin, best without a path. `https:`, or `http:` on the local machine. Required. */
  readonly issuer: string
  /**
   * Who is logged in to the app in this browser; `undefined` for nobody. Called for every page, and never remembered.
   * Required.
   */
  readonly user: Hook<[request: GatewayRequest], Awaitable<U | null | undefined>>
  /**
   * The app's login page, on the origin of the issuer. It is opened with `?return_to=` and a path of the login, to which
   * the app goes back. Required.
   */
  readonly loginUrl: string
  /** The private keys (JWK, ES256) that sign access tokens: the first one signs, all of them are published. Required. */
  readonly keys: readonly JWK[]
  /**
   * Secrets of 32 characters at least, the same on every node, for forms and refresh tokens. The first one is used, all
   * of them are valid. Required.
   */
  readonly secrets: readonly string[]
  /** Keeps clients, grants and codes. Defaults to a `MemoryLoginStore`: one process, until it ends. */
  readonly store?: LoginStore | undefined
  /**
   * What the scopes let an agent do, in words for people. Every agent gets the first; others are asked for. Defaults to
   * `{ mcp: 'Use this server as you' }`.
   */
  readonly scopes?: Readonly<Record<string, string>> | undefined
  /** Which clients may be used by this user at this server. Defaults to all. */
  readonly allowClient?:
    | Hook<[client: AgentClient, context: { readonly user: U; readonly server: string }], Awaitable<boolean>>
    | undefined
  /** Clients that are known beforehand. Defaults to none. */
  readonly clients?: readonly KnownClient[] | undefined
  /**
   * Whether clients may register themselves (RFC 7591). A registration that nobody lets in lives for `ttlS` (30 days);
   * one address makes `perMinute` (20) at most. `addressOf` finds the address of a request; it defaults to that of the
   * socket, which behind a proxy is the proxy's. Defaults to `false`: clients have metadata documents, or are known.
   */
  readonly registration?:
    | boolean
    | {
        readonly ttlS?: number | undefined
        readonly perMinute?: number | undefined
        readonly addressOf?: ((request: GatewayRequest) => string) | undefined
      }
    | undefined
  /**
   * Skips the question where the same user let in the same client, redirect host, server and scopes before, the redirect
   * is `https:`, and the request came from no other site. Defaults to `false`: an authorization server in the middle
   * could otherwise ride on a remembered answer.
   */
  readonly remember?: boolean | undefined
  /**
   * How long what lives, in seconds: access tokens (300), a refresh token that is not used (30 days), a grant in all (180
   * days), and an old refresh token after its successor was issued (60).
   */
  readonly ttl?:
    | {
        readonly accessS?: number | undefined
        readonly refreshS?: number | undefined
        readonly grantS?: number | undefined
        readonly reuseS?: number | undefined
      }
    | undefined
  /**
   * Returns members to add to the principal; `undefined` refuses the user. Called when a token is issued, and once for
   * each token at each node: a user who is gone gets no more tokens.
   */
  readonly principal?:
    | Hook<
        [user: { readonly id: string }, context: { readonly client: AgentClient; readonly server: string }],
        Awaitable<A | null | undefined>
      >
    | undefined
  /** The title of the app on the pages. Defaults to none. */
  readonly title?: string | undefined
  /** Called with every error that nobody is told of. Defaults to printing it by `console.error`. */
  readonly onError?: Hook<[error: Error, context: { readonly request: GatewayRequest | undefined }], void> | undefined
}
