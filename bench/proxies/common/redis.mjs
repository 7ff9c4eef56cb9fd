// @ts-check
// A local redis-server, when that is installed, for as long as the process lives. Its own CPU does not count.
import { createClient } from 'redis'
import { placeOther } from '../../harness/cores.mjs'
import { startNative } from './native.mjs'

/** Its port, and a function that makes connections to it. */
export async function startRedis() {
  const { port, pid, end } = await startNative(
    'redis-server',
    (_folder, file) => [file],
    (free, folder) => `
bind 127.0.0.1
port ${free}
dir ${folder}
save ""
loglevel warning
`,
  )
  placeOther(pid)
  process.once('exit', end)
  return { port, connect: () => connectRedis(port) }
}

/** @param {number} port */
export async function connectRedis(port) {
  const client = createClient({ socket: { host: '127.0.0.1', port, tls: false } })
  await client.connect()
  return client
}
