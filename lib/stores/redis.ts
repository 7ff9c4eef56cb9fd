/** Sends a command to Redis with a time limit, for any Redis client library. */
import { inTime } from '../util/timeout.ts'

/** Sends one command: what `redis` calls `sendCommand(args)`, and `ioredis` `call(...args)`. */
export type SendCommand = (...args: string[]) => Promise<unknown>

/** The time limit is needed because clients queue commands without end while Redis is unreachable. */
export function sendInTime(send: SendCommand, timeoutMs: number, command: readonly string[]): Promise<unknown> {
  return inTime(timeoutMs, send(...command), `Redis did not answer ${command[0]} in time`)
}
