// What the published documents demand of a card and of a catalog, written down from them as JSON Schema 2020-12.
//
// card: modelcontextprotocol/experimental-ext-server-card, schema.json#/$defs/ServerCard at commit 8924e08 (2026-07-24;
//   the same file, SHA-256 2c772b51..., as at 526201b of 2026-08-12).
// catalog: docs/discovery.md of the same commit for server card entries; Agent-Card/ai-catalog, specification/ai-catalog.md
//   at be6803f for the rest; and the one JSON Schema there is of it, ards-project/ard-spec,
//   spec/schemas/ai-catalog.schema.json at 5fa2f5a, which demands a `displayName` and `urn:air:` identifiers.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'

const text = (minLength: number, maxLength: number) => ({ type: 'string', minLength, maxLength })
const input = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string' },
    description: { type: 'string' },
    isRequired: { type: 'boolean' },
    isSecret: { type: 'boolean' },
    format: { enum: ['string', 'number', 'boolean', 'filepath'] },
    default: { type: 'string' },
    placeholder: { type: 'string' },
    value: { type: 'string' },
    choices: { type: 'array', items: { type: 'string' } },
  },
}

const card = {
  type: 'object',
  required: ['$schema', 'name', 'version', 'description'],
  properties: {
    $schema: { const: 'https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json' },
    name: { ...text(3, 200), pattern: '^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$' },
    version: text(0, 255),
    description: text(1, 100),
    title: text(1, 100),
    websiteUrl: { type: 'string', format: 'uri' },
    remotes: {
      type: 'array',
      items: {
        type: 'object',
        required: ['type', 'url'],
        properties: {
          type: { enum: ['streamable-http', 'sse'] },
          url: { type: 'string', pattern: '^(https?://[^\\s]+|\\{[a-zA-Z_][a-zA-Z0-9_]*\\}[^\\s]*)$' },
          headers: { type: 'array', items: input },
          supportedProtocolVersions: { type: 'array', items: { type: 'string' } },
        },
      },
    },
  },
}

const catalog = {
  type: 'object',
  required: ['specVersion', 'entries'],
  additionalProperties: false,
  properties: {
    specVersion: { const: '1.0' },
    host: {
      type: 'object',
      required: ['displayName'],
      additionalProperties: false,
      properties: { displayName: { type: 'string' }, identifier: { type: 'string' } },
    },
    entries: {
      type: 'array',
      items: {
        type: 'object',
        required: ['identifier', 'displayName', 'type', 'url'],
        properties: {
          identifier: { type: 'string', pattern: '^urn:air:[a-zA-Z0-9.-]+(:[a-zA-Z0-9._-]+)+$' },
          displayName: { type: 'string' },
          type: { const: 'application/mcp-server-card+json' },
          url: { type: 'string', format: 'uri' },
          data: false,
          tags: { type: 'array', items: { type: 'string' } },
        },
      },
    },
  },
}

const ajv = new Ajv2020({ allErrors: true })
formats.default(ajv)

const check = (validate: ValidateFunction) => (document: unknown) => (validate(document) ? [] : validate.errors)

/** What is wrong with a card or a catalog. */
export const faultsOfCard = check(ajv.compile(card))
export const faultsOfCatalog = check(ajv.compile(catalog))
