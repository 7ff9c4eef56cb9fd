// Compile-only: createExpressServer() takes the apps of Express 4 and 5 as their own types have them, without a cast.
import { IncomingMessage, type Server } from 'node:http'
import express, { type Application, type Express } from 'express'
import express4, { type Application as Application4, type Express as Express4 } from 'express4'
import connect from 'connect'
import { createExpressServer, type ExpressApp } from '../../lib/index.ts'

const servers: Server[] = [
  createExpressServer(express()),
  createExpressServer(express4()),
  createExpressServer(express(), {}),
]
void servers

// As apps are annotated: `Application` is the wider type, without `request` and `response`.
declare const apps: { five: Express; four: Express4; wideFive: Application; wideFour: Application4 }
createExpressServer(apps.five)
createExpressServer(apps.four)
createExpressServer(apps.wideFive)
createExpressServer(apps.wideFour)
const app: ExpressApp = express().use(express.json())
createExpressServer(app)

// The options of node:http, also as they may be undefined.
declare const maybe: { ms: number | undefined }
createExpressServer(app, { keepAliveTimeout: 5_000, requestTimeout: 0, insecureHTTPParser: false })
createExpressServer(app, { keepAliveTimeout: maybe.ms })

// @ts-expect-error -- Express itself, not called
createExpressServer(express)
// @ts-expect-error -- a Router is no app
createExpressServer(express.Router())
// @ts-expect-error -- nor is what Connect makes
createExpressServer(connect())
// @ts-expect-error -- the prototypes are those of the app
createExpressServer(app, { IncomingMessage })
