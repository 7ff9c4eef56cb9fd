// What the tests use of oidc-provider beyond what lib/login declares.
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

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

  interface Provider {
    readonly Grant: new (fields: object) => Grant
    readonly AccessToken: new (fields: object) => AccessToken
    readonly ResourceServer: new (identifier: string, info: object) => { scope: string }
    registerGrantType(name: string, handler: (context: TokenContext) => Promise<void>, params: string[]): void
    interactionDetails(
      request: IncomingMessage,
      response: ServerResponse,
    ): Promise<{ params: Record<string, string | string[] | undefined> }>
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object): Promise<void>
  }

  interface EngineErrors {
    readonly InvalidRequest: EngineErrorClass
  }
}
