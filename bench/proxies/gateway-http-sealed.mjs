// @ts-check
// This gateway on node:http with sealed session ids: nothing is stored.
import http from 'node:http'
import { SealedSessionStore } from '../../dist/index.js'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, sealed ids'

/** @param {URL} upstream */
export const start = (upstream) =>
  http.createServer(benchGateway(upstream, { sessions: new SealedSessionStore({ keys: ['of the bench'.repeat(3)] }) }))
