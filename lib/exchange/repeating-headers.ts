/** The headers that repeat what a message says, after it was rewritten. (HD6, HD7, HD9, HD12) */
import { HEADER, NAMED_BY, PARAM_PREFIX } from '../protocol.ts'
import { encodeHeaderValue } from './header-value.ts'
import { type JsonObject, member } from '../util/json.ts'

/** `Mcp-Method` and `Mcp-Name` say what the body says; a client that sent none of them sends none here. (HD6, HD7) */
export function withTrueName(
  headers: Readonly<Record<string, string>>,
  { method, params }: { readonly method: string; readonly params: JsonObject | undefined },
): Readonly<Record<string, string>> {
  if (headers[HEADER.method] === undefined && headers[HEADER.name] === undefined) return headers
  const { [HEADER.method]: saidMethod, [HEADER.name]: saidName, ...others } = headers
  const parameter = NAMED_BY.get(method)
  const name = parameter === undefined ? undefined : member(params, parameter)
  return {
    ...others,
    ...(saidMethod !== undefined && { [HEADER.method]: method }),
    ...(saidName !== undefined && typeof name === 'string' && { [HEADER.name]: encodeHeaderValue(name) }),
  }
}

export function withParamHeaders(
  headers: Readonly<Record<string, string>>,
  paramHeaders: Readonly<Record<string, string>>,
): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith(PARAM_PREFIX))
  return { ...Object.fromEntries(kept), ...paramHeaders }
}
