/** Finds the parameters that `Mcp-Param-*` headers must repeat, in a tool's schema. (2026-07-28, Schema Extension; ST27) */
import { PARAM_PREFIX } from '../protocol.ts'
import { isObject, type JsonObject } from '../util/json.ts'
import type { ParamHeader } from './param-headers.ts'

/** The keyword of a schema that names a header. */
const ANNOTATION = 'x-mcp-header'
/** The name ends up in the head of a request, which servers limit to 8 to 16 KiB. */
const HEADER_TOKEN = /^[!#$%&'*+.^_`|~\dA-Za-z-]{1,256}$/
const ANNOTATED_TYPES: ReadonlySet<unknown> = new Set(['string', 'integer', 'boolean'])

/** How many parameters of a tool may be annotated. */
const MAX_PARAMS = 100

/** Keywords whose value is data, not a schema. */
const DATA: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'examples'])

/** Keywords whose value is a map from names to schemas. */
const MAPS: ReadonlySet<string> = new Set(['$defs', 'definitions', 'dependentSchemas', 'patternProperties'])

/** The nesting limit of schemas, which are walked recursively: a tool beyond it is not offered. */
const MAX_SCHEMA_DEPTH = 64

class InvalidAnnotation extends Error {}

/** The annotated parameters of a tool; `undefined` for an invalid annotation: clients must reject such a tool. */
export function paramHeadersOf(inputSchema: unknown): readonly ParamHeader[] | undefined {
  const found = new Map<string, ParamHeader>()
  try {
    collect(inputSchema, { path: [], isReachable: true, depth: 0 }, found)
    return [...found.values()]
  } catch (error) {
    if (error instanceof InvalidAnnotation) return undefined
    throw error
  }
}

/** The position of a schema in another one. */
interface Position {
  readonly path: readonly string[]
  /** Whether the path consists of `properties` alone; elsewhere an annotation is invalid. */
  readonly isReachable: boolean
  readonly depth: number
}

function collect(schema: unknown, { path, isReachable, depth }: Position, found: Map<string, ParamHeader>): void {
  if (depth > MAX_SCHEMA_DEPTH) throw new InvalidAnnotation()
  if (Array.isArray(schema)) {
    for (const each of schema) collect(each, { path, isReachable: false, depth: depth + 1 }, found)
  }
  if (!isObject(schema)) return
  if (Object.hasOwn(schema, ANNOTATION)) {
    if (!isReachable || path.length === 0) throw new InvalidAnnotation()
    note(schema, path, found)
  }
  for (const [keyword, value] of Object.entries(schema)) {
    if (DATA.has(keyword) || keyword === ANNOTATION) continue
    const isMap = keyword === 'properties' || MAPS.has(keyword)
    if (!isMap || !isObject(value)) collect(value, { path, isReachable: false, depth: depth + 1 }, found)
    else {
      for (const [name, each] of Object.entries(value)) {
        const isStep = keyword === 'properties' && isReachable
        collect(each, { path: [...path, name], isReachable: isStep, depth: depth + 1 }, found)
      }
    }
  }
}

function note(schema: JsonObject, path: readonly string[], found: Map<string, ParamHeader>): void {
  const { [ANNOTATION]: name, type } = schema
  const isGood = typeof name === 'string' && HEADER_TOKEN.test(name) && ANNOTATED_TYPES.has(type)
  if (!isGood || found.size >= MAX_PARAMS || found.has(name.toLowerCase())) throw new InvalidAnnotation()
  found.set(name.toLowerCase(), { path, header: PARAM_PREFIX + name.toLowerCase() })
}

/** The approximate memory of an entry and of each parameter besides its text. */
const STORED_TOOL_BYTES = 200
const PARAM_BYTES = 150

/** The approximate memory of a tool's parameters that are stored under its name. */
export function paramHeadersBytes(name: string, params: readonly ParamHeader[]): number {
  const chars = (param: ParamHeader): number => param.header.length + param.path.join('').length
  return params.reduce((sum, param) => sum + PARAM_BYTES + 2 * chars(param), STORED_TOOL_BYTES + 2 * name.length)
}
