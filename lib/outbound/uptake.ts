/** Whether a client takes what is written for it, looked at once a tick of the heartbeat. */
import type { ServerResponse } from 'node:http'
import { TICK_MS } from './heartbeat.ts'

/** The least that a client takes within `stallMs`, in bytes, unless there is less to take: one byte now and then stalls. */
const MIN_TAKEN_BYTES = 16 * 1024

/** How much may wait for its turn behind another response of its connection, in bytes, as long as that one takes. */
const QUEUED_BYTES = 64 * 1024

export class Uptake {
  readonly #stallMs: number
  /** What the connection had taken when the wait began. The first look only notes it. */
  #takenBytes = -Infinity
  #waitedMs = 0

  constructor(stallMs: number) {
    this.#stallMs = stallMs
  }

  /** Whether a client has taken too little for too long. `isWaiting` says whether anything waits for it. */
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

/** Cuts a client off; a response that waits for its turn has no connection yet that it could close itself. */
export function cutOff(response: ServerResponse): void {
  if (response.socket) response.destroy()
  else response.req.socket.destroy()
}
