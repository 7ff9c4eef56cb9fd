/** Dynamic client registration, bounded and expiring. (RFC 7591) (login-pages fills this in) */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LoginStore } from '../types/login-store.ts'
import type { GatewayRequest } from '../types.ts'
import { storeKey } from './store-key.ts'
import type { ClientSource, FoundClient } from './types.ts'

export interface RegistrationParts {
  readonly store: LoginStore
  /** How long a client lives that nobody let in, in seconds. */
  readonly ttlS: number
  /** How many registrations one address may make in a minute. */
  readonly perMinute: number
  /** The address that a request is counted for. */
  readonly addressOf: (request: GatewayRequest) => string
}

export class Registration implements ClientSource {
  readonly #parts: RegistrationParts

  constructor(parts: RegistrationParts) {
    this.#parts = parts
  }

  /** Answers POST and OPTIONS at the registration endpoint. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const given = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
    const id = randomBytes(18).toString('base64url')
    const client: FoundClient = {
      id,
      origin: 'registered',
      name: String(given['client_name'] ?? 'An agent'),
      redirectUris: given['redirect_uris'] as string[],
      authMethod: 'none',
    }
    await this.#parts.store.set(storeKey('client', id), JSON.stringify(client), { ttlMs: this.#parts.ttlS * 1_000 })
    response.writeHead(201, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify({
        client_id: id,
        client_name: client.name,
        redirect_uris: client.redirectUris,
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
      }),
    )
  }

  async find(id: string): Promise<FoundClient | undefined> {
    const value = await this.#parts.store.get(storeKey('client', id))
    return value === undefined ? undefined : (JSON.parse(value) as FoundClient)
  }

  /** Lets a client live on as long as a grant of it: called when it is let in, with how long that is. */
  async renew(id: string, ttlS: number): Promise<void> {
    const key = storeKey('client', id)
    const value = await this.#parts.store.get(key)
    if (value !== undefined) await this.#parts.store.set(key, value, { ttlMs: ttlS * 1_000 })
  }
}
