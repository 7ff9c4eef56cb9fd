/** Requests that are pipelined behind others: each is served once its connection is sure to take its response. */
import { AsyncResource } from 'node:async_hooks'
import type { Socket } from 'node:net'
import type { InboundRequest } from './inbound-request.ts'

/** How many requests may wait behind others on one connection, with heads of 16 KiB at most; past that it is closed. */
const MAX_PIPELINED = 256

const waiting = new WeakMap<Socket, number>()

/**
 * Serves a request: now, when the responses before it are complete, or never, if one of them closes the connection.
 * What may change something is not carried out unless it can be answered, and only safe methods may be served side by
 * side. (RFC 9112, 9.3.2 and 9.6)
 */
export function serveInTurn(inbound: InboundRequest, serve: (inbound: InboundRequest) => void): void {
  const { request, response } = inbound
  const { socket } = request
  // Bytes that had arrived before a connection was closed are still parsed.
  if (socket.writableEnded) return
  // node gives a response its socket when those before it are complete.
  if (response.socket !== null || response.destroyed) return serve(inbound)
  const count = (waiting.get(socket) ?? 0) + 1
  if (count > MAX_PIPELINED) {
    socket.destroy()
    return
  }
  waiting.set(socket, count)
  // The response before it calls, in an async context of its own.
  const inContext = AsyncResource.bind(serve)
  response.once('socket', () => {
    waiting.set(socket, waiting.get(socket)! - 1)
    inContext(inbound)
  })
}
