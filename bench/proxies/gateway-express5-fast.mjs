// @ts-check
// This gateway in Express 5 on the library's own createServer(), which saves Express the prototype swap.
import express from 'express'
import * as library from '../../dist/index.js'
import { benchGateway } from './common/gateway.mjs'
import { Absent } from './common/absent.mjs'

export const title = 'this gateway in Express 5, fast server'

/** @param {URL} upstream */
export function start(upstream) {
  const { createServer } = /** @type {any} */ (library)
  if (!createServer) throw new Absent('createServer() is not exported by this build')
  return createServer(express().use(benchGateway(upstream)))
}
