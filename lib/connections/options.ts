/** The options of `userConnections()` with their defaults, and their checks. */
import { isSafe } from '../auth/bounded-fetch.ts'
import { checkClientOptions, CLIENT_OPTIONS, isIssuer } from '../auth/client-options.ts'
import type { AppPages } from '../pages/browser.ts'
import type { LoginStore } from '../types.ts'
import { isDictionary } from '../util/json.ts'
import { type ReportError, reporting } from '../util/report.ts'
import { SealingKeys } from '../util/sealing-keys.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import type { ConnectionClient, ConnectionServer, UserConnectionsOptions } from './types.ts'

/** The options with their defaults. */
export interface ConnectionsConfig extends AppPages {
  readonly origin: string
  /** The path of `baseUrl`, without a slash at its end. */
  readonly path: string
  readonly name: string
  readonly redirectUri: string
  readonly clientDocumentUrl: string
  readonly allowLoopback: boolean
  readonly keys: SealingKeys
  readonly store: LoginStore
  readonly ttlMs: number
  readonly report: ReportError
  clientOf(issuer: string): ConnectionClient | undefined
  serverOf(name: string): ConnectionServer | undefined
}

const DEFAULT_TTL_S: number = 180 * 24 * 60 * 60

const CONNECTIONS_OPTIONS: Readonly<Record<keyof UserConnectionsOptions, true>> = {
  baseUrl: true,
  user: true,
  loginUrl: true,
  secrets: true,
  store: true,
  clients: true,
  servers: true,
  ttlS: true,
  title: true,
  onError: true,
}

const CLIENT_ENTRY: Readonly<Record<keyof ConnectionClient, true>> = {
  clientId: true,
  clientSecret: true,
  authMethod: true,
  privateKey: true,
}

const SERVER_OPTIONS: Readonly<Record<keyof ConnectionServer, true>> = {
  issuer: true,
  authorizationEndpoint: true,
  tokenEndpoint: true,
  scopes: true,
  resource: true,
  parameters: true,
}

/** What no option may say of an authorization request, since the answer is checked against it. */
const OWN_PARAMETERS: ReadonlySet<string> = new Set(
  `response_type client_id redirect_uri state code_challenge code_challenge_method scope resource request request_uri
  response_mode`.split(/\s+/),
)

/** Throws a TypeError that names the option and the cure. */
export function parseConnectionsOptions(options: UserConnectionsOptions): ConnectionsConfig {
  requireOption(isDictionary(options), 'takes an object, { baseUrl, user, loginUrl, secrets, store }')
  rejectUnknown(options, CONNECTIONS_OPTIONS, 'userConnections.')
  const { baseUrl, user, loginUrl, secrets, store, clients = {}, servers = {}, ttlS = DEFAULT_TTL_S, title } = options
  requireOption(
    isBaseUrl(baseUrl),
    '"baseUrl" must be an https: URL without query and fragment, such as https://app.example.com/connections',
  )
  const { origin, pathname, host, protocol } = new URL(baseUrl)
  const path = pathname.replace(/\/$/, '')
  requireOption(
    typeof user === 'function',
    '"user" must be a function of the request, which answers { id } or undefined',
  )
  requireOption(isPageOf(loginUrl, origin), `"loginUrl" must be a page of ${origin}, such as /login`)
  requireOption(
    Array.isArray(secrets) && secrets.every((each) => typeof each === 'string'),
    '"secrets" must be an array of texts of 32 characters at least',
  )
  const keys = new SealingKeys('userConnections: "secrets"', secrets, 'express-mcp-gateway connections')
  requireOption(typeof store?.get === 'function', '"store" must be a store, such as a RedisLoginStore')
  requireOption(Number.isInteger(ttlS) && ttlS > 0, '"ttlS" must be a whole number, 1 or more')
  requireOption(title === undefined || (typeof title === 'string' && title !== ''), '"title" must be a text')
  checkClients(clients)
  checkKnownServers(servers, clients)
  return {
    caller: 'userConnections',
    user,
    loginUrl,
    title,
    origin,
    path,
    name: title ?? host,
    redirectUri: `${origin}${path}/callback`,
    clientDocumentUrl: `${origin}${path}/client.json`,
    allowLoopback: protocol === 'http:',
    keys,
    store,
    ttlMs: 1_000 * ttlS,
    report: reporting(options.onError),
    clientOf: (issuer) => (Object.hasOwn(clients, issuer) ? clients[issuer] : undefined),
    serverOf: (name) => (Object.hasOwn(servers, name) ? servers[name] : undefined),
  }
}

function isBaseUrl(baseUrl: unknown): baseUrl is string {
  if (typeof baseUrl !== 'string' || !URL.canParse(baseUrl) || /[?#]/.test(baseUrl)) return false
  const url = new URL(baseUrl)
  // Authorization servers compare the redirect URI letter by letter.
  const isCanonical = baseUrl === url.href || `${baseUrl}/` === url.href
  return isSafe(url) && isCanonical && url.username === '' && url.password === '' && !url.pathname.includes('//')
}

function isPageOf(loginUrl: unknown, origin: string): loginUrl is string {
  if (typeof loginUrl !== 'string' || loginUrl === '' || !URL.canParse(loginUrl, origin) || loginUrl.includes('#'))
    return false
  return new URL(loginUrl, origin).origin === origin
}

function checkClients(clients: NonNullable<UserConnectionsOptions['clients']>): void {
  requireOption(isDictionary(clients), '"clients" must map issuers to { clientId, clientSecret }')
  for (const [issuer, client] of Object.entries(clients)) {
    requireOption(isIssuer(issuer), `"clients" has ${JSON.stringify(issuer)}, which is no issuer: an https: URL`)
    rejectUnknown(client, CLIENT_ENTRY, 'userConnections.clients.')
    const isPublic = client.clientSecret === undefined && client.privateKey === undefined
    // Of a public client all the rest is checked as if it had a secret.
    const whole = { ...client, issuer, ...(isPublic && { clientSecret: 'none' }) }
    checkClientOptions(`userConnections: "clients" for ${JSON.stringify(issuer)}`, whole, CLIENT_OPTIONS)
    requireOption(
      !isPublic || client.authMethod === undefined,
      '"clients" has an "authMethod" without a "clientSecret"',
    )
  }
}

function checkKnownServers(
  servers: NonNullable<UserConnectionsOptions['servers']>,
  clients: NonNullable<UserConnectionsOptions['clients']>,
): void {
  requireOption(isDictionary(servers), '"servers" must map names of servers to { issuer, scopes, resource }')
  for (const [name, server] of Object.entries(servers)) {
    const at = `servers.${name}`
    rejectUnknown(server, SERVER_OPTIONS, `userConnections.${at}.`)
    const { issuer, authorizationEndpoint, tokenEndpoint, scopes, resource, parameters } = server
    requireOption(
      issuer === undefined || isIssuer(issuer),
      `"${at}.issuer" must be an https: URL, exactly as in its metadata`,
    )
    for (const [option, url] of Object.entries({ authorizationEndpoint, tokenEndpoint })) {
      requireOption(url === undefined || isEndpoint(url), `"${at}.${option}" must be an https: URL`)
    }
    const hasEndpoint = authorizationEndpoint !== undefined || tokenEndpoint !== undefined
    requireOption(
      !hasEndpoint || (issuer !== undefined && authorizationEndpoint !== undefined && tokenEndpoint !== undefined),
      `"${at}" needs "issuer", "authorizationEndpoint" and "tokenEndpoint" together`,
    )
    requireOption(
      !hasEndpoint || Object.hasOwn(clients, issuer!),
      `"${at}" has endpoints of an issuer without metadata: "clients" needs an entry for ${JSON.stringify(issuer)}`,
    )
    requireOption(
      scopes === undefined || (Array.isArray(scopes) && scopes.every(isScope)),
      `"${at}.scopes" must be an array of scopes`,
    )
    requireOption(
      resource === undefined || resource === false || (URL.canParse(resource) && !resource.includes('#')),
      `"${at}.resource" must be an absolute URI without fragment, or false`,
    )
    checkParameters(at, parameters)
  }
}

function checkParameters(at: string, parameters: unknown = {}): void {
  const isRecord = isDictionary(parameters) && Object.values(parameters).every((value) => typeof value === 'string')
  requireOption(isRecord, `"${at}.parameters" must be a record of strings`)
  const own = Object.keys(parameters as object).find((name) => OWN_PARAMETERS.has(name))
  requireOption(own === undefined, `"${at}.parameters" may not have "${own}", which the gateway sets or cannot use`)
}

function isScope(scope: unknown): boolean {
  return typeof scope === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)
}

function isEndpoint(url: unknown): boolean {
  return typeof url === 'string' && URL.canParse(url) && isSafe(new URL(url))
}

function requireOption(isRight: boolean, what: string): asserts isRight {
  if (!isRight) throw new TypeError(`userConnections: ${what}`)
}
