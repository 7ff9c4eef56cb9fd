// @ts-check
// This gateway in Express 5 on the library's own createExpressServer(), which saves Express the prototype swap.
import express from 'express'
import * as library from '../../dist/index.js'
import { benchGateway } from './common/gateway.mjs'
import { Absent } from './common/absent.mjs'

export const title = 'this gateway in Express 5, fast server'

/** @param {URL} upstream */
export function start(upstream) {
  const { createExpressServer } = /** @type {any} */ (library)
  if (!createExpressServer) throw new Absent('createExpressServer() is not exported by this build')
  return createExpressServer(express().use(benchGateway(upstream)))
}
