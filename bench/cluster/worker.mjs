// @ts-check
// A worker of node:cluster: the gateway in plain Express 5, as most apps have it. node worker.mjs STORE UPSTREAM_ORIGIN PORT REDIS_PORT
import express from 'express'
import { RedisSessionStore, SealedSessionStore } from '../../dist/index.js'
import { benchGateway } from '../proxies/common/gateway.mjs'
import { connectRedis } from '../proxies/common/redis.mjs'

const [store = '', origin = '', port = '', redisPort = ''] = process.argv.slice(2)

const sessions =
  store === 'redis'
    ? new RedisSessionStore({ client: await connectRedis(Number(redisPort)) })
    : new SealedSessionStore({ keys: ['of the bench'.repeat(3)] })

const app = express().use(benchGateway(new URL('/bench/mcp', origin), { sessions }))
const server = app.listen(Number(port), '127.0.0.1')
Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })
