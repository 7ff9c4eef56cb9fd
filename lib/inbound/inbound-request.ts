/** One HTTP request at the gateway, with the results of the steps so far. */
import type { ServerResponse } from 'node:http'
import { HEADER } from '../protocol.ts'
import type { Charge } from '../session/quota.ts'
import type { AuditDecider, GatewayRequest, Principal, RequestId, ServerConfig } from '../types.ts'

/** The headers of a POST that repeat members of its body. */
export interface StandardHeaders {
  readonly protocolVersion: string | undefined
  readonly method: string | undefined
  readonly name: string | undefined
  /** Whether one of these headers was sent more than once. (SC9) */
  readonly repeated: boolean
}

export class InboundRequest {
  readonly request: GatewayRequest
  readonly response: ServerResponse
  /** The server's name, from the path. */
  readonly server: string
  principal: Principal | undefined
  config: ServerConfig | undefined
  /** Its share of the principal's limits, to be released when the request is over. */
  charge: Charge | undefined
  /** The id of the JSON-RPC request, which an error response repeats. */
  id: RequestId | undefined
  /** The step that checks the request now, which a refusal names in the audit record; `undefined` in the pipeline. */
  stage: AuditDecider | undefined = 'host'

  constructor(request: GatewayRequest, response: ServerResponse, server: string) {
    this.request = request
    this.response = response
    this.server = server
  }

  /** The value of a header; the values of one that was sent more than once are joined with commas. */
  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /** The headers that repeat members of the body. */
  standardHeaders(): StandardHeaders {
    const protocolVersion = this.header(HEADER.protocolVersion)
    const method = this.header(HEADER.method)
    const name = this.header(HEADER.name)
    const mayRepeat = protocolVersion?.includes(',') || method?.includes(',') || name?.includes(',')
    return { protocolVersion, method, name, repeated: mayRepeat === true && this.#repeats() }
  }

  #repeats(): boolean {
    const { headersDistinct } = this.request
    return [HEADER.protocolVersion, HEADER.method, HEADER.name].some((name) => (headersDistinct[name]?.length ?? 0) > 1)
  }
}
