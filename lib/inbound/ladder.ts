/** The validation ladder of 2026-07-28, as data: the first rung that a message violates decides the answer. (CL11) */
import type { GatewayErrorCode } from '../errors.ts'
import { META, MODERN_VERSIONS, NAMED_BY } from '../protocol.ts'
import { decodeHeaderValue } from '../exchange/header-value.ts'
import { isObject, type JsonObject, member } from '../util/json.ts'
import type { StandardHeaders } from './inbound-request.ts'

/** A request or notification of the modern era, before it is validated. */
export interface ModernMessage {
  readonly kind: 'request' | 'notification'
  readonly method: string
  readonly params: unknown
  /** `params._meta`, empty when there is none. */
  readonly meta: JsonObject
  readonly headers: StandardHeaders
}

/** One validation step. */
export interface Rung {
  /** The ids of the requirements that it enforces. */
  readonly requirement: string
  readonly code: GatewayErrorCode
  /** The specification has no header rules for notifications, so the header rungs apply to requests alone. (RPC11) */
  readonly onlyRequests: boolean
  /** The reason why a message violates this rung; `undefined` for a message that passes. */
  readonly violation: (message: ModernMessage) => string | undefined
}

export const LADDER: readonly Rung[] = [
  {
    requirement: 'SC9',
    code: 'header_mismatch',
    onlyRequests: false,
    violation: ({ headers }) => (headers.repeated ? 'A standard header came more than once' : undefined),
  },
  {
    requirement: 'CL5',
    code: 'header_mismatch',
    onlyRequests: false,
    violation({ kind, meta, headers }) {
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
    violation({ meta }) {
      if (typeof meta[META.protocolVersion] !== 'string') return `params._meta must have "${META.protocolVersion}"`
      return isObject(meta[META.clientCapabilities]) ? undefined : `params._meta must have "${META.clientCapabilities}"`
    },
  },
  {
    requirement: 'CL6',
    code: 'unsupported_version',
    onlyRequests: false,
    violation({ meta }) {
      const claimed = meta[META.protocolVersion]
      if (typeof claimed !== 'string' || MODERN_VERSIONS.includes(claimed)) return undefined
      return 'Unsupported protocol version'
    },
  },
  {
    requirement: 'HD6 HD9',
    code: 'header_mismatch',
    onlyRequests: true,
    violation: ({ method, headers }) => (headers.method === method ? undefined : 'Mcp-Method and the body differ'),
  },
  {
    requirement: 'HD6 HD7 HD9 HD10',
    code: 'header_mismatch',
    onlyRequests: true,
    violation({ method, params, headers }) {
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
    violation: ({ method }) => (method === 'initialize' ? 'Method not found' : undefined),
  },
]

/** The first rung that a message violates, and why; `undefined` for a valid message. */
export function firstViolation(message: ModernMessage): { readonly rung: Rung; readonly reason: string } | undefined {
  for (const rung of LADDER) {
    if (rung.onlyRequests && message.kind !== 'request') continue
    const reason = rung.violation(message)
    if (reason !== undefined) return { rung, reason }
  }
  return undefined
}
