/** A command to Redis, through whatever client the embedder has, answered in time or not at all. */
import { inTime } from '../util/timeout.ts'

/** Sends one command: what `redis` calls `sendCommand(args)`, and `ioredis` `call(...args)`. */
export type SendCommand = (...args: string[]) => Promise<unknown>

/** Clients queue commands while Redis is away: whoever asked must hear of it in time. */
export function askRedis(send: SendCommand, timeoutMs: number, command: readonly string[]): Promise<unknown> {
  return inTime(timeoutMs, send(...command), `Redis did not answer ${command[0]} in time`)
}
