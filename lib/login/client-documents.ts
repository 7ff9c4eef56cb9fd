/** Client ID Metadata Documents: finds clients whose id is the URL of their description. */
import { LRUCache } from 'lru-cache'
import type { LoginStore } from '../types/login-store.ts'
import { type GuardedFetch, GuardedFetchError } from '../util/guarded-fetch.ts'
import { isDictionary } from '../util/json.ts'
import { authOf, checkFlow, cleanName, MetadataFault, redirectUrisIn } from './client-metadata.ts'
import { storeKey } from '../stores/login-store-key.ts'
import { ClientRefused, type ClientSource, type FoundClient } from './types.ts'

export interface ClientDocumentsParts {
  readonly store: LoginStore
  readonly fetch: GuardedFetch
  /** Whether `http:` URLs of this machine are ids too. */
  readonly allowLoopback: boolean
}

/** A document as it was read. */
interface ReadDocument {
  readonly client: FoundClient
  /** When it is fetched again, in milliseconds since the epoch. */
  readonly freshUntil: number
}

/** The size of a document, and how long it may take. (draft-ietf-oauth-client-id-metadata-document, section 6.6) */
const MAX_DOCUMENT_BYTES = 5 * 1024
const DOCUMENT_MS = 3_000

const HOUR_MS = 3_600_000
/** How long a document is used: as its response says, within these. */
const LEAST_FRESH_MS = HOUR_MS
const MOST_FRESH_MS = 24 * HOUR_MS
/** How long a document is used after that, while its host does not answer. */
const STALE_MS = 24 * HOUR_MS

/** How long the failure of a document is remembered, and how many documents and failures are. */
const FAILURE_MS = 30_000
const MAX_DOCUMENTS = 1_000
const MAX_FAILURES = 1_000

const MAX_ID = 1_000

export class ClientDocuments implements ClientSource {
  readonly #parts: ClientDocumentsParts
  /** Before a user has let a client in, its document is kept here alone: strangers fill no store. */
  readonly #read = new LRUCache<string, ReadDocument>({ max: MAX_DOCUMENTS })
  readonly #failures = new LRUCache<string, ClientRefused>({ max: MAX_FAILURES, ttl: FAILURE_MS, ttlResolution: 0 })
  readonly #running = new Map<string, Promise<ReadDocument>>()

  constructor(parts: ClientDocumentsParts) {
    this.#parts = parts
  }

  async find(id: string): Promise<FoundClient | undefined> {
    if (!/^https?:/i.test(id)) return undefined
    this.#checkId(id)
    const known = this.#read.get(id) ?? (await this.#stored(id))
    if (known && Date.now() < known.freshUntil) return known.client
    try {
      return (await this.#fetched(id, known !== undefined)).client
    } catch (error) {
      if (known && isAway(error) && Date.now() < known.freshUntil + STALE_MS) return known.client
      throw error
    }
  }

  /** Keeps a client for all nodes: called when a user has let it in. */
  async renew(id: string): Promise<void> {
    const read = this.#read.get(id)
    if (read) await this.#store(id, read)
  }

  /** An id has one spelling, so that nobody has two, and looks like another to no one. */
  #checkId(id: string): void {
    const refuse = (what: string): never => {
      throw new ClientRefused(`The id of this client is a URL that ${what}.`)
    }
    if (id.length > MAX_ID) refuse('is too long')
    if (!URL.canParse(id)) refuse('is malformed')
    const { protocol, pathname, username, password, href } = new URL(id)
    if (protocol !== 'https:' && !this.#parts.allowLoopback) refuse('is not https:')
    if (username !== '' || password !== '') refuse('holds credentials')
    if (id.includes('#')) refuse('has a fragment')
    if (pathname === '/') refuse('has no path')
    if (href !== id) refuse('is not in its canonical form')
  }

  async #stored(id: string): Promise<ReadDocument | undefined> {
    const value = await this.#parts.store.get(storeKey('document', id))
    if (value === undefined) return undefined
    const stored = JSON.parse(value) as ReadDocument
    this.#read.set(id, stored)
    return stored
  }

  async #store(id: string, read: ReadDocument): Promise<void> {
    const ttlMs = Math.max(1, read.freshUntil - Date.now() + STALE_MS)
    await this.#parts.store.set(storeKey('document', id), JSON.stringify(read), { ttlMs })
  }

  /** What its host says of a document goes for those that know it already. */
  async #forget(id: string): Promise<void> {
    this.#read.delete(id)
    await this.#parts.store.delete(storeKey('document', id))
  }

  /** Single flight, and not again soon after a failure. `isKnown`: a client in the store is renewed there. */
  #fetched(id: string, isKnown: boolean): Promise<ReadDocument> {
    const failure = this.#failures.get(id)
    if (failure) return Promise.reject(failure)
    const running = this.#running.get(id)
    if (running) return running
    const fetching = this.#fetch(id, isKnown).finally(() => this.#running.delete(id))
    this.#running.set(id, fetching)
    return fetching
  }

  async #fetch(id: string, isKnown: boolean): Promise<ReadDocument> {
    const { host } = new URL(id)
    try {
      const response = await this.#parts.fetch(id, {
        headers: { accept: 'application/json' },
        maxBytes: MAX_DOCUMENT_BYTES,
        timeoutMs: DOCUMENT_MS,
      })
      const read = { client: await readDocument(id, response), freshUntil: Date.now() + freshMsOf(response) }
      this.#read.set(id, read)
      if (isKnown && (await this.#parts.store.get(storeKey('document', id))) !== undefined) await this.#store(id, read)
      return read
    } catch (error) {
      const refused = refusedBy(error, host)
      if (!refused) throw error
      // One that was not asked at all, because of the others that were, may be asked at once.
      if (!(error instanceof GuardedFetchError && error.fault === 'busy')) this.#failures.set(id, refused)
      if (isKnown && !isAway(refused)) await this.#forget(id)
      throw refused
    }
  }
}

async function readDocument(id: string, response: Response): Promise<FoundClient> {
  if (response.status >= 500 || response.status === 429) throw new GuardedFetchError('unavailable', 'It is overloaded')
  if (response.status !== 200) throw new MetadataFault(`is not there: its host answers ${response.status}`)
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '')) {
    throw new MetadataFault('is no JSON')
  }
  const text = await response.text()
  const metadata = parse(text)
  if (metadata['client_id'] !== id) throw new MetadataFault('is of another client: its "client_id" is not its URL')
  const name = cleanName(metadata['client_name'])
  if (name === undefined) throw new MetadataFault('has no "client_name"')
  checkFlow(metadata)
  return { id, origin: 'document', name, redirectUris: redirectUrisIn(metadata), ...authOf(metadata) }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (isDictionary(value)) return value
  } catch {
    // Below.
  }
  throw new MetadataFault('is no JSON object')
}

/** RFC 9111: `max-age` less `age`, within our bounds. */
function freshMsOf({ headers }: Response): number {
  const control = headers.get('cache-control') ?? ''
  const [, seconds = '0'] = /(?:^|[\s,])max-age="?(\d{1,9})/i.exec(control) ?? []
  const ms = 1_000 * (Number(seconds) - (Number(headers.get('age')) || 0))
  return Math.min(MOST_FRESH_MS, Math.max(LEAST_FRESH_MS, /no-store|no-cache/i.test(control) ? 0 : ms))
}

/** The refusal for a failure; `undefined` for one that is not of the document, such as of the store. */
function refusedBy(error: unknown, host: string): ClientRefused | undefined {
  if (error instanceof MetadataFault) {
    return new ClientRefused(`The description of this client at ${host} ${error.message}.`, { cause: error })
  }
  if (!(error instanceof GuardedFetchError)) return undefined
  const words =
    error.fault === 'refused'
      ? `The description of this client cannot be read: it must be at a public https: address, without a redirect, and have at most ${MAX_DOCUMENT_BYTES} bytes.`
      : `The description of this client at ${host} cannot be read now. Try again in a minute.`
  return new ClientRefused(words, { cause: error })
}

/** Whether a failure says nothing of the document itself. */
function isAway(error: unknown): boolean {
  const { cause } = error as ClientRefused
  return cause instanceof GuardedFetchError && cause.fault !== 'refused'
}
