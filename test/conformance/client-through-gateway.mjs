// @ts-check
// The same client with a gateway between it and the scenario's server: `node client-through-gateway.mjs KIND URL`, where
// the suite appends the URL.

import { playScenario } from './client.mjs'
import { startGateway } from './gateway.mjs'
import { isGatewayName } from './gateways.mjs'

const [kind = '', upstream = ''] = process.argv.slice(2)
if (!isGatewayName(kind)) throw new Error(`No such gateway: ${kind}`)
const { url, fetch, close } = await startGateway(
  () => ({ url: upstream }),
  kind,
  process.env['MCP_CONFORMANCE_SCENARIO'],
)
try {
  await playScenario(url, fetch)
} finally {
  await close()
}
