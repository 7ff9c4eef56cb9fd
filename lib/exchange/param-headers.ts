/** `Mcp-Param-*`: which arguments a tool's schema wants in headers, too, and whether a call has them. (2026-07-28 Streamable HTTP, Custom Headers) */
import { isObject, member } from '../util/json.ts'
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts'

/** An argument that stands in a header, too. */
export interface ParamHeader {
  /** The header, in lower case. */
  readonly header: string
  /** Where its value stands in the arguments. */
  readonly path: readonly string[]
}

/** The keyword of a schema that names a header. */
export const ANNOTATION = 'x-mcp-header'
export const PARAM_PREFIX = 'mcp-param-'
export const HEADER_TOKEN: RegExp = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/
export const ANNOTATED_TYPES: ReadonlySet<unknown> = new Set(['string', 'integer', 'boolean'])
const DECIMAL = /^-?\d+(?:\.\d+)?$/

/** How deep arguments are annotated, and how many of a tool. */
const MAX_ANNOTATED_DEPTH = 32
const MAX_PARAMS = 100

/** Those of a tool's `inputSchema`; none where an annotation is not as it must be, since no client calls such a tool. */
export function paramHeadersOf(inputSchema: unknown): readonly ParamHeader[] {
  const found = new Map<string, ParamHeader>()
  return addParams(found, inputSchema, []) ? [...found.values()] : []
}

/** Whether all annotations below are as they must be. */
function addParams(found: Map<string, ParamHeader>, schema: unknown, path: readonly string[]): boolean {
  const properties = member(schema, 'properties')
  if (!isObject(properties)) return true
  if (path.length >= MAX_ANNOTATED_DEPTH) return false
  return Object.entries(properties).every(([key, property]) => {
    const at = [...path, key]
    if (isObject(property) && ANNOTATION in property) {
      const { [ANNOTATION]: name, type } = property
      if (typeof name !== 'string' || !HEADER_TOKEN.test(name) || !ANNOTATED_TYPES.has(type)) return false
      const header = PARAM_PREFIX + name.toLowerCase()
      if (found.has(header) || found.size >= MAX_PARAMS) return false
      found.set(header, { header, path: at })
    }
    return addParams(found, property, at)
  })
}

/** The headers of a call with these arguments: one that is not there, or is null, has none. (HD13) */
export function paramHeaderValues(params: readonly ParamHeader[], toolArguments: unknown): Record<string, string> {
  const values = params.map(({ header, path }) => [header, path.reduce(member, toolArguments)] as const)
  return Object.fromEntries(
    values.flatMap(([header, value]) => (isPrimitive(value) ? [[header, encodeHeaderValue(String(value))]] : [])),
  )
}

/** Whether any of these headers repeats an argument. */
export function repeatsArguments(headers: Readonly<Record<string, string>>): boolean {
  return Object.keys(headers).some((name) => name.startsWith(PARAM_PREFIX))
}

/** What is wrong with the headers of a call, if anything: an argument that is not there, or is null, has none. (HD10, HD13) */
export function paramHeaderFault(
  params: readonly ParamHeader[],
  toolArguments: unknown,
  headers: Readonly<Record<string, string>>,
): string | undefined {
  for (const { header, path } of params) {
    const value = path.reduce(member, toolArguments)
    if (!isPrimitive(value)) continue
    const said = headers[header]
    if (said === undefined) return `The header ${header} is missing, which the tool wants`
    const decoded = decodeHeaderValue(said)
    if (decoded === undefined) return `The header ${header} is no valid Base64`
    if (!isSame(decoded, value)) return `The header ${header} is not what the arguments say`
  }
  return undefined
}

/** Integers are compared as numbers. */
function isSame(said: string, value: string | number | boolean): boolean {
  if (typeof value === 'number' && DECIMAL.test(said)) return Number(said) === value
  return said === String(value)
}

function isPrimitive(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
