/** Decodes and encodes the values of `Mcp-Name` and `Mcp-Param-*`. (2026-07-28 Streamable HTTP, Value Encoding; HD10) */
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

/** Visible ASCII, and blanks between. */
const LITERAL = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/

/** The value as a header holds it: what cannot stand there as it is, or looks encoded, is encoded. (HD11) */
export function encodeHeaderValue(value: string): string {
  return LITERAL.test(value) && !SENTINEL.test(value) ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`
}
