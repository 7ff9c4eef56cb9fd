// @ts-check
// This gateway on node:http with an interceptor that sees every call and changes nothing.
import http from 'node:http'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, an interceptor on tools/call'

/** @param {URL} upstream */
export const start = (upstream) =>
  http.createServer(benchGateway(upstream, { intercept: { 'tools/call': (_message, next) => next() } }))
