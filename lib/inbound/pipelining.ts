/** HTTP pipelining: a request is served once the connection is certain to take its response. */
import { AsyncResource } from 'node:async_hooks'
import type { Socket } from 'node:net'
import type { InboundRequest } from './inbound-request.ts'

/** How many requests, with heads of 16 KiB at most, may wait on one connection; one more closes the connection. */
const MAX_PIPELINED = 256

const waiting = new WeakMap<Socket, number>()

/**
 * Serves a request at once, or when the responses before it are complete; never, if one of them closes the connection.
 * A request with side effects must not be carried out unless it can be answered, and only safe methods may be processed
 * in parallel. (RFC 9112, 9.3.2 and 9.6)
 */
export function serveInTurn(inbound: InboundRequest, serve: (inbound: InboundRequest) => void): void {
  const { request, response } = inbound
  const { socket } = request
  // node parses requests that arrived before the connection was closed.
  if (socket.writableEnded) return
  // node assigns the socket to a response when the responses before it are complete.
  if (response.socket !== null || response.destroyed) return serve(inbound)
  const count = (waiting.get(socket) ?? 0) + 1
  if (count > MAX_PIPELINED) {
    socket.destroy()
    return
  }
  waiting.set(socket, count)
  // The event is emitted in the async context of the response before this one.
  const inContext = AsyncResource.bind(serve)
  response.once('socket', () => {
    waiting.set(socket, waiting.get(socket)! - 1)
    inContext(inbound)
  })
}
