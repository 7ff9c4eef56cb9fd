/** The servers of one principal as plain values, from which pages, JSON, cards and the catalog are made. */
import { GatewayError } from '../errors.ts'
import type { Subject } from '../exchange/gateway-internals.ts'
import type { GatewayRequest, Principal, ServerConfig } from '../types.ts'
import { credentialsOf } from '../upstream/http/credentials.ts'
import { protocolOf } from '../upstream/server-kind.ts'
import { fingerprint } from '../util/fingerprint.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { isDictionary, isObject } from '../util/json.ts'
import { CoalescingCache, type Loaded } from './coalescing-cache.ts'
import { Health, type HealthStatus } from './health.ts'
import { type Capabilities, introspect } from './introspect.ts'
import { sizeOf } from './json-size.ts'
import { RateLimit } from './rate-limit.ts'
import { CARD_SUFFIX, type Settings } from './settings.ts'
import { endpointUrl } from './urls.ts'

/** A server in the list. */
export interface ListedServer {
  readonly name: string
  readonly title: string
  readonly description: string | undefined
  readonly tags: readonly string[]
  /** The URL of the endpoint, for clients. */
  readonly url: string
  /** The URL of the server card. */
  readonly card: string
  readonly health: HealthStatus
}

/** The outcome of introspecting a server. */
export type Introspection = { readonly capabilities: Capabilities } | { readonly error: string }

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

export class Listing {
  readonly #settings: Settings
  readonly #health = new Health()
  readonly #introspections = new CoalescingCache<Introspection>()
  readonly #limit = new RateLimit()

  constructor(settings: Settings) {
    this.#settings = settings
    settings.gateway.watch(this.#health.record)
  }

  /** Every server that this visitor may use, sorted by title. */
  async all(visitor: Visitor): Promise<ListedServer[]> {
    const listed = Object.entries(await this.configs(visitor)).map(([name, config]) =>
      this.describe(name, config, visitor),
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
      return { error: this.#settings.gateway.faultOf(error, { server, principal, request }).message }
    }
  }

  async #load(subject: Subject): Promise<Loaded<Introspection>> {
    const { gateway } = this.#settings
    try {
      const task = (): Promise<Capabilities> => introspect(gateway, subject, DEADLINE_MS)
      const capabilities = await this.#limit.run(subject.principal?.id ?? '', task)
      if (capabilities) return { value: { capabilities }, bytes: sizeOf(capabilities), ttlMs: TTL_MS }
      return { value: { error: 'Too many servers are being asked. Look again in a moment.' }, bytes: 0, ttlMs: 0 }
    } catch (error) {
      const { message } = gateway.faultOf(error, subject)
      return { value: { error: message }, bytes: 2 * message.length, ttlMs: FAILURE_TTL_MS }
    }
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
  describe(name: string, config: ServerConfig, { mount }: Visitor): ListedServer {
    const { title, description, tags = [] } = config
    const { gateway } = this.#settings
    const url = endpointUrl(mount, gateway, name)
    return {
      name,
      title: title || name,
      description,
      tags,
      url,
      card: url + CARD_SUFFIX,
      health: this.#health.of(gateway.upstreamId(name, config)),
    }
  }
}

/** Whether the result of `list` is a record of servers by name, and not an array, a Map or a Set. */
function isByName(servers: unknown): servers is Record<string, ServerConfig> {
  return isDictionary(servers) && Object.values(servers).every(isObject)
}
