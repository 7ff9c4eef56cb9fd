/** The options of `agentLogin()` with their defaults, and their checks. */
import { isSafe } from '../auth/bounded-fetch.ts'
import { checkScopes } from '../inbound/access/scopes.ts'
import type { GatewayRequest, LoginStore } from '../types.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import type { AgentLoginOptions, KnownClient } from './agent-login-options.ts'
import { MemoryLoginStore } from '../stores/memory-login-store.ts'
import { faultOfRedirectUri } from './redirect-uri.ts'
import { type SigningKey, signingKeys } from './signing-keys.ts'

/** The options with their defaults. */
export interface LoginConfig {
  readonly caller: 'agentLogin'
  readonly issuer: string
  readonly origin: string
  /** The path of the issuer, without a slash at its end. */
  readonly path: string
  readonly isOnThisMachine: boolean
  readonly user: AgentLoginOptions['user']
  readonly loginUrl: string
  readonly keys: readonly SigningKey[]
  readonly secrets: readonly string[]
  readonly store: LoginStore
  readonly scopes: Readonly<Record<string, string>>
  /** The scope that every agent gets. */
  readonly baseScope: string
  readonly allowClient: AgentLoginOptions['allowClient']
  readonly clients: readonly KnownClient[]
  readonly registration:
    | { readonly ttlS: number; readonly perMinute: number; readonly addressOf: (request: GatewayRequest) => string }
    | undefined
  readonly remember: boolean
  readonly ttl: {
    readonly accessS: number
    readonly refreshS: number
    readonly grantS: number
    readonly reuseS: number
  }
  readonly principal: AgentLoginOptions['principal']
  readonly title: string | undefined
  readonly report: (error: unknown, request: GatewayRequest | undefined) => void
}

const DAY_S = 24 * 60 * 60
const MAX_REUSE_S = 3_600

const OPTION_NAMES: Readonly<Record<keyof AgentLoginOptions, true>> = {
  issuer: true,
  user: true,
  loginUrl: true,
  keys: true,
  secrets: true,
  store: true,
  scopes: true,
  allowClient: true,
  clients: true,
  registration: true,
  remember: true,
  ttl: true,
  principal: true,
  title: true,
  onError: true,
}

/** Throws a TypeError that names the option and the cure. */
export function parseLoginOptions(options: AgentLoginOptions): LoginConfig {
  requireThat(
    typeof options === 'object' && options !== null,
    'takes an object, { issuer, user, loginUrl, keys, secrets }',
  )
  rejectUnknown(options, OPTION_NAMES, 'agentLogin.')
  const { issuer, user, loginUrl, secrets, store, allowClient, principal, title, onError, remember = false } = options
  const url = isLoginIssuer(issuer) ? new URL(issuer) : undefined
  requireThat(
    url !== undefined,
    '"issuer" must be an https: URL, without query and fragment, such as https://app.example.com',
  )
  requireThat(isBelow(loginUrl, url.origin), `"loginUrl" must be a page of ${url.origin}, such as /login`)
  requireThat(areSecrets(secrets), '"secrets" must be an array of texts of 32 characters at least')
  requireTypes(options)
  const scopes = scopesFrom(options.scopes)
  return {
    caller: 'agentLogin',
    issuer,
    origin: url.origin,
    path: url.pathname.replace(/\/$/, ''),
    isOnThisMachine: url.protocol === 'http:',
    user,
    loginUrl,
    keys: signingKeys(options.keys),
    secrets,
    store: store ?? new MemoryLoginStore(),
    scopes,
    baseScope: Object.keys(scopes)[0]!,
    allowClient,
    clients: clientsFrom(options.clients),
    registration: registrationFrom(options.registration),
    remember,
    ttl: ttlFrom(options.ttl),
    principal,
    title,
    report: reportingTo(onError),
  }
}

function requireTypes({ user, store, allowClient, principal, title, onError, remember }: AgentLoginOptions): void {
  requireThat(
    typeof user === 'function',
    '"user" must be a function of the request, which answers { id, name } or undefined',
  )
  for (const [name, hook] of Object.entries({ allowClient, principal, onError })) {
    requireThat(hook === undefined || typeof hook === 'function', `"${name}" must be a function`)
  }
  requireThat(
    store === undefined || typeof store?.get === 'function',
    '"store" must be a store, such as a RedisLoginStore',
  )
  requireThat(remember === undefined || typeof remember === 'boolean', '"remember" must be true or false')
  requireThat(title === undefined || typeof title === 'string', '"title" must be a text')
}

function isLoginIssuer(issuer: unknown): issuer is string {
  if (typeof issuer !== 'string' || !URL.canParse(issuer) || /[?#]/.test(issuer)) return false
  const url = new URL(issuer)
  // Clients compare issuers letter by letter, and some parse them before.
  const isCanonical = issuer === url.href || `${issuer}/` === url.href
  return isSafe(url) && isCanonical && url.username === '' && !url.pathname.includes('//')
}

function isBelow(loginUrl: unknown, origin: string): loginUrl is string {
  if (typeof loginUrl !== 'string' || loginUrl === '' || !URL.canParse(loginUrl, origin) || loginUrl.includes('#'))
    return false
  return new URL(loginUrl, origin).origin === origin
}

function areSecrets(secrets: unknown): secrets is readonly string[] {
  const isSecret = (each: unknown): boolean => typeof each === 'string' && each.length >= 32
  return Array.isArray(secrets) && secrets.length > 0 && secrets.every(isSecret)
}

function scopesFrom(scopes: AgentLoginOptions['scopes']): Readonly<Record<string, string>> {
  if (scopes === undefined) return { mcp: 'Use this server as you' }
  const isRecord = typeof scopes === 'object' && scopes !== null && !Array.isArray(scopes)
  const entries = isRecord ? Object.entries(scopes) : []
  requireThat(entries.length > 0, '"scopes" must map scopes to words, such as { mcp: "Use this server as you" }')
  checkScopes('agentLogin: "scopes"', Object.keys(scopes))
  for (const [name, words] of entries) {
    requireThat(typeof words === 'string' && words !== '', `"scopes" needs words for ${JSON.stringify(name)}`)
    requireThat(name !== 'openid', '"scopes" may not have "openid": agentLogin() issues no ID tokens')
  }
  return scopes
}

function clientsFrom(clients: AgentLoginOptions['clients'] = []): readonly KnownClient[] {
  requireThat(Array.isArray(clients), '"clients" must be an array of { id, name, redirectUris }')
  const ids = new Set<string>()
  for (const client of clients) {
    const { id, name, redirectUris } = client ?? {}
    const isWhole = typeof id === 'string' && id !== '' && typeof name === 'string' && name !== ''
    requireThat(isWhole, '"clients" needs an "id" and a "name" for each')
    requireThat(!ids.has(id), `"clients" has the id ${JSON.stringify(id)} twice`)
    ids.add(id)
    const areUris =
      Array.isArray(redirectUris) &&
      redirectUris.length > 0 &&
      redirectUris.every((uri) => faultOfRedirectUri(uri) === undefined)
    requireThat(
      areUris,
      `"clients" needs "redirectUris" for ${JSON.stringify(id)}, an array of URIs with https:, loopback http:, or the scheme of an app`,
    )
  }
  return clients
}

function registrationFrom(registration: AgentLoginOptions['registration'] = false): LoginConfig['registration'] {
  if (registration === false) return undefined
  const given = registration === true ? {} : registration
  requireThat(
    typeof given === 'object' && given !== null,
    '"registration" must be true, false or { ttlS, perMinute, addressOf }',
  )
  rejectUnknown(given, { ttlS: true, perMinute: true, addressOf: true }, 'agentLogin.registration.')
  const { ttlS = 30 * DAY_S, perMinute = 20, addressOf = ({ socket }) => socket.remoteAddress ?? '' } = given
  positiveSeconds('registration.ttlS', ttlS)
  positiveSeconds('registration.perMinute', perMinute)
  requireThat(typeof addressOf === 'function', '"registration.addressOf" must be a function of the request')
  return { ttlS, perMinute, addressOf }
}

function ttlFrom(ttl: AgentLoginOptions['ttl'] = {}): LoginConfig['ttl'] {
  requireThat(typeof ttl === 'object' && ttl !== null, '"ttl" must be { accessS, refreshS, grantS, reuseS }')
  rejectUnknown(ttl, { accessS: true, refreshS: true, grantS: true, reuseS: true }, 'agentLogin.ttl.')
  const { accessS = 300, refreshS = 30 * DAY_S, grantS = 180 * DAY_S, reuseS = 60 } = ttl
  for (const [name, value] of Object.entries({ accessS, refreshS, grantS })) positiveSeconds(`ttl.${name}`, value)
  const isReuse = Number.isInteger(reuseS) && reuseS >= 0 && reuseS <= MAX_REUSE_S
  requireThat(isReuse, `"ttl.reuseS" must be a number of seconds from 0 to ${MAX_REUSE_S}`)
  return { accessS, refreshS, grantS, reuseS }
}

function positiveSeconds(option: string, value: unknown): void {
  requireThat(Number.isInteger(value) && (value as number) > 0, `"${option}" must be a whole number, 1 or more`)
}

function reportingTo(onError: AgentLoginOptions['onError'] = (error) => console.error('express-mcp-gateway:', error)) {
  return (thrown: unknown, request: GatewayRequest | undefined): void => {
    try {
      onError(thrown instanceof Error ? thrown : new Error(String(thrown)), { request })
    } catch (fault) {
      console.error('express-mcp-gateway: "onError" threw', fault)
    }
  }
}

function requireThat(isRight: boolean, what: string): asserts isRight {
  if (!isRight) throw new TypeError(`agentLogin: ${what}`)
}
