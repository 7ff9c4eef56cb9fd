// @ts-check
// This gateway on node:http with openTelemetry(), all of whose spans are recorded.
import http from 'node:http'
import { openTelemetry } from '../../dist/opentelemetry/index.js'
import { benchGateway } from './common/gateway.mjs'
import { startSdk } from './common/opentelemetry.mjs'

export const title = 'this gateway on node:http, telemetry, sampled'

/** @param {URL} upstream */
export function start(upstream) {
  startSdk(true)
  return http.createServer(benchGateway(upstream, { telemetry: openTelemetry() }))
}
