/** A command to Redis, through whatever client the embedder has, answered in time or not at all. */

/** Sends one command: what `redis` calls `sendCommand(args)`, and `ioredis` `call(...args)`. */
export type SendCommand = (...args: string[]) => Promise<unknown>

/** Clients queue commands while Redis is away: whoever asked must hear of it in time. */
export async function askRedis(send: SendCommand, timeoutMs: number, command: readonly string[]): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Redis did not answer ${command[0]} in time`)), timeoutMs).unref()
  })
  try {
    return await Promise.race([send(...command), late])
  } finally {
    clearTimeout(timer)
  }
}
