/** Attributes of connections, cached per URL, because parsing a URL costs more than a span. */
import type { Attributes } from '@opentelemetry/api'
import type { ServerConfig } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { ATTRIBUTE } from './conventions.ts'

/** How many URLs are cached. */
const MAX_ENDPOINTS = 1_000

const endpoints = new Map<string, Attributes>()

/** The attributes of the connection to a server. */
export function networkOf(config: ServerConfig): Attributes {
  return 'url' in config ? endpointOf(config.url) : overPipe()
}

/** The attributes of the connection to a URL. */
export function endpointOf(url: string | URL): Attributes {
  const key = String(url)
  const known = endpoints.get(key)
  if (known) return known
  const { hostname, port, protocol } = new URL(url)
  const serverPort = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
  const network = { ...overHttp('1.1'), [ATTRIBUTE.serverAddress]: hostname, [ATTRIBUTE.serverPort]: serverPort }
  boundedSet(endpoints, MAX_ENDPOINTS, key, network)
  return network
}

/** `version` is that of HTTP; a client's session has none, because each of its requests has its own. */
export function overHttp(version: string | undefined): Attributes {
  const attributes: Attributes = { [ATTRIBUTE.transport]: 'tcp', [ATTRIBUTE.protocolName]: 'http' }
  if (version !== undefined) attributes[ATTRIBUTE.httpVersion] = version
  return attributes
}

export function overPipe(): Attributes {
  return { [ATTRIBUTE.transport]: 'pipe' }
}
