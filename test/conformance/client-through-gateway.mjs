// @ts-check
// The same client with the gateway between it and the scenario's server, whose URL the suite appends.
// `--events` gives the gateway an event log.

import { playScenario } from './client.mjs'
import { startGateway } from './gateway.mjs'

const gateway = await startGateway(process.argv.at(-1) ?? '', { withEvents: process.argv.includes('--events') })
try {
  await playScenario(gateway.url)
} finally {
  await gateway.close()
}
