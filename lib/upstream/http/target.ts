/** Checks a server's config, and prepares the URL and headers of its requests. */
import { createHash } from 'node:crypto'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { EVENT_STREAM_TYPE, JSON_TYPE } from '../../protocol.ts'
import type { HttpServer } from '../../types.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import { isDictionary, kindOf } from '../../util/json.ts'
import { alternatives, unknownKey } from '../../util/unknown-key.ts'
import { faultOfBridge } from '../server-kind.ts'
import { OWN_HEADERS } from './headers.ts'

/** The endpoint of a server, and the headers of every request as a flat list: name, value, name, value ... */
export interface Target {
  /** Identifies the endpoint, and contains no secret. */
  readonly id: string
  readonly url: string
  readonly origin: string
  readonly path: string
  readonly headers: readonly string[]
}

/** HD1: every request accepts both media types. HD17: no content coding, so that bytes can be relayed. */
const EVERY_REQUEST = ['accept', `${JSON_TYPE}, ${EVENT_STREAM_TYPE}`, 'accept-encoding', 'identity']

const known = new WeakMap<
  HttpServer,
  { readonly url: string | URL; readonly headers: unknown; readonly target: Target }
>()

/** The allowed keys; the type makes the compiler report a missing one. */
const SERVER_KEYS: Readonly<Record<keyof HttpServer, true>> = {
  type: true,
  url: true,
  headers: true,
  protocol: true,
  bridge: true,
  recover: true,
  scopes: true,
  intercept: true,
  title: true,
  description: true,
  tags: true,
  version: true,
}

/** The keys of an `mcpServers` entry whose server is a process. */
const PROCESS_KEYS: ReadonlySet<string> = new Set(['command', 'args', 'env', 'cwd'])

const RUN_BY_STDIO =
  'no plain entry starts a process: stdio({ command, args }) of "express-mcp-gateway/stdio" makes one that does'

/** What to use in place of a transport that is not supported here. */
const CURES: Readonly<Record<string, string>> = {
  stdio: RUN_BY_STDIO,
}

/** Throws a TypeError that names the fault and the cure. A config object is checked again only if it has changed. */
export function targetOf(server: string, config: HttpServer): Target {
  const before = known.get(config)
  if (before && before.url === config.url && before.headers === config.headers) return before.target
  const fault = (what: string): TypeError => new TypeError(`Server ${JSON.stringify(server)}: ${what}`)
  checkKeys(config, fault)
  const { type = 'http', url: given, headers, protocol = 'auto', recover = false, bridge } = config
  if (type !== 'http' && type !== 'streamable-http') {
    const cure = CURES[String(type)]
    const not = `"type" must be "http", "streamable-http" or "sse", not ${JSON.stringify(type)}`
    throw fault(cure === undefined ? not : `${not}: ${cure}`)
  }
  if (protocol !== 'auto' && protocol !== 'legacy' && protocol !== 'modern') {
    throw fault(`"protocol" must be "auto", "legacy" or "modern", not ${JSON.stringify(protocol)}`)
  }
  if (typeof recover !== 'boolean') throw fault(`"recover" must be true or false, not ${JSON.stringify(recover)}`)
  const wrong = faultOfBridge(bridge, protocol)
  if (wrong !== undefined) throw fault(wrong)
  const url = checkUrl(given, fault)
  const target: Target = {
    id: upstreamIdOf(url.href),
    url: url.href,
    origin: url.origin,
    path: url.pathname + url.search,
    headers:
      headers === undefined || typeof headers === 'function'
        ? EVERY_REQUEST
        : [...EVERY_REQUEST, ...checkHeaders(server, headers)],
  }
  known.set(config, { url: given, headers, target })
  return target
}

/** Parses the URL of a server. Credentials in it are an error. */
export function checkUrl(given: unknown, fault: (what: string) => TypeError): URL {
  const url = URL.canParse(String(given)) ? new URL(String(given)) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw fault(`"url" must be an absolute http: or https: URL, not ${JSON.stringify(withoutCredentials(given))}`)
  }
  if (url.username !== '' || url.password !== '') {
    throw fault('"url" may not hold credentials; put them into "headers"')
  }
  return url
}

/** Unknown keys are an error, because a misspelt one may be the key that restricts access. */
function checkKeys(config: unknown, fault: (what: string) => TypeError): void {
  if (!isDictionary(config)) throw fault(`a server's config must be an object such as { url }, not ${kindOf(config)}`)
  const unknown = unknownKey(config, SERVER_KEYS)
  if (unknown === undefined) return
  if (PROCESS_KEYS.has(unknown)) throw fault(`"${unknown}" is not taken: ${RUN_BY_STDIO}`)
  throw fault(`${JSON.stringify(unknown)} is not a key of a server's config; ${alternatives(unknown, SERVER_KEYS)}`)
}

/** How many ids are cached, since a lookup may create a new config for each request. */
const MAX_IDS = 1_000

const ids = new Map<string, string>()

/** A digest, because the query of the URL may contain secrets. */
function upstreamIdOf(url: string): string {
  const before = ids.get(url)
  if (before !== undefined) return before
  const id = createHash('sha256').update(url).digest('base64url').slice(0, 22)
  boundedSet(ids, MAX_IDS, url, id)
  return id
}

function withoutCredentials(url: unknown): string {
  return String(url).replace(/\/\/[^/]*@/, '//***@')
}

/** The types of a header value; a number is sent as text. */
const SENDABLE: ReadonlySet<string> = new Set(['string', 'number'])

/** The headers of a server's config as a flat list. Throws a TypeError if one cannot be sent. */
export function checkHeaders(server: string, headers: Readonly<Record<string, string>>): string[] {
  const flat: string[] = []
  if (!isDictionary(headers)) {
    const what = `must be an object of names and values, or a function that answers one, not ${kindOf(headers)}`
    throw new TypeError(`Server ${JSON.stringify(server)}: "headers" ${what}: Object.fromEntries(headers) may make one`)
  }
  for (const [name, value] of Object.entries(headers)) {
    if (OWN_HEADERS.has(name.toLowerCase())) {
      throw new TypeError(`Server ${JSON.stringify(server)}: "headers" may not set ${name}, the gateway does`)
    }
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
      // Node accepts any value: it would send a promise as "[object Promise]".
      if (!SENDABLE.has(typeof value)) throw new TypeError('no text')
    } catch {
      // The message leaves out the value, which may be a secret.
      throw new TypeError(
        `Server ${JSON.stringify(server)}: "headers" has ${JSON.stringify(name)}, which cannot be sent`,
      )
    }
    flat.push(name, value)
  }
  return flat
}
