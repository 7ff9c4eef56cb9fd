// @ts-check
// This gateway in Connect.
import http from 'node:http'
import connect from 'connect'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway in Connect'

/** @param {URL} upstream */
export const start = (upstream) => http.createServer(connect().use(benchGateway(upstream)))
