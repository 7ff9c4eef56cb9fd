/** Serves server cards and the catalog: to principals, or to everybody with `publicCards`. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { GatewayRequest, ServerConfig } from '../types.ts'
import { CARD_TYPE, cardDocument, CATALOG_TYPE, catalogDocument, reversed } from './documents.ts'
import type { Listing, Visitor } from './listing.ts'
import { type Audience, sendDocument } from './respond.ts'
import type { Settings } from './settings.ts'
import { mountUrl } from './urls.ts'

export class Cards {
  readonly #settings: Settings
  readonly #listing: Listing
  /** The visitor of a private card, after all checks. */
  readonly #visitor: (request: GatewayRequest, server: string) => Promise<Visitor>

  constructor(
    settings: Settings,
    listing: Listing,
    visitor: (request: GatewayRequest, server: string) => Promise<Visitor>,
  ) {
    this.#settings = settings
    this.#listing = listing
    this.#visitor = visitor
  }

  async serveCard(request: GatewayRequest, response: ServerResponse, server: string): Promise<void> {
    const { publicCards, clientHeaders, namespace } = this.#settings
    const visitor = await this.#cardVisitor(request, server)
    const config = await this.#configOf(server, visitor)
    const listed = this.#listing.describe(server, config, visitor)
    // A public card has no principal on whose behalf the server could be introspected; no process is started for one.
    const mayIntrospect = config.version === undefined && !publicCards && 'url' in config
    const introspection = mayIntrospect ? await this.#listing.introspect(server, config, visitor) : undefined
    const space = namespace ?? reversed(new URL(listed.url).hostname)
    const document = cardDocument({ listed, config, introspection, namespace: space, clientHeaders })
    sendDocument(this.#settings.gateway.send, request, response, document, {
      type: CARD_TYPE,
      audience: this.#audience,
    })
  }

  async serveCatalog(request: GatewayRequest, response: ServerResponse, path: string | undefined): Promise<void> {
    const { gateway, namespace, title } = this.#settings
    const mount = mountUrl(request, gateway, path)
    const visitor = { ...(await this.#cardVisitor(request, '')), mount }
    const publisher = reversed(namespace ?? reversed(new URL(mount).hostname))
    const document = catalogDocument(title, publisher, await this.#listing.all(visitor))
    sendDocument(this.#settings.gateway.send, request, response, document, {
      type: CATALOG_TYPE,
      audience: this.#audience,
    })
  }

  /** The visitor of a card or of the catalog: not authenticated when these are public. */
  async #cardVisitor(request: GatewayRequest, server: string): Promise<Visitor> {
    if (!this.#settings.publicCards) return this.#visitor(request, server)
    return { principal: undefined, request, mount: mountUrl(request, this.#settings.gateway) }
  }

  /** The config of a server. With `publicCards` only those that are listed without a principal are found. */
  async #configOf(server: string, { principal, request }: Visitor): Promise<ServerConfig> {
    const { publicCards, gateway } = this.#settings
    if (!publicCards) return gateway.lookUpServer(request, server, principal)
    const listed = await this.#listing.configs({ principal: undefined, request })
    if (Object.hasOwn(listed, server)) return listed[server]!
    throw new GatewayError('not_found', 'Unknown server')
  }

  get #audience(): Audience {
    return this.#settings.publicCards ? 'public' : 'private'
  }
}
