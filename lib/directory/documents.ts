/** What machines read: the list, a server's card, and the catalog of cards. */
import { LEGACY_VERSIONS, MODERN_VERSIONS } from '../protocol.ts'
import type { ServerConfig } from '../types.ts'
import type { JsonObject } from '../util/json.ts'
import type { Listed, Opened } from './listing.ts'
import { clip } from './weight.ts'

/** The media types of experimental-ext-server-card, docs/discovery.md. */
export const CARD_TYPE = 'application/mcp-server-card+json'
export const CATALOG_TYPE = 'application/ai-catalog+json'

const CARD_SCHEMA = 'https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json'

/** What a card holds at most, in characters. */
const MAX_TEXT = 100
const MAX_NAME = 80

/** What a card says for a version when the server itself could not be asked. */
const UNKNOWN_VERSION = '0.0.0'

/** The list, and one of it with what it offers. */
export function listDocument(title: string, servers: readonly Listed[]): object {
  return { title, servers: servers.map(entry) }
}

export function entryDocument(listed: Listed, opened: Opened): object {
  return { ...entry(listed), ...opened }
}

function entry({ name, title, description, tags, url, card, health }: Listed): object {
  return { name, title, ...(description !== undefined && { description }), tags, url, card, health }
}

/** What the card of a server is made from. */
export interface CardParts {
  readonly listed: Listed
  readonly config: ServerConfig
  /** What the server said, if it was asked. */
  readonly opened: Opened | undefined
  readonly namespace: string
  readonly clientHeaders: ReadonlyMap<string, string>
}

/** SEP-2127: who the server is and how to reach it. What it offers is asked over MCP. */
export function cardDocument({ listed, config, opened, namespace, clientHeaders }: CardParts): object {
  const offer = opened && 'offer' in opened ? opened.offer : undefined
  const server = offer?.server ?? {}
  const versions = offer?.protocolVersions ?? versionsOf(config)
  return {
    $schema: CARD_SCHEMA,
    name: `${namespace}/${slug(listed.name)}`,
    version: clip(config.version ?? text(server, 'version') ?? UNKNOWN_VERSION, 255),
    title: clip(listed.title, MAX_TEXT),
    description: clip(listed.description || text(server, 'description') || listed.title, MAX_TEXT),
    remotes: [
      {
        type: 'streamable-http',
        url: listed.url,
        ...(versions && { supportedProtocolVersions: versions }),
        ...(clientHeaders.size > 0 && { headers: Array.from(clientHeaders, headerInput) }),
      },
    ],
  }
}

/** A header that the user of a client has to give it. */
function headerInput([name, placeholder]: readonly [string, string]): object {
  return { name, isRequired: true, isSecret: true, placeholder }
}

/** The catalog of an origin, as the extension's documents have it: an entry for each card. */
export function catalogDocument(title: string, publisher: string, servers: readonly Listed[]): object {
  return {
    specVersion: '1.0',
    host: { displayName: title },
    entries: servers.map(({ name, title: displayName, tags, card }) => ({
      identifier: `urn:air:${publisher}:mcp:${slug(name)}`,
      displayName,
      type: CARD_TYPE,
      url: card,
      ...(tags.length > 0 && { tags }),
    })),
  }
}

/** `app.example.com` -> `com.example.app`, and back; an address stays as it is. */
export function reversed(host: string): string {
  const plain = host.replaceAll(/[^a-zA-Z0-9.-]/g, '-')
  return /[a-z]/i.test(plain) ? plain.split('.').toReversed().join('.') : plain
}

/** A name in the alphabet of cards and catalogs. */
export function slug(name: string): string {
  return encodeURIComponent(name)
    .replaceAll('%', '_')
    .replace(/[!'()*~]/g, (mark) => `_${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .slice(0, MAX_NAME)
}

function versionsOf({ protocol }: ServerConfig): readonly string[] | undefined {
  if (protocol === 'modern') return MODERN_VERSIONS
  return protocol === 'legacy' ? LEGACY_VERSIONS.filter((version) => version > '2025') : undefined
}

function text(object: JsonObject, key: string): string | undefined {
  const value = object[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}
