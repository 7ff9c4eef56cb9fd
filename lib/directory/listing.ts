/** What one principal may use, as plain values: what the page, the JSON, the cards and the catalog are made of. */
import { GatewayError } from '../errors.ts'
import type { Subject } from '../exchange/gateway-internals.ts'
import type { GatewayRequest, Principal, ServerConfig } from '../types.ts'
import { credentialsOf } from '../upstream/http/credentials.ts'
import { fingerprint } from '../util/fingerprint.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { isDictionary, isObject } from '../util/json.ts'
import { AskLimit } from './ask-limit.ts'
import { Health, type Lately } from './health.ts'
import { interview, type Offer } from './interview.ts'
import { type Kept, Memo } from './memo.ts'
import { endpointOf } from './place.ts'
import { CARD_SUFFIX, type Settings } from './settings.ts'
import { weightOf } from './weight.ts'

/** A server in the list. */
export interface Listed {
  readonly name: string
  readonly title: string
  readonly description: string | undefined
  readonly tags: readonly string[]
  /** The endpoint, for clients. */
  readonly url: string
  readonly card: string
  readonly health: Lately
}

/** What a server offers, or why that cannot be said. */
export type Opened = { readonly offer: Offer } | { readonly error: string }

/** Who asks, and in which request. */
export interface Visitor {
  readonly principal: Principal | undefined
  readonly request: GatewayRequest
  /** The mount, as this visitor reaches it. */
  readonly mount: string
}

/** How long a server may take to say what it offers, in milliseconds. */
const DEADLINE_MS = 10_000

/** How long what it said is kept, and how long that it said nothing, in milliseconds. */
const KEEP_MS = 30_000
const KEEP_FAULT_MS = 5_000

export class Listing {
  readonly #settings: Settings
  readonly #health = new Health()
  readonly #opened = new Memo<Opened>()
  readonly #limit = new AskLimit()

  constructor(settings: Settings) {
    this.#settings = settings
    settings.gateway.watch(this.#health.note)
  }

  /** Every server this visitor may use, by title. */
  async all(visitor: Visitor): Promise<Listed[]> {
    const listed = Object.entries(await this.configs(visitor)).map(([name, config]) =>
      this.describe(name, config, visitor),
    )
    return listed.toSorted((one, other) => one.title.localeCompare(other.title, 'en'))
  }

  /** What a server offers to this visitor. Never rejects. */
  async open(server: string, config: ServerConfig, { principal, request }: Visitor): Promise<Opened> {
    const subject = { server, config, principal, request }
    try {
      const key = await this.#keyOf(subject)
      const ask = (): Promise<Kept<Opened>> => this.#interview(subject)
      return key === undefined ? (await ask()).value : await this.#opened.get(key, ask)
    } catch (error) {
      return { error: this.#settings.gateway.faultOf(error, { server, principal, request }).message }
    }
  }

  async #interview(subject: Subject): Promise<Kept<Opened>> {
    const { gateway } = this.#settings
    try {
      const ask = (): Promise<Offer> => interview(gateway, subject, DEADLINE_MS)
      const offer = await this.#limit.run(subject.principal?.id ?? '', ask)
      if (offer) return { value: { offer }, bytes: weightOf(offer), keepMs: KEEP_MS }
      return { value: { error: 'Too many servers are being asked. Look again in a moment.' }, bytes: 0, keepMs: 0 }
    } catch (error) {
      const { message } = gateway.faultOf(error, subject)
      return { value: { error: message }, bytes: 2 * message.length, keepMs: KEEP_FAULT_MS }
    }
  }

  /**
   * Whoever the server is told the same of is told the same by it: the key has what it is sent. `undefined` where that,
   * or the principal, cannot be compared.
   */
  async #keyOf(subject: Subject): Promise<string | undefined> {
    const { server, config, principal } = subject
    const { gateway } = this.#settings
    const { parent } = gateway.connect(subject)
    const late = new GatewayError('upstream_timeout', 'The headers for the server are not there in time')
    const timer = setTimeout(() => parent.life.stop(late), DEADLINE_MS).unref()
    const credentials = await Promise.resolve(credentialsOf(parent)).finally(() => clearTimeout(timer))
    const whose = fingerprint([principal, credentials, config.protocol, config.scopes])
    return whose === undefined ? undefined : JSON.stringify([server, gateway.upstreamId(server, config), whose])
  }

  /** What `list` says there is for this visitor. */
  async configs({ principal, request }: Pick<Visitor, 'principal' | 'request'>): Promise<Record<string, ServerConfig>> {
    const servers = await inHookTime(this.#settings.list(principal, { request }), '"list"')
    if (isByName(servers)) return servers
    throw new TypeError('"list" must answer the servers by name: { name: config }')
  }

  /** A server as this visitor sees it. */
  describe(name: string, config: ServerConfig, { mount }: Visitor): Listed {
    const { title, description, tags = [] } = config
    const { gateway } = this.#settings
    const url = endpointOf(mount, gateway, name)
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

/** What is iterable, as an array, a map or a set, has no servers by name. */
function isByName(servers: unknown): servers is Record<string, ServerConfig> {
  return isDictionary(servers) && Object.values(servers).every(isObject)
}
