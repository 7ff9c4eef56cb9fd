/** Dynamic client registration, bounded and expiring. (RFC 7591) */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LoginStore } from '../types/login-store.ts'
import type { GatewayRequest } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { isDictionary } from '../util/json.ts'
import { checkFlow, cleanName, MetadataFault, redirectUrisIn } from './client-metadata.ts'
import { storeKey } from '../stores/login-store-key.ts'
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

const MAX_BODY_BYTES = 16 * 1024
/** How long a body may take. */
const BODY_MS = 10_000

/** The set of the clients that nobody has let in, and its size: the oldest of them are forgotten. */
const UNUSED = storeKey('clients', 'unused')
const MAX_UNUSED = 10_000

const MAX_ADDRESSES = 10_000
const WINDOW_MS = 60_000

const UNNAMED = 'Unnamed agent'

/** Clients in pages of any origin register themselves. */
const REGISTRATION_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'POST',
  'access-control-allow-headers': '*',
  'cache-control': 'no-store',
}

export class Registration implements ClientSource {
  readonly #parts: RegistrationParts
  readonly #counts = new Map<string, { readonly since: number; count: number }>()

  constructor(parts: RegistrationParts) {
    this.#parts = parts
  }

  /** Answers POST and OPTIONS at the registration endpoint. Rejects only for a failure of the store. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'OPTIONS') {
      response.writeHead(204, { ...REGISTRATION_HEADERS, 'access-control-max-age': '86400' }).end()
      return
    }
    if (request.method !== 'POST') {
      return send(response, 405, failure('invalid_request', 'Clients are registered by POST'), { allow: 'POST' })
    }
    if (!this.#count(this.#parts.addressOf(request))) {
      const words = 'Too many clients have been registered from this address: try again in a minute'
      return send(response, 429, failure('temporarily_unavailable', words), { 'retry-after': '60' })
    }
    const given = await bodyOf(request)
    try {
      const client = newClient(given)
      await this.#keep(client)
      return send(response, 201, registered(client))
    } catch (error) {
      if (!(error instanceof MetadataFault)) throw error
      return send(response, 400, failure(error.code, `The client's metadata ${error.message}`))
    }
  }

  async find(id: string): Promise<FoundClient | undefined> {
    if (!/^[\w-]{24}$/.test(id)) return undefined
    const value = await this.#parts.store.get(storeKey('client', id))
    return value === undefined ? undefined : (JSON.parse(value) as FoundClient)
  }

  /** Lets a client live on as long as a grant of it: called when it is let in, with how long that is. */
  async renew(id: string, ttlS: number): Promise<void> {
    const key = storeKey('client', id)
    const value = await this.#parts.store.get(key)
    if (value === undefined) return
    await this.#parts.store.set(key, value, { ttlMs: ttlS * 1_000 })
    await this.#parts.store.remove(UNUSED, key)
  }

  async #keep(client: FoundClient): Promise<void> {
    const { store, ttlS } = this.#parts
    const ttlMs = ttlS * 1_000
    const key = storeKey('client', client.id)
    await store.set(key, JSON.stringify(client), { ttlMs, ifAbsent: true })
    for (const oldest of await store.add(UNUSED, key, { ttlMs, max: MAX_UNUSED })) await store.delete(oldest)
  }

  /** Whether an address may register another client. */
  #count(address: string): boolean {
    const now = performance.now()
    const before = this.#counts.get(address)
    if (before && now - before.since < WINDOW_MS) return (before.count += 1) <= this.#parts.perMinute
    boundedSet(this.#counts, MAX_ADDRESSES, address, { since: now, count: 1 })
    return true
  }
}

/** Every client is a public one: what its metadata asks for beyond that is replaced. (RFC 7591, section 2) */
function newClient(given: unknown): FoundClient {
  if (!isDictionary(given)) throw new MetadataFault('must be a JSON object of at most 16 KiB, sent as application/json')
  const redirectUris = redirectUrisIn(given)
  checkFlow(given)
  return {
    id: randomBytes(18).toString('base64url'),
    origin: 'registered',
    name: cleanName(given['client_name']) ?? UNNAMED,
    redirectUris,
    authMethod: 'none',
  }
}

function registered({ id, name, redirectUris, authMethod }: FoundClient): object {
  return {
    client_id: id,
    client_id_issued_at: Math.floor(Date.now() / 1_000),
    client_name: name,
    redirect_uris: redirectUris,
    token_endpoint_auth_method: authMethod,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  }
}

/** The JSON of a request, of which a parser before us may have left the value; `undefined` when there is none. */
async function bodyOf(request: IncomingMessage & { readonly body?: unknown }): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) return undefined
  if (request.body !== undefined) return request.body
  const chunks: Buffer[] = []
  let bytes = 0
  const timer = setTimeout(() => request.destroy(), BODY_MS).unref()
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > MAX_BODY_BYTES) return undefined
      chunks.push(chunk)
    }
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

function failure(code: string, words: string): object {
  return { error: code, error_description: words.replaceAll(/[^\x20-\x7e]|["\\]/g, "'") }
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, {
    ...REGISTRATION_HEADERS,
    ...headers,
    'content-type': 'application/json',
    'content-length': bytes.length,
  })
  response.end(bytes)
}
