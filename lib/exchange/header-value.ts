/** Values of `Mcp-Name` and `Mcp-Param-*`. (2026-07-28 Streamable HTTP, Value Encoding; HD10) */
import { isUtf8 } from 'node:buffer'

const SENTINEL = /^=\?base64\?(.*)\?=$/s
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The decoded value: a value without both sentinels is literal. `undefined` for invalid Base64 or UTF-8. */
export function decodeHeaderValue(value: string): string | undefined {
  const encoded = SENTINEL.exec(value)?.[1]
  if (encoded === undefined) return value
  if (!BASE64.test(encoded)) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  return isUtf8(bytes) ? bytes.toString() : undefined
}

/** What stands in a header as it is: visible ASCII and spaces inside. */
const LITERAL = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

/** The value as it stands in a header: literal where that is possible, else as Base64. */
export function encodeHeaderValue(value: string): string {
  if (LITERAL.test(value) && !SENTINEL.test(value)) return value
  return `=?base64?${Buffer.from(value).toString('base64')}?=`
}
