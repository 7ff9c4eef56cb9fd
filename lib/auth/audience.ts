/** Whether a token is for the requested server. (RFC 8707; AU5, AU8) */
import { isAudience } from '../inbound/access/resource.ts'

/** `expected` is the option `audience`, `resource` the URI of the server, and `hook` the function that has the option. */
export function hasOurAudience(
  audiences: readonly string[],
  expected: readonly string[] | undefined,
  resource: string | undefined,
  hook: string,
): boolean {
  if (expected) return audiences.some((audience) => expected.includes(audience))
  if (resource !== undefined) return audiences.some((audience) => isAudience(audience, resource))
  throw new TypeError(`${hook}: set "audience", or "publicUrl" of mcpGateway, so that tokens of others are refused`)
}
