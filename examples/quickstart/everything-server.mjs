// @ts-check
// The reference MCP server @modelcontextprotocol/server-everything, on 127.0.0.1 and a free port.
// Left alone it listens on every interface of the machine; a server behind a gateway should not.
// Start it with `fork()`: it sends `{ url }` once it listens, and ends when its parent is gone.
import { Server } from 'node:net'

const listen = Server.prototype.listen
Server.prototype.listen = /** @this {Server} @param {any[]} args */ function (...args) {
  Server.prototype.listen = listen
  this.once('listening', () => {
    const { port } = /** @type {import('node:net').AddressInfo} */ (this.address())
    process.send?.({ url: `http://127.0.0.1:${port}/mcp` })
  })
  return listen.call(this, { host: '127.0.0.1', port: Number(process.env['PORT'] ?? 0) }, args.at(-1))
}

process.once('disconnect', () => process.exit())
process.env['PORT'] ??= '0'
await import(import.meta.resolve('@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js'))
