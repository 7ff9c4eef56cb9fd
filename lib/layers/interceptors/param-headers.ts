/** The `Mcp-Param-*` headers of a call whose arguments an interceptor has changed. (2026-07-28; HD12, HD13) */
import type { Tool } from '../../types.ts'
import { encodeHeaderValue } from '../../util/header-value.ts'
import { isObject, member } from '../../util/json.ts'

const MIRROR_PREFIX = 'mcp-param-'

/** How deep a schema is looked into. */
const MAX_SCHEMA_DEPTH = 16

/** Whether any of these headers repeats an argument. */
export function repeatsArguments(headers: Readonly<Record<string, string>>): boolean {
  return Object.keys(headers).some((name) => name.startsWith(MIRROR_PREFIX))
}

/** What the server checks the arguments against: each that its schema annotates, unless it is absent or null. */
export function paramHeadersOf({ inputSchema }: Tool, given: unknown): Record<string, string> {
  const headers: Record<string, string> = {}
  collect(inputSchema, given, headers, 0)
  return headers
}

function collect(schema: unknown, value: unknown, headers: Record<string, string>, depth: number): void {
  const properties = member(schema, 'properties')
  if (!isObject(properties) || !isObject(value) || depth > MAX_SCHEMA_DEPTH) return
  for (const [key, property] of Object.entries(properties)) {
    const said = member(value, key)
    const name = member(property, 'x-mcp-header')
    if (
      typeof name === 'string' &&
      (typeof said === 'string' || typeof said === 'number' || typeof said === 'boolean')
    ) {
      headers[MIRROR_PREFIX + name.toLowerCase()] = encodeHeaderValue(String(said))
    } else collect(property, said, headers, depth + 1)
  }
}
