/** serverDirectory(): the list of servers for people and for machines, the way of a request through it. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import { refuse } from '../outbound/refusal.ts'
import { JSON_TYPE } from '../protocol.ts'
import type { GatewayRequest, Principal, ServerConfig } from '../types.ts'
import {
  CARD_TYPE,
  cardDocument,
  CATALOG_TYPE,
  catalogDocument,
  entryDocument,
  listDocument,
  reversed,
} from './documents.ts'
import { Listing, type Visitor } from './listing.ts'
import { preferred } from './negotiate.ts'
import { fragment, listPage, messagePage, serverPage } from './page.ts'
import { mountOf, pathOf } from './place.ts'
import { type Audience, sendDocument, sendPage, sendPermission } from './respond.ts'
import { parseSettings, type ServerDirectoryOptions, type Settings } from './settings.ts'

/** Express, Connect and `http.createServer()` take it as it is. What is not its own goes to `next()`. */
export type DirectoryHandler = (
  request: GatewayRequest,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void

/** The list at the mount itself, and a server card at `{endpoint}/server-card`. */
export interface ServerDirectory extends DirectoryHandler {
  /**
   * A handler for the app's root, `app.use(directory.catalog('/mcp-servers'))`, that answers
   * `/.well-known/ai-catalog.json`. It takes the path of the mount, which `publicUrl` makes superfluous. Throws a
   * TypeError where there is neither.
   */
  catalog(mount?: string): DirectoryHandler
}

const LIST_TYPES = [JSON_TYPE, 'text/html'] as const
const CATALOG_PATH = '/.well-known/ai-catalog.json'

/** What a request that is ours asks for. Cards and the catalog may be for anybody; the list never is. */
interface Route {
  readonly mayBePublic: boolean
  readonly serve: (request: GatewayRequest, response: ServerResponse) => Promise<void>
}

/** Makes the list. Throws a TypeError, which says the cure, for options that cannot work. */
export function serverDirectory<P extends Principal = Principal>(options: ServerDirectoryOptions<P>): ServerDirectory {
  const settings = parseSettings(options)
  const directory = new Directory(settings)
  const { gateway, cardPath } = settings

  const handler = directory.handler((request) => {
    const path = pathOf(request.url)
    const type = path === '/' ? preferred(request.headers.accept, LIST_TYPES) : undefined
    if (type !== undefined) return { mayBePublic: false, serve: (req, res) => directory.serveList(req, res, type) }
    const server = path === '/' ? undefined : cardPath(request.url)
    if (server === undefined) return undefined
    return { mayBePublic: true, serve: (req, res) => directory.serveCard(req, res, server) }
  })
  const catalog = (mount?: string): DirectoryHandler => {
    if (mount === undefined ? !gateway.publicUrl : !/^\/[^?#]*$/.test(mount)) {
      throw new TypeError(
        'catalog takes the path the gateway is mounted at, catalog("/mcp-servers"), or set "publicUrl"',
      )
    }
    return directory.handler(({ originalUrl, url }) => {
      if (!pathOf(originalUrl ?? url).endsWith(CATALOG_PATH)) return undefined
      return { mayBePublic: true, serve: (req, res) => directory.serveCatalog(req, res, mount) }
    })
  }
  return Object.assign(handler, { catalog })
}

class Directory {
  readonly #settings: Settings
  readonly #listing: Listing

  constructor(settings: Settings) {
    this.#settings = settings
    this.#listing = new Listing(settings)
  }

  handler(find: (request: GatewayRequest) => Route | undefined): DirectoryHandler {
    return (request, response, next) => {
      const fail = (error: unknown): void => this.#fail(request, response, error)
      try {
        const route = find(request)
        if (route && isRead(request)) route.serve(request, response).catch(fail)
        else if (route?.mayBePublic && this.#settings.publicCards && isPreflight(request))
          sendPermission(this.#send, response)
        else if (next) next()
        else throw new GatewayError('not_found', 'Not found')
      } catch (error) {
        fail(error)
      }
    }
  }

  async serveList(request: GatewayRequest, response: ServerResponse, type: (typeof LIST_TYPES)[number]): Promise<void> {
    const settings = this.#settings
    const query = new URLSearchParams(request.url?.split('?', 2)[1])
    const name = query.get('server')
    const visitor = await this.#visitor(request, name ?? '')
    const show = { type: JSON_TYPE, audience: 'private' } as const
    if (name === null) {
      const all = await this.#listing.all(visitor)
      if (type === 'text/html') return sendPage(this.#send, response, (nonce) => listPage(settings, all, nonce))
      return sendDocument(this.#send, request, response, listDocument(settings.title, all), show)
    }
    const config = await settings.gateway.lookUpServer(request, name, visitor.principal)
    const opened = await this.#listing.open(name, config, visitor)
    // After it was asked: this says how it does.
    const listed = this.#listing.describe(name, config, visitor)
    if (type === 'text/html') {
      const isPart = query.has('fragment')
      return sendPage(this.#send, response, (nonce) =>
        isPart ? fragment(listed, opened) : serverPage(settings, listed, opened, nonce),
      )
    }
    return sendDocument(this.#send, request, response, entryDocument(listed, opened), show)
  }

  async serveCard(request: GatewayRequest, response: ServerResponse, server: string): Promise<void> {
    const { publicCards, clientHeaders, namespace } = this.#settings
    const visitor = await this.#reader(request, server)
    const config = await this.#configOf(server, visitor)
    const listed = this.#listing.describe(server, config, visitor)
    // As nobody, no server is asked.
    const isAsked = config.version === undefined && !publicCards
    const opened = isAsked ? await this.#listing.open(server, config, visitor) : undefined
    const space = namespace ?? reversed(new URL(listed.url).hostname)
    const document = cardDocument({ listed, config, opened, namespace: space, clientHeaders })
    sendDocument(this.#send, request, response, document, { type: CARD_TYPE, audience: this.#audience })
  }

  async serveCatalog(request: GatewayRequest, response: ServerResponse, path: string | undefined): Promise<void> {
    const { gateway, namespace, title } = this.#settings
    const mount = mountOf(request, gateway, path)
    const visitor = { ...(await this.#reader(request, '')), mount }
    const publisher = reversed(namespace ?? reversed(new URL(mount).hostname))
    const document = catalogDocument(title, publisher, await this.#listing.all(visitor))
    sendDocument(this.#send, request, response, document, { type: CATALOG_TYPE, audience: this.#audience })
  }

  get #send(): SendWhole {
    return this.#settings.gateway.send
  }

  get #audience(): Audience {
    return this.#settings.publicCards ? 'public' : 'private'
  }

  /** Every check that a message goes through, in the same order. */
  async #visitor(request: GatewayRequest, server: string): Promise<Visitor> {
    const { gateway } = this.#settings
    gateway.checkHostAndOrigin(request)
    const principal = await gateway.authenticate(request, server)
    return { principal, request, mount: mountOf(request, gateway) }
  }

  /** Who reads a card or the catalog: with public ones nobody is asked who they are. */
  async #reader(request: GatewayRequest, server: string): Promise<Visitor> {
    if (!this.#settings.publicCards) return this.#visitor(request, server)
    return { principal: undefined, request, mount: mountOf(request, this.#settings.gateway) }
  }

  /** Public is what is listed without a principal, and nothing else. */
  async #configOf(server: string, { principal, request }: Visitor): Promise<ServerConfig> {
    const { publicCards, gateway } = this.#settings
    if (!publicCards) return gateway.lookUpServer(request, server, principal)
    const listed = await this.#listing.configs({ principal: undefined, request })
    if (Object.hasOwn(listed, server)) return listed[server]!
    throw new GatewayError('not_found', 'Unknown server')
  }

  #fail(request: GatewayRequest, response: ServerResponse, error: unknown): void {
    const fault = this.#settings.gateway.faultOf(error, { request })
    const isPage = preferred(request.headers.accept, LIST_TYPES) === 'text/html'
    const unsent =
      isPage && !response.headersSent && !response.destroyed
        ? this.#sendFault(request, response, fault)
        : refuse(this.#send, request, response, fault)
    if (unsent !== undefined) this.#settings.gateway.faultOf(unsent, { request })
  }

  /** As a page. Why that cannot be sent, if it cannot: then a bare error is. */
  #sendFault(request: GatewayRequest, response: ServerResponse, fault: GatewayError): unknown {
    try {
      sendPage(this.#send, response, (nonce) => messagePage(this.#settings, fault.message, nonce), fault)
      return undefined
    } catch (error) {
      refuse(this.#send, request, response, new GatewayError('internal', 'Internal error'))
      return error
    }
  }
}

/** A page of another origin asks whether it may. */
function isPreflight({ method, headers }: GatewayRequest): boolean {
  return method === 'OPTIONS' && 'access-control-request-method' in headers
}

function isRead({ method }: GatewayRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}
