// @ts-check
// This gateway on node:http with an event log in memory.
import http from 'node:http'
import { MemoryEventLog } from '../../dist/index.js'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, event log'

/** @param {URL} upstream */
export const start = (upstream) => http.createServer(benchGateway(upstream, { events: new MemoryEventLog() }))
