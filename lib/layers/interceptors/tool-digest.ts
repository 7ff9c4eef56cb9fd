/** Digests of tool definitions, by which embedders pin approved ones. (RFC 8785) */
import { hash } from 'node:crypto'
import type { Tool } from '../../types.ts'

/** A digest that ignores the order of keys and white space, and changes with anything else in the definition. */
export function toolDigest(tool: Tool): string {
  return hash('sha256', canonicalJson(tool), 'base64url')
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const json = value as Readonly<Record<string, unknown>>
  const members = Object.keys(json).toSorted((one, other) => (one < other ? -1 : 1))
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalJson(json[key])}`).join(',')}}`
}
