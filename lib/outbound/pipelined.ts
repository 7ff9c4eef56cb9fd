/** Closes all pipelined responses with their connection, since node:http closes only the first. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** By connection, the responses that were waiting for an earlier one when they were registered. */
const queues = new WeakMap<Socket, Set<ServerResponse>>()

/** Ensures that a response emits `close` with its connection, even while it is queued. */
export function closeWithConnection(response: ServerResponse): void {
  if (response.socket !== null || response.destroyed || response.writableFinished) return
  const { socket } = response.req
  if (socket.destroyed) return close(response)
  const queue = queues.get(socket) ?? queueOf(socket)
  if (queue.has(response)) return
  queue.add(response)
  response.once('close', () => queue.delete(response))
}

function queueOf(socket: Socket): Set<ServerResponse> {
  const queue = new Set<ServerResponse>()
  queues.set(socket, queue)
  socket.once('close', () => {
    for (const response of queue) close(response)
  })
  return queue
}

/** A response that is no longer queued is closed by node:http. */
function close(response: ServerResponse): void {
  if (response.socket !== null) return
  response.destroy()
  response.emit('close')
}
