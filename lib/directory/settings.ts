/** Checks ServerDirectoryOptions once, at construction, and fills in the defaults. */
import { compilePath, type ServerPath } from '../inbound/path.ts'
import { type GatewayInternals, internalsOf } from '../exchange/gateway-internals.ts'
import { isDictionary } from '../util/json.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import type { Awaitable, Gateway, GatewayRequest, Hook, Principal, ServerConfig } from '../types.ts'

/** Returns the servers that a principal may use, by name. `principal` is `undefined` with `authenticate: false`. */
export type ListServers<P extends Principal = Principal> = Hook<
  [principal: P | undefined, context: { readonly request: GatewayRequest }],
  Awaitable<Readonly<Record<string, ServerConfig<P>>>>
>

/** Whether a principal may see the activity. `principal` is `undefined` with `authenticate: false`. */
export type ActivityHook<P extends Principal = Principal> = Hook<
  [principal: P | undefined, context: { readonly request: GatewayRequest }],
  Awaitable<boolean>
>

/** The options of `serverDirectory()`. */
export interface ServerDirectoryOptions<P extends Principal = Principal> {
  /** The gateway that `mcpGateway()` returned. Its `authenticate`, `Host` and `Origin` checks apply here too. Required. */
  readonly gateway: Gateway
  /**
   * Returns the servers that a principal may use. Defaults to all servers of the gateway's record; required when its
   * `servers` is a function. It decides what the list shows, not who has access: requests go through the gateway's
   * own lookup.
   */
  readonly list?: ListServers<P> | undefined
  /** The heading of the page. Defaults to `MCP servers`. */
  readonly title?: string | undefined
  /** A sentence below the heading. Defaults to none. */
  readonly description?: string | undefined
  /**
   * Headers that users have to configure in their clients, with placeholders for the values, such as
   * `{ Authorization: 'Bearer YOUR-KEY' }`. Defaults to none: clients that log in by OAuth need none.
   */
  readonly clientHeaders?: Readonly<Record<string, string>> | undefined
  /**
   * The app's login page, a path such as `/login` or an `https:` URL, for visitors who are not known. It gets
   * `?return_to=` with the path of the page. Defaults to none.
   */
  readonly loginUrl?: string | undefined
  /**
   * Whether visitors may try tools, prompts and resources on a server's page. The page sends their requests to the
   * server's own endpoint, as any client would. Defaults to `true`; with `authenticate: false` it is off all the same
   * unless the request comes over a loopback socket and its `Host` is a loopback name.
   */
  readonly tryIt?: boolean | undefined
  /**
   * Whether a principal may see the activity of the gateway at `?view=activity`: how often tools are called, how long
   * they take, errors, refusals, for all principals and without content. While it is set, every request is observed.
   * Defaults to nobody.
   */
  readonly activity?: ActivityHook<P> | undefined
  /**
   * The prefix of server names in cards, in reverse-DNS form, such as `com.example`. Defaults to the host of
   * `publicUrl`, or of the request, in that form.
   */
  readonly namespace?: string | undefined
  /**
   * Serves the server cards and the catalog without authentication and to pages of any origin, for the servers that
   * `list` returns without a principal. Requires the gateway's `publicUrl`, since caches may keep public cards and these
   * must not name a host taken from a request. Defaults to `false`: only principals that may use a server see its card.
   */
  readonly publicCards?: boolean | undefined
}

/** The checked options, with defaults. */
export interface Settings {
  readonly gateway: GatewayInternals
  readonly list: ListServers
  readonly title: string
  readonly description: string | undefined
  readonly clientHeaders: ReadonlyMap<string, string>
  readonly loginUrl: string | undefined
  readonly tryIt: boolean
  /** `undefined` if it is off. */
  readonly activity: ActivityHook | undefined
  readonly namespace: string | undefined
  readonly publicCards: boolean
  /** Finds the server's name in the path of a card. */
  readonly cardPath: ServerPath
}

/** The names of all options: the compiler rejects a record that lacks one. */
const KNOWN: Readonly<Record<keyof ServerDirectoryOptions, true>> = {
  gateway: true,
  list: true,
  title: true,
  description: true,
  clientHeaders: true,
  loginUrl: true,
  tryIt: true,
  activity: true,
  namespace: true,
  publicCards: true,
}

/** The path of a card below its endpoint. (SEP-2127) */
export const CARD_SUFFIX = '/server-card'

/** Throws a TypeError that names the option and the cure. */
export function parseSettings<P extends Principal>(given: ServerDirectoryOptions<P>): Settings {
  if (typeof given !== 'object' || given === null || 'headers' in given) {
    throw new TypeError('serverDirectory takes an object: serverDirectory({ gateway })')
  }
  rejectUnknown(given, KNOWN, '')
  const gateway = internalsOf(given.gateway)
  if (!gateway) throw new TypeError('"gateway" must be what mcpGateway() returned, itself and not a function around it')
  const { path, onlyServer } = gateway
  return {
    gateway,
    list: parseListHook(given.list, gateway),
    title: parseText('title', given.title) ?? 'MCP servers',
    description: parseText('description', given.description),
    clientHeaders: parseHeaders(given.clientHeaders),
    loginUrl: parseLoginUrl(given.loginUrl),
    tryIt: parseFlag('tryIt', given.tryIt === undefined || given.tryIt),
    activity: parseActivity(given.activity),
    namespace: parseNamespace(given.namespace),
    publicCards: parsePublicCards(given.publicCards, gateway),
    cardPath: compilePath(`${path.replace(/\/$/, '')}${CARD_SUFFIX}`, onlyServer),
  }
}

function parseListHook(list: ListServers | undefined, { servers }: GatewayInternals): ListServers {
  if (typeof list === 'function') return list
  if (list !== undefined)
    throw new TypeError('"list" must be a function (principal, { request }) => ({ name: config })')
  if (servers) {
    const all = Object.fromEntries(servers)
    return () => all
  }
  throw new TypeError(
    '"list" is required where the gateway\'s "servers" is a function: (principal, { request }) => ({ name: config })',
  )
}

function parseText(option: string, text: string | undefined): string | undefined {
  if (text === undefined || (typeof text === 'string' && text.trim() !== '')) return text
  throw new TypeError(`"${option}" must be a text that is not empty`)
}

function parseLoginUrl(url: string | undefined): string | undefined {
  const isPath = typeof url === 'string' && /^\/(?![/\\])/.test(url)
  if (url === undefined || isPath || (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol))) return url
  throw new TypeError('"loginUrl" must be a path such as "/login", or an absolute URL')
}

function parseActivity(hook: ActivityHook | undefined): ActivityHook | undefined {
  if (hook === undefined || typeof hook === 'function') return hook
  throw new TypeError(
    '"activity" must be a function (principal, { request }) => boolean, such as ({ id }) => id === admin',
  )
}

function parseFlag(option: string, flag: boolean = false): boolean {
  if (typeof flag === 'boolean') return flag
  throw new TypeError(`"${option}" must be true or false`)
}

function parsePublicCards(flag: boolean | undefined, { publicUrl }: GatewayInternals): boolean {
  const publicCards = parseFlag('publicCards', flag)
  if (!publicCards || publicUrl) return publicCards
  throw new TypeError('"publicCards" needs the "publicUrl" of the gateway: mcpGateway({ publicUrl, ... })')
}

function parseHeaders(headers: Readonly<Record<string, string>> = {}): ReadonlyMap<string, string> {
  const fault = (): TypeError =>
    new TypeError(`"clientHeaders" takes names and values such as { Authorization: 'Bearer YOUR-KEY' }`)
  if (!isDictionary(headers)) throw fault()
  const map = new Map(Object.entries(headers))
  for (const [name, value] of map) {
    if (!/^[\w-]+$/.test(name) || typeof value !== 'string' || !/^[\x20-\x7e]+$/.test(value)) throw fault()
  }
  return map
}

function parseNamespace(namespace: string | undefined): string | undefined {
  if (namespace === undefined || (typeof namespace === 'string' && /^[a-zA-Z0-9.-]{1,100}$/.test(namespace))) {
    return namespace
  }
  throw new TypeError('"namespace" must be like "com.example": letters, digits, dots and hyphens')
}
