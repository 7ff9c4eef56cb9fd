// @ts-check
// A port nobody listens on just now, for servers that cannot be told to choose one.
import { once } from 'node:events'
import net from 'node:net'

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {net.AddressInfo} */ (server.address())
  server.close()
  await once(server, 'close')
  return port
}
