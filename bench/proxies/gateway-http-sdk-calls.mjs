// @ts-check
// This gateway on node:http without telemetry, behind the calls of OpenTelemetry's SDK alone, all spans recorded.
import http from 'node:http'
import { benchGateway } from './common/gateway.mjs'
import { SdkCalls, startSdk } from './common/opentelemetry.mjs'

export const title = "this gateway on node:http, the SDK's own calls, sampled"

/** @param {URL} upstream */
export function start(upstream) {
  startSdk(true)
  const calls = new SdkCalls()
  const gateway = benchGateway(upstream)
  return http.createServer((request, response) => calls.around(() => gateway(request, response)))
}
