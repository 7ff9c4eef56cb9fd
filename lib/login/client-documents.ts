/** Client ID Metadata Documents: finds clients whose id is the URL of their description. (login-pages fills this in) */
import type { LoginStore } from '../types/login-store.ts'
import type { GuardedFetch } from '../util/guarded-fetch.ts'
import { ClientRefused, type ClientSource, type FoundClient } from './types.ts'

export interface ClientDocumentsParts {
  readonly store: LoginStore
  readonly fetch: GuardedFetch
  /** Whether `http:` URLs of this machine are ids too. */
  readonly allowLoopback: boolean
}

export class ClientDocuments implements ClientSource {
  readonly #parts: ClientDocumentsParts

  constructor(parts: ClientDocumentsParts) {
    this.#parts = parts
  }

  async find(id: string): Promise<FoundClient | undefined> {
    if (!/^https?:/.test(id)) return undefined
    const response = await this.#parts.fetch(id)
    const document = (await response.json()) as Record<string, unknown>
    if (document['client_id'] !== id) throw new ClientRefused('The document of this client names another client')
    return {
      id,
      origin: 'document',
      name: String(document['client_name']),
      redirectUris: document['redirect_uris'] as string[],
      authMethod: 'none',
    }
  }
}
