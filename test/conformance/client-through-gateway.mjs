// @ts-check
// The same client with the gateway between it and the scenario's server, whose URL the suite appends.
// `--events` gives the gateway an event log.

import { playScenario } from './client.mjs'
import { startGateway } from './gateway.mjs'

const { url, fetch, close } = await startGateway(process.argv.at(-1) ?? '', {
  scenario: process.env['MCP_CONFORMANCE_SCENARIO'],
  withEvents: process.argv.includes('--events'),
})
try {
  await playScenario(url, fetch)
} finally {
  await close()
}
