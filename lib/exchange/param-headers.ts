/** The `Mcp-Param-*` headers of a call: their values, and whether they repeat its arguments. (2026-07-28 Streamable HTTP, Custom Headers) */
import { PARAM_PREFIX } from '../protocol.ts'
import { member } from '../util/json.ts'
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts'

/** An argument that a header repeats. */
export interface ParamHeader {
  /** The header, in lower case. */
  readonly header: string
  /** The path to its value in the arguments. */
  readonly path: readonly string[]
}

const DECIMAL = /^-?\d+(?:\.\d+)?$/

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
