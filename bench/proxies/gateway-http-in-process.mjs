// @ts-check
// This gateway on node:http, with a server in the same process, whose own work counts, too.
import http from 'node:http'
import { inProcess } from '../../dist/index.js'
import { respond } from '../pipe-server.mjs'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, in process'

const server = inProcess(async (transport) => {
  transport.onmessage = (message) => {
    const response = respond(message)
    if (response) void transport.send(response)
  }
  await transport.start()
})

/** @param {URL} upstream */
export const start = (upstream) => http.createServer(benchGateway(upstream, {}, server))
