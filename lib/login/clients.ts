/** Finds a client by its id, wherever its description is: in the options, in its metadata document, or registered. */
import type { KnownClient } from './agent-login-options.ts'
import { redirectHostOf } from './redirect-uri.ts'
import type { AgentClient, ClientSource, FoundClient } from './types.ts'

/** The longest id of a client: those with documents are URLs. */
const MAX_ID_LENGTH = 2_048

export class Clients implements ClientSource {
  readonly #known: ReadonlyMap<string, FoundClient>
  readonly #sources: readonly ClientSource[]

  constructor(known: readonly KnownClient[], sources: readonly ClientSource[]) {
    this.#known = new Map(known.map((client) => [client.id, foundClientOf(client)]))
    this.#sources = sources
  }

  async find(id: string): Promise<FoundClient | undefined> {
    const known = this.#known.get(id)
    if (known || id === '' || id.length > MAX_ID_LENGTH) return known
    for (const source of this.#sources) {
      const found = await source.find(id)
      if (found) return found
    }
    return undefined
  }
}

/** The client as its user sees it, for this redirect. */
export function agentClient({ id, name, origin }: FoundClient, redirectUri: string): AgentClient {
  const verifiedHost = origin === 'document' ? new URL(id).host : undefined
  return { id, name, verifiedHost, redirectHost: redirectHostOf(redirectUri) }
}

function foundClientOf({ id, name, redirectUris, jwks }: KnownClient): FoundClient {
  return { id, origin: 'known', name, redirectUris, authMethod: jwks ? 'private_key_jwt' : 'none', jwks }
}
