/** The connection of a message as attributes; that to a URL is cached, because parsing one costs more than a span. */
import type { Attributes } from '@opentelemetry/api'
import type { ServerConfig } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { ATTRIBUTE } from './conventions.ts'

/** How many URLs are cached. */
const MAX_ENDPOINTS = 1_000

/** A connection. */
export interface Network {
  readonly transport: 'tcp' | 'pipe'
  /** The version of HTTP. A client's session has none, because each of its requests has its own. */
  readonly version?: string | undefined
  /** The server that it leads to. */
  readonly address?: string
  readonly port?: number
}

const OVER_PIPE: Network = { transport: 'pipe' }

const endpoints = new Map<string, Network>()

/** The connection to a server. */
export function networkOf(config: ServerConfig): Network {
  return 'url' in config ? endpointOf(config.url) : OVER_PIPE
}

/** The connection to a URL; `undefined` for a pipe. */
export function endpointOf(url: string | URL | undefined): Network {
  if (url === undefined) return OVER_PIPE
  const key = String(url)
  const known = endpoints.get(key)
  if (known) return known
  const { hostname, port, protocol } = new URL(url)
  const serverPort = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
  const network: Network = { transport: 'tcp', version: '1.1', address: hostname, port: serverPort }
  boundedSet(endpoints, MAX_ENDPOINTS, key, network)
  return network
}

/** Adds the attributes in the order of their names. Each is stored by itself, which V8 does faster than it copies. */
export function addNetwork(attributes: Attributes, { transport, version, address, port }: Network): void {
  if (transport === 'tcp') attributes[ATTRIBUTE.protocolName] = 'http'
  if (version !== undefined) attributes[ATTRIBUTE.httpVersion] = version
  attributes[ATTRIBUTE.transport] = transport
  if (address !== undefined) attributes[ATTRIBUTE.serverAddress] = address
  if (port !== undefined) attributes[ATTRIBUTE.serverPort] = port
}
