/** What a message of 2026-07-28 must keep to, as data: the first rung that does not hold is the answer. (CL11) */
import type { GatewayErrorCode } from '../errors.ts'
import { META, MODERN_VERSIONS, NAMED_BY } from '../protocol.ts'
import { decodeHeaderValue } from './header-value.ts'
import { isObject, type JsonObject, member } from '../util/json.ts'
import type { StandardHeaders } from './inbound-request.ts'

/** A request or notification that claims to be modern. */
export interface Claim {
  readonly kind: 'request' | 'notification'
  readonly method: string
  readonly params: unknown
  /** `params._meta`, empty when there is none. */
  readonly meta: JsonObject
  readonly headers: StandardHeaders
}

/** One thing to keep to. */
export interface Rung {
  readonly requirement: string
  readonly code: GatewayErrorCode
  /** Header rules for notifications are undefined: these rungs are for requests alone. (RPC11) */
  readonly onlyRequests: boolean
  /** What is wrong, `undefined` when the rung holds. */
  readonly fault: (claim: Claim) => string | undefined
}

export const LADDER: readonly Rung[] = [
  {
    requirement: 'SC9',
    code: 'header_mismatch',
    onlyRequests: false,
    fault: ({ headers }) => (headers.repeated ? 'A standard header came more than once' : undefined),
  },
  {
    requirement: 'CL5',
    code: 'header_mismatch',
    onlyRequests: false,
    fault({ kind, meta, headers }) {
      const claimed = meta[META.protocolVersion]
      if (typeof claimed !== 'string' || claimed === headers.protocolVersion) return undefined
      if (headers.protocolVersion === undefined && kind === 'notification') return undefined
      return 'MCP-Protocol-Version and the body name different revisions'
    },
  },
  {
    requirement: 'CL4 CL7',
    code: 'invalid_envelope',
    onlyRequests: true,
    fault({ meta }) {
      if (typeof meta[META.protocolVersion] !== 'string') return `params._meta must have "${META.protocolVersion}"`
      return isObject(meta[META.clientCapabilities]) ? undefined : `params._meta must have "${META.clientCapabilities}"`
    },
  },
  {
    requirement: 'CL6',
    code: 'unsupported_version',
    onlyRequests: false,
    fault({ meta }) {
      const claimed = meta[META.protocolVersion]
      if (typeof claimed !== 'string' || MODERN_VERSIONS.includes(claimed)) return undefined
      return 'Unsupported protocol version'
    },
  },
  {
    requirement: 'HD6 HD9',
    code: 'header_mismatch',
    onlyRequests: true,
    fault: ({ method, headers }) => (headers.method === method ? undefined : 'Mcp-Method and the body differ'),
  },
  {
    requirement: 'HD6 HD7 HD9 HD10',
    code: 'header_mismatch',
    onlyRequests: true,
    fault({ method, params, headers }) {
      const parameter = NAMED_BY.get(method)
      if (parameter === undefined) return undefined
      const name = member(params, parameter)
      const said = headers.name === undefined ? undefined : decodeHeaderValue(headers.name)
      if (typeof name === 'string' ? said === name : headers.name === undefined) return undefined
      return 'Mcp-Name and the body differ'
    },
  },
  {
    requirement: 'CL2',
    code: 'method_not_found',
    onlyRequests: false,
    fault: ({ method }) => (method === 'initialize' ? 'Method not found' : undefined),
  },
]

/** The first rung that does not hold, and why. */
export function climb(claim: Claim): { readonly rung: Rung; readonly fault: string } | undefined {
  for (const rung of LADDER) {
    if (rung.onlyRequests && claim.kind !== 'request') continue
    const fault = rung.fault(claim)
    if (fault !== undefined) return { rung, fault }
  }
  return undefined
}
