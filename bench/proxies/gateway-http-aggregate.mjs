// @ts-check
// This gateway on node:http, with three servers of 200 tools each under one name.
import http from 'node:http'
import { aggregate } from '../../dist/index.js'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, an aggregate of three'

/** @param {URL} upstream */
export function start(upstream) {
  const url = new URL('/many/mcp', upstream)
  const one = { url }
  return http.createServer(benchGateway(upstream, {}, aggregate({ one, two: one, three: one })))
}
