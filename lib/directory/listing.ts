/** What one principal may use, as plain values: what the page, the JSON, the cards and the catalog are made of. */
import { createHash } from 'node:crypto'
import type { GatewayRequest, Principal, ServerConfig } from '../types.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { isDictionary } from '../util/json.ts'
import { Health, type Lately } from './health.ts'
import { interview, type Offer } from './interview.ts'
import { Memo } from './memo.ts'
import { endpointOf } from './place.ts'
import { CARD_SUFFIX, type Settings } from './settings.ts'

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
  open(server: string, config: ServerConfig, { principal, request }: Visitor): Promise<Opened> {
    const { gateway } = this.#settings
    const subject = { server, config, principal, request }
    return this.#opened.get(keyOf(server, gateway.upstreamId(server, config), principal, request), async () => {
      try {
        const offer = await interview(gateway, subject, DEADLINE_MS)
        return { value: { offer }, bytes: 2 * JSON.stringify(offer).length, keepMs: KEEP_MS }
      } catch (error) {
        const { message } = gateway.faultOf(error, { server, principal, request })
        return { value: { error: message }, bytes: 2 * message.length, keepMs: KEEP_FAULT_MS }
      }
    })
  }

  /** What `list` says there is for this visitor. */
  async configs({ principal, request }: Pick<Visitor, 'principal' | 'request'>): Promise<Record<string, ServerConfig>> {
    const servers = await inHookTime(this.#settings.list(principal, { request }), '"list"')
    if (isDictionary(servers)) return servers
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

/** What a server offers may depend on whatever a `headers` function sees of this request. */
function keyOf(name: string, upstreamId: string, principal: Principal | undefined, request: GatewayRequest): string {
  const { authorization = '', cookie = '' } = request.headers
  const proof = createHash('sha256')
    .update(JSON.stringify([authorization, cookie]))
    .digest('base64')
  return JSON.stringify([principal?.id, name, upstreamId, proof])
}
