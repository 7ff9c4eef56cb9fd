// The connections to Redis: one for commands, one for reads that wait.
import { createClient } from 'redis'

export type RedisClient = ReturnType<typeof createClient>

export interface Redis {
  readonly client: RedisClient
  readonly blockingClient: RedisClient
  close(): Promise<void>
}

export async function connectRedis(url: string): Promise<Redis> {
  const client = createClient({ url }).on('error', console.error)
  const blockingClient = client.duplicate().on('error', console.error)
  await Promise.all([client.connect(), blockingClient.connect()])
  return {
    client,
    blockingClient,
    async close() {
      await Promise.all([client.close(), blockingClient.close()])
    },
  }
}
