// @ts-check
// This gateway on node:http with its cache on, for the one case where there is something to keep.
import http from 'node:http'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, cache on'

/** @param {URL} upstream */
export const start = (upstream) => http.createServer(benchGateway(upstream, { cache: true }))
