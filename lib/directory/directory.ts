/** serverDirectory(): routes requests for the list of servers, the server cards and the catalog. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import { refuse } from '../outbound/refusal.ts'
import { JSON_TYPE } from '../protocol.ts'
import type { GatewayRequest, Principal } from '../types.ts'
import { checkOptions } from '../util/anchors.ts'
import { Accounts } from './accounts.ts'
import { ActivityView } from './activity/activity-view.ts'
import { Cards } from './cards.ts'
import { entryDocument, listDocument } from './documents.ts'
import { SCRIPT_BYTES, SCRIPT_HASH } from './frame.ts'
import { Listing, type Visitor } from './listing.ts'
import { preferred } from './negotiate.ts'
import { pageVisitor } from './page-visitor.ts'
import { listPage, messagePage, serverPage } from './page.ts'
import { sendDocument, sendPage, sendPermission, sendScript } from './respond.ts'
import { parseSettings, type ServerDirectoryOptions, type Settings } from './settings.ts'
import { mountUrl, pathOf } from './urls.ts'

/**
 * A handler for Express, Connect or `http.createServer()`. A request that it does not serve goes to `next()`, and gets
 * 404 where there is none.
 */
export type DirectoryHandler = (
  request: GatewayRequest,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void

/** Serves the list at the mount itself, and the server card of each server at `{endpoint}/server-card`. */
export interface ServerDirectory extends DirectoryHandler {
  /**
   * Makes a handler for the root of the app that serves `/.well-known/ai-catalog.json`. `mount` is the path where the
   * gateway is mounted; it is not needed when the gateway has a `publicUrl`.
   *
   * @example
   * ```js
   * app.use(directory.catalog('/mcp-servers'))
   * ```
   *
   * @throws {TypeError} when there is neither a `mount` nor a `publicUrl`.
   */
  catalog(mount?: string): DirectoryHandler
}

const LIST_TYPES = [JSON_TYPE, 'text/html'] as const
const ACTIVITY_QUERY = '?view=activity'
const SCRIPT_QUERY = `?script=${SCRIPT_HASH}`
const CATALOG_PATH = '/.well-known/ai-catalog.json'

/** A request that the directory serves. */
interface Route {
  /** Whether `publicCards` makes it public: cards and the catalog may be, the list never is. */
  readonly mayBePublic: boolean
  /** Whether it takes a form, and nothing else. Defaults to `false`. */
  readonly isForm?: boolean
  readonly serve: (request: GatewayRequest, response: ServerResponse) => Promise<void>
}

/**
 * Creates the list of servers: a page for browsers, JSON, server cards and a catalog for programs. It shows a principal
 * the servers that the principal may use.
 *
 * @example
 * ```js
 * const gateway = mcpGateway({ servers, authenticate })
 * const directory = serverDirectory({ gateway })
 * app.use('/mcp-servers', gateway, directory)
 * ```
 *
 * @throws {TypeError} for an invalid option; the message names the option and the cure.
 * @see https://github.com/modelcontextprotocol/experimental-ext-server-card
 */
export function serverDirectory<P extends Principal = Principal>(options: ServerDirectoryOptions<P>): ServerDirectory {
  const settings = checkOptions(serverDirectory, () => parseSettings(options))
  const directory = new Directory(settings)
  const { gateway, cardPath } = settings
  gateway.announceList()

  const handler = directory.handler((request) => {
    const path = pathOf(request.url)
    if (path === '/' && request.url?.endsWith(SCRIPT_QUERY)) {
      return { mayBePublic: false, serve: (_req, res) => directory.serveScript(res) }
    }
    if (path === '/' && settings.activity && request.url?.includes(ACTIVITY_QUERY)) {
      return { mayBePublic: false, serve: (req, res) => directory.serveActivity(req, res) }
    }
    if (path === '/' && request.method === 'POST' && request.url?.includes('?server=')) {
      return { mayBePublic: false, isForm: true, serve: (req, res) => directory.changeAccount(req, res) }
    }
    const type = path === '/' ? preferred(request.headers.accept, LIST_TYPES) : undefined
    if (type !== undefined) return { mayBePublic: false, serve: (req, res) => directory.serveList(req, res, type) }
    const server = path === '/' ? undefined : cardPath(request.url)
    if (server === undefined) return undefined
    return { mayBePublic: true, serve: (req, res) => directory.cards.serveCard(req, res, server) }
  })
  const catalog = (mount?: string): DirectoryHandler => {
    if (mount === undefined ? !gateway.publicUrl : !/^\/[^?#]*$/.test(mount)) {
      throw new TypeError(
        'catalog takes the path the gateway is mounted at, catalog("/mcp-servers"), or set "publicUrl"',
      )
    }
    return directory.handler(({ originalUrl, url }) => {
      if (!pathOf(originalUrl ?? url).endsWith(CATALOG_PATH)) return undefined
      return { mayBePublic: true, serve: (req, res) => directory.cards.serveCatalog(req, res, mount) }
    })
  }
  return Object.assign(handler, { catalog })
}

class Directory {
  readonly cards: Cards
  readonly #settings: Settings
  readonly #listing: Listing
  readonly #accounts: Accounts
  /** `undefined` if it is off. */
  readonly #activity: ActivityView | undefined
  /** Who a request comes from, for the page of an error that it meets later. */
  readonly #principals = new WeakMap<GatewayRequest, Principal>()

  constructor(settings: Settings) {
    this.#settings = settings
    this.#listing = new Listing(settings)
    this.#accounts = new Accounts(settings)
    this.cards = new Cards(settings, this.#listing, (request, server) => this.#visitor(request, server))
    if (settings.activity) this.#activity = new ActivityView(settings, this.#listing)
  }

  handler(find: (request: GatewayRequest) => Route | undefined): DirectoryHandler {
    return (request, response, next) => {
      const fail = (error: unknown): void => this.#fail(request, response, error)
      try {
        const route = find(request)
        if (route && (route.isForm === true || isRead(request))) route.serve(request, response).catch(fail)
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
      const all = await this.#listing.all(visitor, this.#accounts)
      if (type === 'text/html') {
        const maySeeActivity = (await this.#activity?.isOpenTo(visitor)) === true
        const who = { ...pageVisitor(settings, request, visitor.principal), maySeeActivity }
        return sendPage(this.#send, response, (nonce) => listPage(settings, all, who, nonce))
      }
      return sendDocument(this.#send, request, response, listDocument(settings.title, all), show)
    }
    const config = await settings.gateway.lookUpServer(request, name, visitor.principal)
    const accounts = await this.#accounts.of(name, config, visitor)
    const introspection = await this.#listing.introspect(name, config, visitor)
    // After the introspection, whose outcome is part of the server's health.
    const listed = this.#listing.describe(name, config, visitor, accounts)
    if (type === 'text/html') {
      const who = pageVisitor(settings, request, visitor.principal)
      return sendPage(this.#send, response, (nonce) => serverPage(settings, listed, introspection, who, nonce))
    }
    return sendDocument(this.#send, request, response, entryDocument(listed, introspection), show)
  }

  async changeAccount(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const name = new URLSearchParams(request.url?.split('?', 2)[1]).get('server') ?? ''
    await this.#accounts.change(name, request, response, await this.#visitor(request, name))
  }

  async serveActivity(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const authenticate = (): Promise<Visitor> => this.#visitor(request, '')
    const isStream = request.url!.endsWith('&events') && request.method === 'GET'
    const isPage = preferred(request.headers.accept, LIST_TYPES) === 'text/html'
    const form = isStream ? 'events' : isPage ? 'html' : 'json'
    await this.#activity!.serve(response, await authenticate(), { form, authenticate })
  }

  /** The script is the same for everybody, and is served to everybody: pages for visitors who are not known need it. */
  async serveScript(response: ServerResponse): Promise<void> {
    sendScript(this.#send, response, SCRIPT_BYTES)
  }

  get #send(): SendWhole {
    return this.#settings.gateway.send
  }

  /** The visitor, after the same checks, in the same order, that the gateway makes for a message. */
  async #visitor(request: GatewayRequest, server: string): Promise<Visitor> {
    const { gateway } = this.#settings
    gateway.checkHostAndOrigin(request)
    const principal = await gateway.authenticate(request, server)
    if (principal) this.#principals.set(request, principal)
    return { principal, request, mount: mountUrl(request, gateway) }
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

  /** Sends the error as a page. If that fails, sends a bare error and returns the reason. */
  #sendFault(request: GatewayRequest, response: ServerResponse, fault: GatewayError): unknown {
    try {
      const visitor = pageVisitor(this.#settings, request, this.#principals.get(request), fault.status === 401)
      sendPage(this.#send, response, (nonce) => messagePage(this.#settings, fault, visitor, nonce), fault)
      return undefined
    } catch (error) {
      refuse(this.#send, request, response, new GatewayError('internal', 'Internal error'))
      return error
    }
  }
}

/** Whether a request is a CORS preflight. */
function isPreflight({ method, headers }: GatewayRequest): boolean {
  return method === 'OPTIONS' && 'access-control-request-method' in headers
}

function isRead({ method }: GatewayRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}
