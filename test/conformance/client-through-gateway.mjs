// @ts-check
// The same client with the gateway between it and the scenario's server, whose URL the suite appends.

import { playScenario } from './client.mjs'
import { startGateway } from './gateway.mjs'

const gateway = await startGateway(process.argv[2] ?? '')
try {
  await playScenario(gateway.url)
} finally {
  await gateway.close()
}
