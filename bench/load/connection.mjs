// @ts-check
// One keep-alive HTTP/1.1 connection over node:net, one request at a time: the least a client can cost.
import net from 'node:net'

const HEAD_END = Buffer.from('\r\n\r\n')
/** @type {Buffer} */
const NO_BYTES = Buffer.alloc(0)

/** @typedef {{ status: number, head: string, bytes: number, begin: Buffer }} Answer `bytes` is the length of the body, `begin` its first piece */
/** @typedef {{ onHead?: (() => void) | undefined, onBytes?: ((slice: Buffer) => void) | undefined }} Sink */

export class Connection {
  #port
  /** @type {net.Socket | undefined} */
  #socket
  /** What came of a head or a chunk-size line that is not complete yet. */
  #rest = NO_BYTES
  /** @type {'head' | 'fixed' | 'chunk-size' | 'chunk' | 'to-close'} */
  #state = 'head'
  /** Bytes left of the fixed body or of the chunk, its line break included. */
  #left = 0
  /** @type {Answer} */
  #answer = { status: 0, head: '', bytes: 0, begin: NO_BYTES }
  /** @type {Sink} */
  #sink = {}
  /** @type {((answer: Answer) => void) | undefined} */
  #resolve
  /** @type {((error: Error) => void) | undefined} */
  #reject

  /** @param {number} port */
  constructor(port) {
    this.#port = port
  }

  /**
   * Sends a request and resolves when its answer is complete. A connection the proxy has closed is opened again.
   * @param {string} request @param {Sink} [sink] told the head and the body as they come
   * @returns {Promise<Answer>}
   */
  async request(request, sink = {}) {
    const socket = this.#socket?.writable ? this.#socket : await this.#connect()
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#sink = sink
      this.#state = 'head'
      this.#rest = NO_BYTES
      socket.write(request, 'latin1')
    })
  }

  /** Stops reading: the kernel's buffers fill up, then the proxy's. */
  stall() {
    this.#socket?.pause()
  }

  close() {
    this.#resolve = this.#reject = undefined
    this.#socket?.destroy()
  }

  /** @returns {Promise<net.Socket>} */
  #connect() {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
      this.#socket = socket
      socket.once('connect', () => resolve(socket))
      socket.on('data', (/** @type {Buffer} */ data) => this.#read(data))
      socket.once('error', reject)
      socket.once('close', () => this.#closed())
    })
  }

  #closed() {
    if (this.#state === 'to-close') this.#done()
    else this.#reject?.(new Error('the proxy closed the connection before its answer was complete'))
  }

  /** @param {Buffer} data */
  #read(data) {
    let bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data])
    this.#rest = NO_BYTES
    while (bytes.length > 0) {
      const used = this.#step(bytes)
      if (used === 0) {
        this.#rest = bytes
        return
      }
      bytes = bytes.subarray(used)
    }
  }

  /** Reads one part of the answer; says how many bytes it took, 0 when the part is not complete. @param {Buffer} bytes */
  #step(bytes) {
    if (this.#state === 'head') return this.#readHead(bytes)
    if (this.#state === 'chunk-size') return this.#readChunkSize(bytes)
    if (this.#state === 'to-close') return this.#give(bytes, bytes.length)
    const used = Math.min(this.#left, bytes.length)
    // A chunk's line break is counted in #left but is no part of the body.
    const ending = this.#state === 'chunk' ? Math.max(0, Math.min(used, 2 - (this.#left - used))) : 0
    this.#left -= used
    this.#give(bytes, used - ending)
    if (this.#left === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-size'
      else this.#done()
    }
    return used
  }

  /** @param {Buffer} bytes @param {number} length */
  #give(bytes, length) {
    if (length === 0) return 0
    const slice = bytes.length === length ? bytes : bytes.subarray(0, length)
    if (this.#answer.bytes === 0) this.#answer.begin = slice
    this.#answer.bytes += length
    this.#sink.onBytes?.(slice)
    return length
  }

  /** @param {Buffer} bytes */
  #readHead(bytes) {
    const end = bytes.indexOf(HEAD_END)
    if (end === -1) return 0
    const head = bytes.toString('latin1', 0, end)
    const status = Number(head.slice(9, 12))
    this.#answer = { status, head, bytes: 0, begin: NO_BYTES }
    this.#sink.onHead?.()
    const length = header(head, 'content-length')
    if (header(head, 'transfer-encoding') !== undefined) this.#state = 'chunk-size'
    else if (length !== undefined) this.#beginFixed(Number(length))
    else if (status === 202 || status === 204) this.#beginFixed(0)
    else this.#state = 'to-close'
    return end + 4
  }

  /** @param {number} length */
  #beginFixed(length) {
    this.#state = 'fixed'
    this.#left = length
    if (length === 0) this.#done()
  }

  /** @param {Buffer} bytes */
  #readChunkSize(bytes) {
    const end = bytes.indexOf('\r\n')
    if (end === -1) return 0
    const size = parseInt(bytes.toString('latin1', 0, end), 16)
    if (size > 0) {
      this.#state = 'chunk'
      this.#left = size + 2
      return end + 2
    }
    // The last chunk; nobody here sends trailers.
    if (bytes.length < end + 4) return 0
    this.#done()
    return end + 4
  }

  #done() {
    const resolve = this.#resolve
    this.#resolve = this.#reject = undefined
    this.#state = 'head'
    resolve?.(this.#answer)
  }
}

/** The value of a header. @param {string} head @param {string} name in lower case */
export function header(head, name) {
  return new RegExp(`\r\n${name}: *([^\r]*)`, 'i').exec(head)?.[1]
}
