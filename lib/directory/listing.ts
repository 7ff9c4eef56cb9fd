/** The servers of one principal as plain values, from which pages, JSON, cards and the catalog are made. */
import { GatewayError, isCode } from '../errors.ts'
import type { Subject } from '../exchange/gateway-internals.ts'
import type { GatewayRequest, Principal, ServerConfig } from '../types.ts'
import { credentialsOf } from '../upstream/http/credentials.ts'
import { protocolOf } from '../upstream/server-kind.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { fingerprint } from '../util/fingerprint.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { isDictionary, isObject, nonEmptyText } from '../util/json.ts'
import type { Accounts, ServerAccount } from './accounts.ts'
import { CoalescingCache, type Loaded } from './coalescing-cache.ts'
import { Health, type HealthStatus } from './health.ts'
import { type Capabilities, introspect } from './introspect.ts'
import { sizeOf, truncate } from './json-size.ts'
import { RateLimit } from './rate-limit.ts'
import { CARD_SUFFIX, type Settings } from './settings.ts'
import { endpointPath } from './urls.ts'

/** A server in the list. */
export interface ListedServer {
  readonly name: string
  readonly title: string
  readonly description: string | undefined
  readonly tags: readonly string[]
  /** The URL of the endpoint, for clients. */
  readonly url: string
  /** The path of the endpoint below the mount. */
  readonly path: string
  /** Whether a client that knows no more than the URL can be let in: by OAuth, or because everybody is. */
  readonly isConnectable: boolean
  /** The URL of the server card. */
  readonly card: string
  readonly health: HealthStatus
  /** The accounts of the visitor's own that it needs. */
  readonly accounts: readonly ServerAccount[]
}

/** The outcome of introspecting a server. */
export type Introspection = { readonly capabilities: Capabilities } | { readonly error: string }

/** What a server offers may not be known before its visitor's account is connected. */
export const NOT_CONNECTED = { error: 'Connect your account to see what this server offers.' } as const

/** A principal, or none, with the request that it sent to the directory. */
export interface Visitor {
  readonly principal: Principal | undefined
  readonly request: GatewayRequest
  /** The URL of the mount, as this visitor reaches it. */
  readonly mount: string
}

/** How long an introspection may take, in milliseconds. */
const DEADLINE_MS = 10_000

/** How long capabilities and failures are cached, in milliseconds. */
const TTL_MS = 30_000
const FAILURE_TTL_MS = 5_000

/** How many titles of servers are remembered, and how long each may be, in characters. */
const MAX_TITLES = 1_000
const MAX_TITLE_LENGTH = 100

export class Listing {
  readonly #settings: Settings
  readonly #health = new Health()
  readonly #introspections = new CoalescingCache<Introspection>()
  readonly #limit = new RateLimit()
  /** The servers' own titles, by upstream id, as far as they were asked. */
  readonly #titles = new Map<string, string>()

  constructor(settings: Settings) {
    this.#settings = settings
    settings.gateway.watch(this.#health.record)
  }

  /** Every server that this visitor may use, sorted by title. Accounts are looked up where they are to be shown. */
  async all(visitor: Visitor, accounts?: Pick<Accounts, 'of'>): Promise<ListedServer[]> {
    const listed = await Promise.all(
      Object.entries(await this.configs(visitor)).map(async ([name, config]) => {
        return this.describe(name, config, visitor, await accounts?.of(name, config, visitor))
      }),
    )
    return listed.toSorted((one, other) => one.title.localeCompare(other.title, 'en'))
  }

  /** Introspects a server on behalf of this visitor, or answers from the cache. Never rejects. */
  async introspect(server: string, config: ServerConfig, { principal, request }: Visitor): Promise<Introspection> {
    const subject = { server, config, principal, request }
    try {
      const key = await this.#cacheKey(subject)
      const load = (): Promise<Loaded<Introspection>> => this.#load(subject)
      return key === undefined ? (await load()).value : await this.#introspections.get(key, load)
    } catch (error) {
      if (isCode(error, 'connection_required')) return NOT_CONNECTED
      return { error: this.#settings.gateway.faultOf(error, { server, principal, request }).message }
    }
  }

  async #load(subject: Subject): Promise<Loaded<Introspection>> {
    const { gateway } = this.#settings
    try {
      const task = (): Promise<Capabilities> => introspect(gateway, subject, DEADLINE_MS)
      const capabilities = await this.#limit.run(subject.principal?.id ?? '', task)
      if (capabilities) this.#learnTitle(subject, capabilities)
      if (capabilities) return { value: { capabilities }, bytes: sizeOf(capabilities), ttlMs: TTL_MS }
      return { value: { error: 'Too many servers are being asked. Look again in a moment.' }, bytes: 0, ttlMs: 0 }
    } catch (error) {
      if (isCode(error, 'connection_required')) return { value: NOT_CONNECTED, bytes: 0, ttlMs: 0 }
      const { message } = gateway.faultOf(error, subject)
      return { value: { error: message }, bytes: 2 * message.length, ttlMs: FAILURE_TTL_MS }
    }
  }

  #learnTitle({ server, config }: Subject, { server: own }: Capabilities): void {
    const title = nonEmptyText(own, 'title')
    const id = this.#settings.gateway.upstreamId(server, config)
    if (title !== undefined) boundedSet(this.#titles, MAX_TITLES, id, truncate(title, MAX_TITLE_LENGTH))
  }

  /**
   * The key has both the principal and the credentials, because a server may answer differently to each of them.
   * `undefined` if one of them cannot be compared; then nothing is cached.
   */
  async #cacheKey(subject: Subject): Promise<string | undefined> {
    const { server, config, principal } = subject
    const { gateway } = this.#settings
    const { parent } = gateway.connect(subject)
    const late = new GatewayError('upstream_timeout', 'The "headers" of the server did not answer in time')
    const timer = setTimeout(() => parent.life.stop(late), DEADLINE_MS).unref()
    const credentials = await Promise.resolve(credentialsOf(parent)).finally(() => clearTimeout(timer))
    const whose = fingerprint([principal, credentials, protocolOf(config), config.scopes])
    return whose === undefined ? undefined : JSON.stringify([server, gateway.upstreamId(server, config), whose])
  }

  /** The servers that `list` returns for this visitor. */
  async configs({ principal, request }: Pick<Visitor, 'principal' | 'request'>): Promise<Record<string, ServerConfig>> {
    const servers = await inHookTime(this.#settings.list(principal, { request }), '"list"')
    if (isByName(servers)) return servers
    throw new TypeError('"list" must answer the servers by name: { name: config }')
  }

  /** A server as this visitor sees it. */
  describe(
    name: string,
    config: ServerConfig,
    { mount, principal }: Visitor,
    accounts: readonly ServerAccount[] = [],
  ): ListedServer {
    const { title, description, tags = [] } = config
    const { gateway, publicCards } = this.#settings
    const path = endpointPath(gateway, name)
    const url = mount + path
    // A public card says nothing that a server has said to a principal.
    const isPublic = principal === undefined && publicCards
    const upstreamId = gateway.upstreamId(name, config)
    return {
      name,
      title: title || (isPublic ? undefined : this.#titles.get(upstreamId)) || name,
      description,
      tags,
      url,
      path,
      isConnectable: principal === undefined || gateway.hasOAuth(name),
      card: url + CARD_SUFFIX,
      health: this.#health.of(upstreamId),
      accounts,
    }
  }
}

/** Whether the result of `list` is a record of servers by name, and not an array, a Map or a Set. */
function isByName(servers: unknown): servers is Record<string, ServerConfig> {
  return isDictionary(servers) && Object.values(servers).every(isObject)
}
