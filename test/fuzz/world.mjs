// @ts-check
// What the properties play with: the gateway in its process, upstreams of raw bytes, and clients.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { answerBytes, headersOf, modern } from './mcp.mjs'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {{ method: string, headers: IncomingMessage['headers'], rawHeaders: string[], body: Buffer }} Asked */
/** @typedef {(socket: import('node:net').Socket, asked: Asked) => void | Promise<void>} Script */
/** @typedef {{ port: number, asked: Asked[], close(): Promise<void> }} Upstream */
/** @typedef {{ status: number, headers: IncomingMessage['headers'], body: Buffer, complete: boolean }} Answer */

const PROGRAM = fileURLToPath(new URL('gateway.mjs', import.meta.url))

/** How long anything may take that has all it needs. */
const PATIENCE_MS = 30_000

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {string} what
 * @returns {Promise<T>}
 */
export async function soon(promise, what) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${PATIENCE_MS} ms`)), PATIENCE_MS)
  })
  try {
    return await Promise.race([promise, /** @type {Promise<never>} */ (late)])
  } finally {
    clearTimeout(timer)
  }
}

/** @param {Script} script @returns {Promise<Upstream>} */
async function startUpstream(script) {
  /** @type {Asked[]} */
  const asked = []
  const server = createServer((request, response) => {
    /** @type {Buffer[]} */
    const chunks = []
    request.on('data', (part) => chunks.push(part))
    request.on('end', () => {
      const { method = '', headers, rawHeaders, socket } = request
      const one = { method, headers, rawHeaders, body: Buffer.concat(chunks) }
      asked.push(one)
      response.on('error', () => {})
      void script(socket, one)
    })
  })
  server.on('connection', (socket) => socket.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const close = () =>
    new Promise((/** @type {(value: void) => void} */ resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { port, asked, close }
}

export class World {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child
  #port = 0
  #asks = 0
  /** @type {Promise<void>} */
  #last = Promise.resolve()
  #fatal = ''
  /** @type {Map<number, (value: number) => void>} */
  #waiting = new Map()
  /** @type {Set<Upstream>} */
  #upstreams = new Set()
  /** @type {Set<{ destroy(): unknown }>} */
  #clients = new Set()

  /** Starts the gateway, and once more when it has died. */
  async start() {
    if (this.#child) return
    this.#fatal = ''
    const execArgv = ['--expose-gc', '--max-old-space-size=1024', '--disable-warning=ExperimentalWarning']
    const child = fork(PROGRAM, { execArgv })
    this.#child = child
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined
      this.#fatal ||= 'the process exited'
      for (const answer of this.#waiting.values()) answer(NaN)
    })
    await new Promise((resolve) => {
      child.on('message', (/** @type {any} */ { id, value, port, fatal }) => {
        if (fatal !== undefined) this.#fatal = fatal
        if (port !== undefined) resolve((this.#port = port))
        this.#waiting.get(id)?.(value)
        this.#waiting.delete(id)
      })
    })
    await this.checkAlive()
  }

  /** @param {string} ask @param {object} [given] @returns {Promise<number>} */
  async ask(ask, given = {}) {
    if (!this.#child) throw new Error(`the gateway has died: ${this.#fatal}`)
    const id = (this.#asks += 1)
    const answered = new Promise((/** @type {(value: number) => void} */ resolve) => this.#waiting.set(id, resolve))
    // Where the channel has closed, the end of the process is the answer.
    this.#child.send({ id, ask, ...given }, () => {})
    return soon(answered, `the gateway's word on ${ask}`)
  }

  /** One run: after those before it, which may have been given up but not have ended, and with nothing left behind. @param {() => Promise<void>} run */
  alone(run) {
    const mine = this.#last.then(async () => {
      await this.start()
      try {
        await run()
      } catch (error) {
        // Who has died is the first to know why.
        await this.ask('errors')
        if (this.#fatal) throw new Error(`the gateway has died: ${this.#fatal}`, { cause: error })
        throw error
      } finally {
        await this.tidy()
      }
    })
    this.#last = mine.catch(() => {})
    return mine
  }

  /** Makes a server that answers by script. @param {Script} script */
  async upstream(script) {
    const upstream = await startUpstream(script)
    this.#upstreams.add(upstream)
    return upstream
  }

  /** The server's address at a gateway: one of those in gateway.mjs. @param {string} variant @param {Upstream} upstream */
  url(variant, { port }) {
    return `http://127.0.0.1:${this.#port}/${variant}/${port}/mcp`
  }

  /**
   * Sends a request and gives its response as it comes.
   * @param {string} url
   * @param {string | Buffer | undefined} body
   * @param {Record<string, string>} [headers]
   * @returns {Promise<IncomingMessage>}
   */
  async open(url, body, headers = {}) {
    const accept = 'application/json, text/event-stream'
    const all = { accept, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers }
    const sent = httpRequest(url, { method: body === undefined ? 'GET' : 'POST', headers: all, agent: false })
    this.#clients.add(sent)
    const [response] = await soon(
      new Promise((/** @type {(value: [IncomingMessage]) => void} */ resolve, reject) => {
        sent.once('response', (answer) => resolve([answer]))
        sent.on('error', reject)
        sent.end(body)
      }),
      'the head of an answer',
    )
    response.on('error', () => {})
    return response
  }

  /** Sends a request and reads the whole answer; one that was cut before its head has status 0. @param {Parameters<World['open']>} given @returns {Promise<Answer>} */
  async post(...given) {
    try {
      return await whole(await this.open(...given))
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error)
      if (code === undefined) throw error
      return { status: 0, headers: {}, body: Buffer.alloc(0), complete: false }
    }
  }

  /** A connection to the gateway. */
  async connect() {
    const socket = connect(this.#port, '127.0.0.1')
    this.#clients.add(socket)
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }

  /** How much more than before the gateway holds once it has read so many bytes more, in bytes. @param {number} bytes @param {() => Promise<unknown>} send */
  async held(bytes, send) {
    const before = await this.ask('held')
    const from = await this.ask('bytesRead')
    await send()
    await this.ask('settled', { bytes: from + bytes })
    return (await this.ask('held')) - before
  }

  /** The gateway lives, and answers a ping. */
  async checkAlive() {
    const pong = JSON.stringify({ jsonrpc: '2.0', id: 'alive', result: {} })
    const upstream = await this.upstream((socket) => void socket.end(answerBytes('application/json', pong)))
    const sent = this.post(this.url('plain', upstream), JSON.stringify(modern('ping', {}, 'alive')), headersOf('ping'))
    const { status, body } = await sent
    await upstream.close()
    this.#upstreams.delete(upstream)
    if (this.#fatal) throw new Error(`the gateway has died: ${this.#fatal}`)
    if (status !== 200 || body.toString() !== pong) throw new Error(`a ping got ${status} ${body.toString()}`)
  }

  /** Takes down what a run has left. */
  async tidy() {
    for (const client of this.#clients) client.destroy()
    this.#clients.clear()
    await Promise.all([...this.#upstreams].map((upstream) => upstream.close()))
    this.#upstreams.clear()
  }

  async close() {
    await this.#last
    const child = this.#child
    if (!child) return
    const exited = once(child, 'exit')
    child.disconnect()
    await exited
  }
}

/** However it closes: events.once() takes a connection that breaks for a fault. @param {import('node:stream').Readable} stream */
export async function closed(stream) {
  if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve))
}

/** @param {IncomingMessage} response @returns {Promise<Answer>} */
export async function whole(response) {
  /** @type {Buffer[]} */
  const chunks = []
  response.on('data', (part) => chunks.push(part))
  await soon(closed(response), 'the end of an answer')
  const { statusCode = 0, headers, complete } = response
  return { status: statusCode, headers, body: Buffer.concat(chunks), complete }
}
