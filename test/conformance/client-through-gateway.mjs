// @ts-check
// The same client with the gateway between it and the scenario's server, whose URL the suite appends.

import { playScenario } from './client.mjs'
import { startGateway } from './gateway.mjs'

const upstream = process.argv[2] ?? ''
const { url, fetch, close } = await startGateway(upstream, process.env['MCP_CONFORMANCE_SCENARIO'])
try {
  await playScenario(url, fetch)
} finally {
  await close()
}
