// @ts-check
// This gateway on node:http.
import http from 'node:http'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http'

/** @param {URL} upstream */
export const start = (upstream) => http.createServer(benchGateway(upstream))
