/** Checks GatewayOptions once, at construction, and fills in the defaults. */
import { IncomingMessage } from 'node:http'
import { type ProtectedServers, parseProtectedResource } from './inbound/access/protected-resource.ts'
import { compilePath, type ServerPath } from './inbound/path.ts'
import type { HostRules } from './inbound/host-origin.ts'
import { type InterceptorSet, parseInterceptors } from './layers/interceptors/interceptor-set.ts'
import { type Observation, parseObservation } from './observe/observation-options.ts'
import { parseServers } from './server-options.ts'
import { MemorySessionStore } from './stores/memory-session-store.ts'
import type {
  Authenticate,
  EventLog,
  GatewayOptions,
  Principal,
  ServerConfig,
  ServerLookup,
  SessionStore,
} from './types.ts'
import { isDictionary, kindOf } from './util/json.ts'
import { checkSecrets } from './util/sealing-keys.ts'
import { type ReportError, reporting } from './util/report.ts'
import { rejectUnknown } from './util/unknown-key.ts'
import { inspect, parseList, parseNumber } from './util/option-checks.ts'

/** The checked options, with defaults. */
export interface Config {
  readonly serverPath: ServerPath
  /** The option `path`. `onlyServer` is the server's name where the path has no `:name`. */
  readonly path: string
  readonly onlyServer: string | undefined
  readonly publicUrl: URL | undefined
  readonly hostRules: HostRules
  readonly authenticate: Authenticate | false
  readonly lookup: ServerLookup
  readonly protectedServers: ProtectedServers
  /** The servers by name; `undefined` where `servers` is a function. */
  readonly servers: ReadonlyMap<string, ServerConfig> | undefined
  readonly sessions: SessionStore
  /** Whether sessions are kept in this process alone, so that all requests of a session arrive here. */
  readonly sessionsAreLocal: boolean
  /** The most sessions that are kept; `undefined` if the store does not say. */
  readonly maxSessions: number | undefined
  readonly events: EventLog | undefined
  /** The secrets for what the gateway itself seals. */
  readonly keys: GatewayOptions['keys']
  /** The interceptors of the gateway. */
  readonly intercept: InterceptorSet | undefined
  /** The capacity of the cache in bytes; 0 without a cache. */
  readonly cacheBytes: number
  readonly bodyBytes: number
  /** The limits of each principal: the bytes of its bodies, and its pending requests. */
  readonly principalBytes: number
  readonly principalCalls: number
  readonly connectMs: number
  readonly responseMs: number
  readonly stallMs: number
  readonly recheckMs: number
  /** The options `audit` and `telemetry`. */
  readonly observation: Observation
  readonly report: ReportError
}

/** The names of all options: the compiler rejects a record that lacks one. */
const KNOWN: Readonly<Record<keyof GatewayOptions, true>> = {
  servers: true,
  authenticate: true,
  sessions: true,
  events: true,
  keys: true,
  path: true,
  publicUrl: true,
  protectedResource: true,
  allowedHosts: true,
  allowedOrigins: true,
  intercept: true,
  cache: true,
  limits: true,
  timeouts: true,
  recheckMs: true,
  audit: true,
  telemetry: true,
  onError: true,
}

/** Throws a TypeError that names the option and the cure. */
export function parseOptions<P extends Principal>(given: GatewayOptions<P>): Config {
  checkUse(given)
  rejectMoved(given)
  rejectUnknown(given, KNOWN, '')
  const { limits = {}, timeouts = {}, servers, path: givenPath = '/:name/mcp' } = given
  rejectUnknown(limits, { bodyBytes: true, principalBytes: true, principalCalls: true }, 'limits.')
  rejectUnknown(timeouts, { connectMs: true, responseMs: true, stallMs: true }, 'timeouts.')
  if (typeof servers !== 'function' && !isDictionary(servers)) throw noServers(servers)
  const path = parsePath(givenPath)
  const onlyServer = parseOnlyServer(path, servers)
  const publicUrl = parsePublicUrl(given.publicUrl)
  const serverPath = compilePath(path, onlyServer)
  const authenticate = parseAuthenticate(given.authenticate)
  const lookup = parseServers(given) as ServerLookup
  const sessions = parseSessions(given.sessions)
  return {
    serverPath,
    path,
    onlyServer,
    publicUrl,
    hostRules: parseHostRules(given, publicUrl),
    authenticate,
    lookup,
    servers: typeof servers === 'function' ? undefined : new Map(Object.entries(servers)),
    protectedServers: parseProtectedResource(given, path, serverPath),
    sessions,
    sessionsAreLocal: sessions instanceof MemorySessionStore,
    maxSessions: sessions instanceof MemorySessionStore ? sessions.maxSessions : undefined,
    events: parseEvents(given.events),
    keys: parseKeys(given.keys),
    intercept: parseInterceptors(given.intercept),
    cacheBytes: parseCache(given.cache),
    bodyBytes: parseNumber('limits.bodyBytes', limits.bodyBytes, 4 * 1024 * 1024, 1),
    principalBytes: parseNumber('limits.principalBytes', limits.principalBytes, 64 * 1024 * 1024, 1),
    principalCalls: parseNumber('limits.principalCalls', limits.principalCalls, 1_000, 1),
    connectMs: parseNumber('timeouts.connectMs', timeouts.connectMs, 10_000, 1),
    responseMs: parseNumber('timeouts.responseMs', timeouts.responseMs, 300_000, 0),
    stallMs: parseNumber('timeouts.stallMs', timeouts.stallMs, 60_000, 1),
    recheckMs: parseNumber('recheckMs', given.recheckMs, 60_000, 1),
    report: reporting(given.onError),
    observation: parseObservation(given),
  }
}

function checkUse(given: unknown): void {
  if (given instanceof IncomingMessage) {
    throw new TypeError('mcpGateway was mounted itself: write app.use(mcpGateway({ ... })), not app.use(mcpGateway)')
  }
  if (typeof given !== 'object' || given === null) {
    throw new TypeError('mcpGateway takes an object: mcpGateway({ servers, authenticate })')
  }
}

/** Names what an option of 0.1 is called since: nothing that is known by its old name is alike enough to be suggested. */
function rejectMoved({ limits, timeouts }: GatewayOptions): void {
  const moved = (from: string, to: string): TypeError => new TypeError(`"${from}" has become "${to}"`)
  if (isDictionary(limits) && 'stallMs' in limits) throw moved('limits.stallMs', 'timeouts.stallMs')
  if (isDictionary(timeouts) && 'recheckMs' in timeouts) throw moved('timeouts.recheckMs', 'recheckMs')
}

function parsePath(path: string): string {
  if (typeof path === 'string' && /^\/[^?#]*$/.test(path) && path.split(':').length <= 2) {
    if (!path.includes(':') || /(^|\/):name(\/|$)/.test(path)) return path
  }
  throw new TypeError(`"path" must be like "/:name/mcp", with ":name" as a segment or without it, not ${inspect(path)}`)
}

/** A path without `:name` serves one server: its name, or a TypeError where `servers` has several. */
function parseOnlyServer(path: string, servers: unknown): string | undefined {
  if (path.includes(':name') || typeof servers !== 'object' || servers === null) return undefined
  const names = Object.keys(servers)
  if (names.length === 1) return names[0]
  throw new TypeError(`"path" without ":name" serves one server, but "servers" has ${names.length}`)
}

/** Refuses an array, a Map or a promise: read by their keys, they would have no servers, without an error. */
function noServers(given: unknown): TypeError {
  const cure = 'await a promise before, and make Object.fromEntries() of a Map'
  const what = 'must be a record, { name: { url } }, or a function (name, { principal, request })'
  return new TypeError(`"servers" ${what}, not ${kindOf(given)}: ${cure}`)
}

function parseAuthenticate<P extends Principal>(authenticate: GatewayOptions<P>['authenticate']): typeof authenticate {
  if (authenticate === false || typeof authenticate === 'function') return authenticate
  throw new TypeError(
    '"authenticate" must be a function (request, { server }) that answers { id } or undefined, or false to let everybody in',
  )
}

function parseSessions(store: SessionStore = new MemorySessionStore()): SessionStore {
  for (const method of ['create', 'get', 'delete'] as const) {
    if (typeof store?.[method] !== 'function') {
      throw new TypeError(`"sessions" must be a store with create, get and delete; "${method}" is not a function`)
    }
  }
  return store
}

function parseEvents(log: EventLog | undefined): EventLog | undefined {
  if (log === undefined) return undefined
  for (const method of ['append', 'read', 'last', 'claim', 'release'] as const) {
    if (typeof log?.[method] !== 'function') {
      throw new TypeError(`"events" must be an event log such as new MemoryEventLog(); "${method}" is not a function`)
    }
  }
  return log
}

function parseKeys(keys: GatewayOptions['keys']): GatewayOptions['keys'] {
  if (keys !== undefined) checkSecrets('"keys"', keys)
  return keys
}

function parseCache(cache: GatewayOptions['cache'] = false): number {
  if (cache === false) return 0
  if (cache !== true && !isDictionary(cache)) {
    throw new TypeError(`"cache" must be true, false or { maxBytes }, not ${inspect(cache)}`)
  }
  const { maxBytes, ...unknown } = cache === true ? {} : cache
  rejectUnknown(unknown, { maxBytes: true }, 'cache.')
  return parseNumber('cache.maxBytes', maxBytes, 16 * 1024 * 1024, 1)
}

function parsePublicUrl(publicUrl: GatewayOptions['publicUrl']): URL | undefined {
  if (publicUrl === undefined) return undefined
  const url = URL.canParse(String(publicUrl)) ? new URL(publicUrl) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new TypeError(`"publicUrl" must be an absolute http: or https: URL, not ${inspect(publicUrl)}`)
}

function parseHostRules(
  { allowedHosts, allowedOrigins }: Pick<GatewayOptions, 'allowedHosts' | 'allowedOrigins'>,
  publicUrl: URL | undefined,
): HostRules {
  const hosts = new Set(parseList('allowedHosts', allowedHosts, /^[^/\s]+$/, 'example.com or example.com:8443'))
  const origins = new Set(
    parseList('allowedOrigins', allowedOrigins, /^[a-z][a-z0-9+.-]*:\/\/[^/\s]+$/, 'https://example.com'),
  )
  if (publicUrl) {
    hosts.add(publicUrl.host)
    origins.add(publicUrl.origin)
  }
  return { hosts, origins, everySocket: allowedHosts !== undefined }
}
