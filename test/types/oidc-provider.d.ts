// What the tests use of oidc-provider, which comes without types of its own.
declare module 'oidc-provider' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

  export interface TokenContext {
    body: unknown
    readonly oidc: {
      readonly client: { readonly clientId: string }
      readonly params: Readonly<Record<string, string | undefined>>
    }
  }

  interface Grant {
    addOIDCScope(scope: string): void
    addResourceScope(resource: string, scope: string): void
    save(): Promise<string>
  }

  interface AccessToken {
    resourceServer: unknown
    readonly expiration: number
    readonly tokenType: string
    save(): Promise<string>
  }

  export class Provider {
    constructor(issuer: string, configuration: object)
    readonly Grant: new (fields: object) => Grant
    readonly AccessToken: new (fields: object) => AccessToken
    readonly ResourceServer: new (identifier: string, info: object) => { scope: string }
    callback(): RequestListener
    registerGrantType(name: string, handler: (context: TokenContext) => Promise<void>, params: string[]): void
    interactionDetails(
      request: IncomingMessage,
      response: ServerResponse,
    ): Promise<{ params: Record<string, string | string[] | undefined> }>
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object): Promise<void>
  }

  export const errors: Readonly<Record<'InvalidRequest' | 'InvalidTarget', new (description: string) => Error>>
}
