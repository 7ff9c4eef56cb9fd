// @ts-check
// This gateway on node:http, which translates requests of 2026-07-28 for a server that has sessions.
import http from 'node:http'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, bridge'

/** @param {URL} upstream */
export const start = (upstream) =>
  http.createServer(benchGateway(upstream, {}, { url: upstream, protocol: 'legacy', bridge: true }))
