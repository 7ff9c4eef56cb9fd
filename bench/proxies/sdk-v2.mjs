// @ts-check
// The transports of @modelcontextprotocol/client and /node (v2) back to back.
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node'
import { sdkPairs } from './common/sdk-pair.mjs'

export const title = 'SDK v2 transports back to back'

/** @param {URL} upstream */
export const start = (upstream) =>
  sdkPairs(
    () => started(new StreamableHTTPClientTransport(upstream)),
    (options) => new NodeStreamableHTTPServerTransport(options),
  )

/** @param {StreamableHTTPClientTransport} client */
function started(client) {
  void client.start()
  return client
}
