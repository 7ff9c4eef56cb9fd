// A node takes requests while it is ready, and leaves without losing one.
import { Server } from 'node:net'
import type { Server as HttpServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import express, { type Router } from 'express'

export class Readiness {
  /** Goes in front of the app; GET /ready is the probe of the balancer. */
  readonly handler: Router = express.Router()
  #isLeaving = false

  constructor(isReady: () => boolean) {
    // A node that leaves closes each connection with its response, so that the balancer sends nothing more on it.
    this.handler.use((request, response, next) => {
      if (this.#isLeaving) response.setHeader('connection', 'close')
      else response.once('finish', () => this.#isLeaving && request.socket.end())
      next()
    })
    this.handler.get('/ready', (_request, response) => {
      response.status(!this.#isLeaving && isReady() ? 200 : 503).end()
    })
  }

  /** Refuses connections from here on, but still serves for a moment what comes on those that there are. */
  async leave(server: HttpServer, leaveMs: number): Promise<void> {
    this.#isLeaving = true
    // The method of node:http would close idle ones, too, and lose a request that is on its way.
    Server.prototype.close.call(server)
    await sleep(leaveMs)
    server.closeIdleConnections()
  }
}
