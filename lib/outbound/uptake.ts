/** Detects at every heartbeat tick whether a client reads what is written for it. */
import type { ServerResponse } from 'node:http'
import { TICK_MS } from './heartbeat.ts'

/** How many bytes a client must read within `stallMs`, if so many wait: a byte now and then counts as stalled. */
const MIN_TAKEN_BYTES = 16 * 1024

/** How many bytes of a pipelined response may be buffered while the response before it is being read. */
const QUEUED_BYTES = 64 * 1024

export class Uptake {
  readonly #stallMs: number
  /** The bytes read by the client when the wait began. The first check only records them. */
  #takenBytes = -Infinity
  #waitedMs = 0

  constructor(stallMs: number) {
    this.#stallMs = stallMs
  }

  /** Whether a client has read too little for too long. `isWaiting` is set while bytes wait for it. */
  isStalled(response: ServerResponse, isWaiting: boolean): boolean {
    const { socket, req, writableLength } = response
    const connection = socket ?? req.socket
    const takenBytes = connection.bytesWritten - connection.writableLength
    const isDue = socket !== null || writableLength > QUEUED_BYTES
    if (!isWaiting || !isDue || takenBytes - this.#takenBytes >= MIN_TAKEN_BYTES) {
      this.#takenBytes = takenBytes
      this.#waitedMs = 0
      return false
    }
    this.#waitedMs += TICK_MS
    return this.#waitedMs >= this.#stallMs
  }
}

/** Closes the client's connection. A queued response has no socket yet, so the request's socket is destroyed. */
export function cutOff(response: ServerResponse): void {
  if (response.socket) response.destroy()
  else response.req.socket.destroy()
}
