// @ts-check
// http-proxy-middleware in Express 5.
import http from 'node:http'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

export const title = 'http-proxy-middleware in Express 5'

/** @param {URL} upstream */
export function start({ origin }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: Infinity })
  return http.createServer(express().use(createProxyMiddleware({ target: origin, agent })))
}
