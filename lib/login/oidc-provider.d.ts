/** What the login uses of oidc-provider 9.13, which comes without types of its own. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  /** The context of a request. */
  export interface EngineContext {
    status: number
    body: unknown
    readonly oidc: {
      readonly client?: { readonly clientId: string }
      readonly params?: Readonly<Record<string, unknown>>
    }
  }

  /** An authorization code, or a refresh token, for which an access token is issued. */
  export interface EngineToken {
    readonly grantId?: string
    readonly clientId?: string
    readonly resource?: string | readonly string[]
  }

  export class Provider {
    constructor(issuer: string, configuration: object)
    readonly RefreshToken: { prototype: { generateTokenId(): string } }
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    on(event: 'server_error', listener: (context: EngineContext, error: Error) => void): this
  }

  type EngineErrorClass = new (description: string) => Error

  interface EngineErrors {
    readonly InvalidClient: EngineErrorClass
    readonly InvalidGrant: EngineErrorClass
    readonly InvalidTarget: EngineErrorClass
  }

  export const errors: EngineErrors
}
