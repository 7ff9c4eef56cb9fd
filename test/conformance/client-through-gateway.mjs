// @ts-check
// The same client with the gateway between it and the scenario's server, whose URL the suite appends.
// `--events` gives the gateway an event log.

import { playScenario } from './client.mjs'
import { startGateway } from './gateway.mjs'

<<<<<<< HEAD
const upstream = process.argv[2] ?? ''
const { url, fetch, close } = await startGateway(upstream, process.env['MCP_CONFORMANCE_SCENARIO'])
=======
const gateway = await startGateway(process.argv.at(-1) ?? '', { withEvents: process.argv.includes('--events') })
>>>>>>> streams
try {
  await playScenario(url, fetch)
} finally {
  await close()
}
