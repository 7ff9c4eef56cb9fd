/** Tells responses that wait behind another one when their connection closes: node:http tells only the first. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** By connection, the responses that have not had their turn when they were met. */
const queues = new WeakMap<Socket, Set<ServerResponse>>()

/** Sees to it that a response closes with its connection, whether its turn has come or not. */
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

/** One that has its turn by now hears of it from node:http. */
function close(response: ServerResponse): void {
  if (response.socket !== null) return
  response.destroy()
  response.emit('close')
}
