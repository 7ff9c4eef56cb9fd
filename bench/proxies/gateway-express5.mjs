// @ts-check
// This gateway in Express 5.
import http from 'node:http'
import express from 'express'
import { benchGateway } from './common/gateway.mjs'

export const title = 'this gateway in Express 5'

/** @param {URL} upstream */
export const start = (upstream) => http.createServer(express().use(benchGateway(upstream)))
