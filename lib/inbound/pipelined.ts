/** Requests that a client sends on a connection without waiting for answers. (HTTP/1.1 pipelining, RFC 9112, 9.3.2) */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GatewayError } from '../errors.ts'
import type { GatewayRequest } from '../types.ts'

/** How many requests of one connection may wait behind the one that is being answered. */
const MAX_WAITING = 100

const waiting = new WeakMap<Socket, number>()

/** Throws `too_many_requests`. A response gets its socket when it is its turn, so whoever does not pipeline pays nothing. */
export function checkPipelined({ socket }: GatewayRequest, response: ServerResponse): void {
  if (response.socket !== null) return
  const before = waiting.get(socket) ?? 0
  if (before >= MAX_WAITING) throw new GatewayError('too_many_requests', 'Too many requests wait on this connection')
  waiting.set(socket, before + 1)
  response.once('close', () => waiting.set(socket, waiting.get(socket)! - 1))
}
