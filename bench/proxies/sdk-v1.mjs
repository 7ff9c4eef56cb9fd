// @ts-check
// The transports of @modelcontextprotocol/sdk (v1) back to back.
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { sdkPairs } from './common/sdk-pair.mjs'

export const title = 'SDK v1 transports back to back'

/** @param {URL} upstream */
export const start = (upstream) =>
  sdkPairs(
    () => started(new StreamableHTTPClientTransport(upstream)),
    (options) => new StreamableHTTPServerTransport(options),
  )

/** @param {StreamableHTTPClientTransport} client */
function started(client) {
  void client.start()
  return client
}
