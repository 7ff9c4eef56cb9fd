/** One HTTP request at the gateway, and what is known of it so far. */
import type { ServerResponse } from 'node:http'
import type { GatewayRequest, Principal, RequestId, ServerConfig } from './types.ts'

export class Visit {
  readonly request: GatewayRequest
  readonly response: ServerResponse
  /** The server's name, from the path. */
  readonly server: string
  principal: Principal | undefined
  config: ServerConfig | undefined
  /** The id of the JSON-RPC request, for an error to name. */
  id: RequestId | undefined

  constructor(request: GatewayRequest, response: ServerResponse, server: string) {
    this.request = request
    this.response = response
    this.server = server
  }

  /** The one value of a header. Node joins most repeated ones with a comma, which no check here lets through. */
  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }
}
