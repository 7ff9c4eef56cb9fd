// @ts-check
// This gateway on node:http with an event log in Redis.
import http from 'node:http'
import { RedisEventLog } from '../../dist/index.js'
import { benchGateway } from './common/gateway.mjs'
import { startRedis } from './common/redis.mjs'

export const title = 'this gateway on node:http, event log in Redis'

/** @param {URL} upstream */
export async function start(upstream) {
  const { connect } = await startRedis()
  const events = new RedisEventLog({ client: await connect(), blockingClient: await connect() })
  return http.createServer(benchGateway(upstream, { events }))
}
