// @ts-check
// This gateway on node:http with its sessions in Redis.
import http from 'node:http'
import { RedisSessionStore } from '../../dist/index.js'
import { benchGateway } from './common/gateway.mjs'
import { startRedis } from './common/redis.mjs'

export const title = 'this gateway on node:http, Redis'

/** @param {URL} upstream */
export async function start(upstream) {
  const { connect } = await startRedis()
  return http.createServer(benchGateway(upstream, { sessions: new RedisSessionStore({ client: await connect() }) }))
}
