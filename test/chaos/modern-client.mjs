// @ts-check
// A client of 2026-07-28: each message stands for itself, a question comes as a result, and who leaves has cancelled.
import { parse } from './ledger.mjs'
import { send } from './wire.mjs'

const MODERN = '2026-07-28'
const META = 'io.modelcontextprotocol'
const envelope = {
  [`${META}/protocolVersion`]: MODERN,
  [`${META}/clientCapabilities`]: { elicitation: { form: {} } },
}

/**
 * @typedef {import('./ledger.mjs').Ledger} Ledger
 * @typedef {import('./random.mjs').Random} Random
 * @typedef {object} ClientOptions
 * @property {string} name
 * @property {string} principal
 * @property {string} server
 * @property {() => string} url
 * @property {Random} random
 * @property {Ledger} ledger
 */

export class ModernClient {
  #isOver = false
  /** Ends what it listens to. */
  #end = new AbortController()
  #ids = 0

  /** @param {ClientOptions} options */
  constructor(options) {
    this.options = options
    // Some agents use one id for everything.
    this.alwaysOne = options.random.chance(0.4)
    if (options.random.chance(0.5)) void this.#listen()
  }

  /** @param {string} tool @param {{ steps: number, ms: number }} work @param {boolean} mayLeave */
  async call(tool, work, mayLeave) {
    const { name, principal, server, ledger, random } = this.options
    const call = ledger.open({ principal, client: name, server, tool })
    const params = { name: tool, arguments: { call: call.id, ...work } }
    const leaving = new AbortController()
    const leave = () => {
      call.left()
      leaving.abort()
    }
    const timer = mayLeave && random.chance(0.05) ? setTimeout(leave, random.between(0, 1_500)) : undefined
    let more = {}
    for (let round = 0; call.outcome === undefined; round += 1) {
      const id = this.#nextId()
      const _meta = { ...envelope, progressToken: call.id }
      const reply = await this.#send('tools/call', id, { ...params, ...more, _meta }, leaving.signal, tool)
      if (reply.status === 0) call.told(`connection: ${reply.cause}`)
      const result = await this.#read(reply, call, id)
      if (call.outcome !== undefined || !result) break
      const inputResponses = this.#answer(call, result)
      more = { inputResponses, ...('requestState' in result && { requestState: result.requestState }) }
      if (round > 4) ledger.violate('endless', `${call.words} is asked for ever`)
    }
    clearTimeout(timer)
    return call
  }

  /** @param {import('./wire.mjs').Reply} reply @param {import('./ledger.mjs').Call} call @param {unknown} id @returns {Promise<any>} a result that asks */
  async #read(reply, call, id) {
    const arrivals = reply.arrivals()
    let asking
    for (;;) {
      const { done, value } = await arrivals.next()
      if (done) {
        if (asking) return asking
        if (call.outcome === undefined && value === 'complete') {
          this.options.ledger.violate('untold', `${call.words}: ${reply.status}, and the stream ended without a word`)
        }
        if (value === 'silent')
          this.options.ledger.violate('silent', `${call.words}: nothing came, not even a heartbeat`)
        call.told(`stream: ${value}`)
        return undefined
      }
      const { message } = value
      if (message === undefined) continue
      if (message.method === 'notifications/progress') call.progressed(message.params)
      if (message.method !== undefined) continue
      if (message.result?.resultType === 'input_required') asking = message.result
      else call.response(message, id)
    }
  }

  /** @param {import('./ledger.mjs').Call} call @param {any} result */
  #answer(call, { inputRequests = {} }) {
    const entries = Object.entries(inputRequests).map(([key, { params }]) => {
      call.asked(parse(params.message))
      return [key, { action: 'accept', content: { said: call.id } }]
    })
    return Object.fromEntries(entries)
  }

  /** Listens for as long as the client is there, at whatever node. */
  async #listen() {
    const { ledger, random } = this.options
    while (!this.#isOver) {
      const id = `listen-${this.#nextId()}`
      const params = { _meta: envelope, notifications: { toolsListChanged: true } }
      const reply = await this.#send('subscriptions/listen', id, params, this.#end.signal)
      for await (const { message } of reply.arrivals()) {
        if (message !== undefined && message.method === undefined && message.id !== id && message.id !== null) {
          ledger.violate('crossed', `${this.options.name} listens with ${id} and got ${JSON.stringify(message)}`)
        }
      }
      await pause(random.between(100, 600))
    }
  }

  #nextId() {
    this.#ids += 1
    return this.alwaysOne ? 1 : this.#ids
  }

  /** @param {string} method @param {unknown} id @param {object} params @param {AbortSignal} signal @param {string} [name] */
  #send(method, id, params, signal, name) {
    const headers = {
      'mcp-protocol-version': MODERN,
      'mcp-method': method,
      ...(name !== undefined && { 'mcp-name': name }),
      authorization: `Bearer ${this.options.principal}`,
    }
    return send(this.options.url(), { headers, message: { jsonrpc: '2.0', id, method, params }, signal })
  }

  async close() {
    this.#isOver = true
    this.#end.abort()
  }
}

/** @param {number} ms @returns {Promise<void>} */
export function pause(ms) {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}
