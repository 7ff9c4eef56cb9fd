/** ServerDirectoryOptions -> Settings: every check and every default, once, at construction. */
import { compilePath, type ServerPath } from '../inbound/path.ts'
import { type GatewayInternals, internalsOf } from '../exchange/gateway-internals.ts'
import { isDictionary } from '../util/json.ts'
import type { Awaitable, Gateway, GatewayRequest, Hook, Principal, ServerConfig } from '../types.ts'

/** Names the servers that a principal may use, in the shape of the gateway's `servers`. */
export type ListServers<P extends Principal = Principal> = Hook<
  [principal: P | undefined, context: { readonly request: GatewayRequest }],
  Awaitable<Readonly<Record<string, ServerConfig<P>>>>
>

/** What `serverDirectory()` takes. */
export interface ServerDirectoryOptions<P extends Principal = Principal> {
  /** What `mcpGateway()` returned. Its `authenticate`, `Host` and `Origin` checks hold here too. Required. */
  readonly gateway: Gateway
  /**
   * The servers this principal may use. Required when the gateway's `servers` is a function; else all of the record are
   * listed. It decides what is shown and nothing more: whatever is fetched goes through the gateway's own lookup.
   */
  readonly list?: ListServers<P> | undefined
  /** The heading of the page. Defaults to `MCP servers`. */
  readonly title?: string | undefined
  /** A sentence below the heading. None by default. */
  readonly description?: string | undefined
  /**
   * Headers that a client must be given by its user, with what to show in place of their values, such as
   * `{ Authorization: 'Bearer YOUR-KEY' }`. None by default: clients that log in by themselves need none.
   */
  readonly clientHeaders?: Readonly<Record<string, string>> | undefined
  /**
   * In front of a server's name in its card, in reverse-DNS form, such as `com.example`. Defaults to the host of
   * `publicUrl`, or of the request, in that form.
   */
  readonly namespace?: string | undefined
  /**
   * Serves the server cards and the catalog to anybody and to pages of any origin, those of the servers that are
   * listed without a principal. Needs the gateway's `publicUrl`: a card that anybody may keep must not name the host
   * that some visitor gave. Off by default: who may not use a server does not learn of it.
   */
  readonly publicCards?: boolean | undefined
}

/** What a directory runs on: complete and checked. */
export interface Settings {
  readonly gateway: GatewayInternals
  readonly list: ListServers
  readonly title: string
  readonly description: string | undefined
  readonly clientHeaders: ReadonlyMap<string, string>
  readonly namespace: string | undefined
  readonly publicCards: boolean
  /** Finds the server's name in the path of a card. */
  readonly cardPath: ServerPath
}

/** Kept complete by the compiler. */
const KNOWN: Readonly<Record<keyof ServerDirectoryOptions, true>> = {
  gateway: true,
  list: true,
  title: true,
  description: true,
  clientHeaders: true,
  namespace: true,
  publicCards: true,
}

/** Where a card is, seen from its endpoint. (SEP-2127) */
export const CARD_SUFFIX = '/server-card'

/** Throws a TypeError that names the option and the cure. */
export function parseSettings<P extends Principal>(given: ServerDirectoryOptions<P>): Settings {
  if (typeof given !== 'object' || given === null || 'headers' in given) {
    throw new TypeError('serverDirectory takes an object: serverDirectory({ gateway })')
  }
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(KNOWN, name))
  if (unknown !== undefined) {
    throw new TypeError(`"${unknown}" is not an option; there are: ${Object.keys(KNOWN).join(', ')}`)
  }
  const gateway = internalsOf(given.gateway)
  if (!gateway) throw new TypeError('"gateway" must be what mcpGateway() returned, itself and not a function around it')
  const { path, onlyServer } = gateway
  return {
    gateway,
    list: parseList(given.list, gateway),
    title: parseText('title', given.title) ?? 'MCP servers',
    description: parseText('description', given.description),
    clientHeaders: parseHeaders(given.clientHeaders),
    namespace: parseNamespace(given.namespace),
    publicCards: parsePublicCards(given.publicCards, gateway),
    cardPath: compilePath(`${path.replace(/\/$/, '')}${CARD_SUFFIX}`, onlyServer),
  }
}

function parseList(list: ListServers | undefined, { servers }: GatewayInternals): ListServers {
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
