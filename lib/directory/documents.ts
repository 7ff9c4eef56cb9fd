/** The JSON documents: the list, a server's card, and the catalog of cards. */
import { LEGACY_VERSIONS, MODERN_VERSIONS } from '../protocol.ts'
import type { ServerConfig } from '../types.ts'
import { protocolOf } from '../upstream/server-kind.ts'
import { nonEmptyText } from '../util/json.ts'
import { truncate } from './json-size.ts'
import type { Introspection, ListedServer } from './listing.ts'

/** The media types of experimental-ext-server-card, docs/discovery.md. */
export const CARD_TYPE = 'application/mcp-server-card+json'
export const CATALOG_TYPE = 'application/ai-catalog+json'

const CARD_SCHEMA = 'https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json'

/** The longest texts and names of a card, in characters. */
const MAX_TEXT = 100
const MAX_NAME = 80

/** The version in a card when neither the config nor the server names one: the schema requires a version. */
const UNKNOWN_VERSION = '0.0.0'

/** The list of servers. */
export function listDocument(title: string, servers: readonly ListedServer[]): object {
  return { title, servers: servers.map(listItem) }
}

/** One server of the list, with its capabilities or why it could not be introspected. */
export function entryDocument(listed: ListedServer, introspection: Introspection): object {
  return {
    ...listItem(listed),
    ...('error' in introspection ? introspection : { offer: introspection.capabilities }),
  }
}

function listItem({ name, title, description, tags, url, card, health, accounts }: ListedServer): object {
  const needs = accounts.map(({ member, isConnected }) => ({ ...(member !== '' && { member }), isConnected }))
  const own = { ...(description !== undefined && { description }), ...(needs.length > 0 && { accounts: needs }) }
  return { name, title, ...own, tags, url, card, health }
}

/** The parts of a server card. */
export interface CardParts {
  readonly listed: ListedServer
  readonly config: ServerConfig
  /** `undefined` when the server was not introspected. */
  readonly introspection: Introspection | undefined
  readonly namespace: string
  readonly clientHeaders: ReadonlyMap<string, string>
}

/** A server card (SEP-2127): the identity of a server and its endpoint. Clients ask for its features over MCP. */
export function cardDocument({ listed, config, introspection, namespace, clientHeaders }: CardParts): object {
  const capabilities = introspection && 'capabilities' in introspection ? introspection.capabilities : undefined
  const server = capabilities?.server ?? {}
  const versions = capabilities?.protocolVersions ?? versionsOf(config)
  return {
    $schema: CARD_SCHEMA,
    name: `${namespace}/${slug(listed.name)}`,
    version: truncate(config.version ?? nonEmptyText(server, 'version') ?? UNKNOWN_VERSION, 255),
    title: truncate(listed.title, MAX_TEXT),
    description: truncate(listed.description || nonEmptyText(server, 'description') || listed.title, MAX_TEXT),
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

/** A header that the user of a client has to supply. */
function headerInput([name, placeholder]: readonly [string, string]): object {
  return { name, isRequired: true, isSecret: true, placeholder }
}

/** The catalog of an origin, with an entry for each card. (experimental-ext-server-card, docs/discovery.md) */
export function catalogDocument(title: string, publisher: string, servers: readonly ListedServer[]): object {
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

/** Reverses a DNS name: `app.example.com` -> `com.example.app`. An IP address stays as it is. */
export function reversed(host: string): string {
  const plain = host.replaceAll(/[^a-zA-Z0-9.-]/g, '-')
  return /[a-z]/i.test(plain) ? plain.split('.').toReversed().join('.') : plain
}

/** A server name, encoded in the characters that names in cards and catalogs may have. */
export function slug(name: string): string {
  return encodeURIComponent(name)
    .replaceAll('%', '_')
    .replace(/[!'()*~]/g, (mark) => `_${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .slice(0, MAX_NAME)
}

function versionsOf(config: ServerConfig): readonly string[] | undefined {
  const protocol = protocolOf(config)
  if (protocol === 'modern') return MODERN_VERSIONS
  return protocol === 'legacy' ? LEGACY_VERSIONS.filter((version) => version > '2025') : undefined
}
