/** Digests of tool definitions, by which embedders pin approved ones. (RFC 8785) */
import { hash } from 'node:crypto'
import type { Tool } from '../../types.ts'
import { canonicalJson } from '../../util/canonical-json.ts'

/** A digest that ignores the order of keys and white space, and changes with anything else in the definition. */
export function toolDigest(tool: Tool): string {
  return hash('sha256', canonicalJson(tool), 'base64url')
}
