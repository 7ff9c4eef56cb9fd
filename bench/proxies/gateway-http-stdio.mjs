// @ts-check
// This gateway on node:http, with a server that is a child process: one for each session, one for all modern requests.
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import { stdio } from '../../dist/stdio/index.js'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, child process'

const SERVER = fileURLToPath(new URL('../pipe-server.mjs', import.meta.url))

/** @param {URL} upstream */
export const start = (upstream) =>
  http.createServer(benchGateway(upstream, {}, stdio({ command: process.execPath, args: [SERVER] })))
