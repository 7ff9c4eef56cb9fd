// @ts-check
// This gateway on node:http with everything that a careful host sets: JWTs, scopes, sealed sessions, an interceptor.
import http from 'node:http'
import { jwtBearer } from '../../dist/auth/index.js'
import { SealedSessionStore } from '../../dist/index.js'
import { AUDIENCE, ISSUER, JWKS, SCOPE } from '../token.mjs'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway on node:http, JWT, scopes, sealed ids, an interceptor'

/** @param {URL} upstream */
export function start(upstream) {
  const authenticate = jwtBearer({ issuer: ISSUER, audience: AUDIENCE, jwks: JWKS })
  const sessions = new SealedSessionStore({ keys: ['of the bench'.repeat(3)] })
  const server = { url: upstream, scopes: { methods: { 'tools/*': [SCOPE] } } }
  const intercept = { 'tools/call': (/** @type {unknown} */ _message, /** @type {() => any} */ next) => next() }
  return http.createServer(
    benchGateway(upstream, { authenticate, sessions, intercept, publicUrl: 'https://bench.example' }, server),
  )
}
