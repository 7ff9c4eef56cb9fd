// @ts-check
// This gateway on node:http with an audit hook that does nothing.
import http from 'node:http'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, audit'

/** @param {URL} upstream */
export const start = (upstream) => http.createServer(benchGateway(upstream, { audit: () => {} }))
