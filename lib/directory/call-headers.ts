/** The headers of a modern request, which repeat what its message says. (2026-07-28 Streamable HTTP; HD6, HD9, HD10) */
import { paramHeadersOf } from '../exchange/param-annotations.ts'
import { HEADER, MODERN_VERSIONS, NAMED_BY } from '../protocol.ts'
import { type JsonObject, member } from '../util/json.ts'

const PLAIN_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/
const ENCODED = /^=\?base64\?.*\?=$/

/** `inputSchema` is that of the tool that is called: it may name arguments that have headers. */
export function callHeaders(method: string, params: JsonObject, inputSchema: unknown): Record<string, string> {
  const headers: Record<string, string> = {
    [HEADER.protocolVersion]: MODERN_VERSIONS[0]!,
    [HEADER.method]: method,
  }
  const name = member(params, NAMED_BY.get(method) ?? '')
  if (typeof name === 'string') headers[HEADER.name] = encoded(name)
  for (const { header, path } of paramHeadersOf(inputSchema) ?? []) {
    const value = path.reduce(member, params['arguments'])
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      headers[header] = encoded(String(value))
    }
  }
  return headers
}

function encoded(value: string): string {
  if (PLAIN_VALUE.test(value) && !ENCODED.test(value)) return value
  const bytes = new TextEncoder().encode(value)
  return `=?base64?${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))}?=`
}
