/** What an aggregate says of itself: the same on every node, and whatever its members have. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { JsonObject } from '../../util/json.ts'

/** The version where the config has none: a client requires one. */
const NO_VERSION = '0.0.0'

/** A fixed set, since lists may be empty: members that come and go change nothing that a client was told. */
export const FIXED_CAPABILITIES: JsonObject = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
}

export function aggregateIdentity({ origin, config: { title, version } }: Exchange): JsonObject {
  return { name: origin.server, ...(title && { title }), version: version ?? NO_VERSION }
}

/** How long the instructions of one member, and those of all, may be in characters. */
const MAX_PART = 16_384
const MAX_ALL = 65_536

/** The instructions of all members, each under its name. */
export function instructionsOf(parts: readonly (readonly [member: string, text: unknown])[]): string | undefined {
  const texts = parts.flatMap(([member, text]) =>
    typeof text === 'string' && text !== '' ? `[${member}]\n${text.slice(0, MAX_PART)}` : [],
  )
  return texts.length > 0 ? texts.join('\n\n').slice(0, MAX_ALL) : undefined
}
