// @ts-check
// A TCP relay: one link of the network, which can be slow, stand still, be cut, or refuse. With several targets it is a
// balancer, which passes over targets that refuse.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * @typedef {import('node:net').Socket} Socket
 * @typedef {{ port: number } | { path: string }} Target
 * @typedef {object} Link
 * @property {number} port
 * @property {number} delayMs for each chunk in each direction; 0 for none
 * @property {boolean} isStalled nothing passes, and nobody is told
 * @property {boolean} isDown connections are refused
 * @property {(share: () => boolean) => number} reset resets the connections that are chosen, and says how many
 * @property {() => number} open how many connections there are
 * @property {() => void} close
 */

/** @param {() => readonly Target[]} targets in the order in which they are tried @returns {Promise<Link>} */
export async function startLink(targets) {
  /** @type {Set<() => void>} */
  const connections = new Set()

  const server = createServer({ noDelay: true, allowHalfOpen: true }, async (client) => {
    client.on('error', () => {})
    if (link.isDown) return void client.resetAndDestroy()
    const target = await connectFirst(targets(), client)
    if (!target) return void client.resetAndDestroy()
    const reset = () => {
      breakOff(client)
      breakOff(target)
    }
    connections.add(reset)
    const closed = Promise.all([closing(client), closing(target)]).then(() => connections.delete(reset))
    void closed
    pump(client, target)
    pump(target, client)
  })

  /** @param {Socket} from @param {Socket} to */
  function pump(from, to) {
    const run = async () => {
      for await (const chunk of from) {
        if (link.delayMs > 0) await pause(link.delayMs)
        while (link.isStalled && !from.destroyed) await pause(20)
        if (to.destroyed) return
        if (!to.write(chunk)) await Promise.race([once(to, 'drain'), closing(to)])
      }
      to.end()
    }
    // A side that breaks takes the other one along.
    run().catch(() => breakOff(to))
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  /** @type {Link} */
  const link = {
    port: /** @type {import('node:net').AddressInfo} */ (server.address()).port,
    delayMs: 0,
    isStalled: false,
    isDown: false,
    reset(share) {
      const chosen = [...connections].filter(share)
      for (const reset of chosen) reset()
      return chosen.length
    },
    open: () => connections.size,
    close() {
      server.close()
      for (const reset of connections) reset()
    },
  }
  return link
}

/** A socket of a file has no reset. @param {Socket} socket */
function breakOff(socket) {
  if (socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

/** @param {readonly Target[]} targets @param {Socket} client @returns {Promise<Socket | undefined>} */
async function connectFirst(targets, client) {
  for (const target of targets) {
    const socket = connect({ ...target, noDelay: true, allowHalfOpen: true })
    try {
      await once(socket, 'connect')
    } catch {
      continue
    }
    socket.on('error', () => {})
    if (!client.destroyed) return socket
    socket.destroy()
    return undefined
  }
  return undefined
}

/** @param {Socket} socket @returns {Promise<void>} */
function closing(socket) {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve()
    else socket.once('close', () => resolve())
  })
}

/** @param {number} ms @returns {Promise<void>} */
function pause(ms) {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}
