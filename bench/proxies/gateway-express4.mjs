// @ts-check
// This gateway in Express 4.
import http from 'node:http'
import express from 'express4'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway in Express 4'

/** @param {URL} upstream */
export const start = (upstream) => http.createServer(express().use(benchGateway(upstream)))
