// @ts-check
// A client of the revisions with sessions: it listens, comes back with Last-Event-ID to whatever node there is, and opens
// another session when it is told that its own is gone.
import { parse } from './ledger.mjs'
import { pause } from './modern-client.mjs'
import { send } from './wire.mjs'

/**
 * @typedef {import('./modern-client.mjs').ClientOptions} ClientOptions
 * @typedef {import('./ledger.mjs').Call} Call
 * @typedef {{ headers: Record<string, string>, seen: Set<string>, isOver: boolean, end: AbortController }} Session
 */

/** After so many errors in a row, of whatever kind, a client takes what it comes back for as lost. */
const MAX_RETURNS = 60

export class LegacyClient {
  /** @type {Session | undefined} */
  #session
  /** @type {Promise<Session | undefined> | undefined} */
  #opening
  /** What gives up a call that is waited for, by the call's id. @type {Map<string, AbortController>} */
  #calls = new Map()
  /** Of the questions in the session's own stream. @type {Set<string>} */
  #told = new Set()
  #ids = 0

  /** @param {ClientOptions} options */
  constructor(options) {
    this.options = options
    this.version = options.random.pick(['2025-03-26', '2025-06-18', '2025-11-25', '2025-11-25'])
    this.listens = options.random.chance(0.7)
  }

  /** The session, opened once for all calls that wait for one. @returns {Promise<Session | undefined>} */
  async #sessionNow() {
    if (this.#session && !this.#session.isOver) return this.#session
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined))
    return this.#opening
  }

  /** @returns {Promise<Session | undefined>} */
  async #open() {
    const { principal, url, ledger, name } = this.options
    const authorization = `Bearer ${principal}`
    const clientInfo = { name: 'chaos', version: '1' }
    const params = { protocolVersion: this.version, capabilities: { elicitation: {} }, clientInfo }
    const id = `init-${(this.#ids += 1)}`
    const message = { jsonrpc: '2.0', id, method: 'initialize', params }
    const reply = await send(url(), { headers: { authorization }, message })
    let result
    for await (const { message: came } of reply.arrivals()) {
      if (came?.id !== id && came?.id !== null && came !== undefined) {
        ledger.violate('crossed', `${name} opens with ${id} and got ${JSON.stringify(came)}`)
      }
      if (came?.result) result = came.result
    }
    const sessionId = reply.headers['mcp-session-id']
    if (reply.status !== 200 || !result || typeof sessionId !== 'string') return undefined
    const version = this.version === '2025-03-26' ? undefined : { 'mcp-protocol-version': result.protocolVersion }
    const headers = { authorization, 'mcp-session-id': sessionId, ...version }
    /** @type {Session} */
    const session = { headers, seen: new Set(), isOver: false, end: new AbortController() }
    this.#session = session
    const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' }
    await drain(await send(url(), { headers, message: initialized }))
    if (this.listens) void this.#listen(session)
    return session
  }

  /** @param {Session} session */
  #over(session) {
    session.isOver = true
    session.end.abort()
  }

  /** @param {string} tool @param {{ steps: number, ms: number }} work @param {boolean} mayDrop */
  async call(tool, work, mayDrop) {
    const { name, principal, server, ledger, random, url } = this.options
    // Nobody would hear it.
    const asked = tool === 'ask_in_session' && !this.listens ? 'ask' : tool
    const call = ledger.open({ principal, client: name, server, tool: asked })
    const session = await this.#sessionNow()
    if (!session) {
      call.told('no session to be had')
      return call
    }
    const givingUp = new AbortController()
    this.#calls.set(call.id, givingUp)
    const id = (this.#ids += 1)
    const params = { name: asked, arguments: { call: call.id, ...work }, _meta: { progressToken: call.id } }
    const message = { jsonrpc: '2.0', id, method: 'tools/call', params }
    /** @type {string | undefined} */
    let last
    let drops = mayDrop && random.chance(0.2) ? random.whole(1, 2) : 0
    for (let returns = 0; ; returns += 1) {
      const dropping = new AbortController()
      const timer = drops-- > 0 ? setTimeout(() => dropping.abort(), random.between(0, 1_000)) : undefined
      const signal = AbortSignal.any([dropping.signal, givingUp.signal])
      const reply = await (last === undefined
        ? send(url(), { headers: session.headers, message, signal })
        : this.#resume(session, last, signal))
      const ending = await this.#read(reply, session, call, id, (eventId) => (last = eventId))
      clearTimeout(timer)
      if (call.outcome !== undefined) break
      if (reply.status === 404) this.#over(session)
      if (reply.status >= 400 && reply.status < 500) call.told(`status ${reply.status}`)
      else if (last === undefined) this.#untold(call, reply.status, ending, reply.cause)
      else if (returns > MAX_RETURNS) call.told(`gave up: ${reply.status} ${reply.cause}`)
      if (call.outcome !== undefined) break
      await pause(random.between(100, 500))
    }
    this.#calls.delete(call.id)
    return call
  }

  /** @param {Session} session @param {string | undefined} last @param {AbortSignal} signal */
  #resume({ headers }, last, signal) {
    const resume = last === undefined ? undefined : { 'last-event-id': last }
    return send(this.options.url(), { method: 'GET', headers: { ...headers, ...resume }, signal })
  }

  /** A connection that ended without an answer and without anything to come back with. @param {Call} call @param {number} status @param {string} ending @param {string} cause */
  #untold(call, status, ending, cause) {
    if (status === 200 && ending === 'complete') {
      this.options.ledger.violate('untold', `${call.words}: the stream ended without a word`)
    }
    if (cause === 'ABORT_ERR') call.left()
    else call.told(status === 0 ? `connection: ${cause}` : `${status}, stream: ${ending}`)
  }

  /**
   * @param {import('./wire.mjs').Reply} reply
   * @param {Session} session
   * @param {Call | undefined} call
   * @param {unknown} id
   * @param {(id: string) => void} onId
   */
  async #read(reply, session, call, id, onId) {
    const { ledger, name } = this.options
    const arrivals = reply.arrivals()
    for (;;) {
      const { done, value } = await arrivals.next()
      if (done) {
        if (value === 'silent') ledger.violate('silent', `${call?.words ?? name}: nothing came, not even a heartbeat`)
        return value
      }
      const { id: eventId, message } = value
      if (eventId !== undefined) onId(eventId)
      if (message === undefined) continue
      if (eventId !== undefined && session.seen.has(eventId)) {
        ledger.violate('doubled', `${name} got the event ${eventId} again: ${JSON.stringify(message)}`)
      }
      session.seen.add(eventId ?? '')
      if (message.method === undefined) {
        // The 404 of a session, and errors on a GET, name no request.
        if (reply.status >= 400 && (message.id ?? null) === null) continue
        if (call) call.response(message, id)
        else if (reply.status === 200) ledger.violate('crossed', `${name} listens, and got ${JSON.stringify(message)}`)
      } else if (message.method === 'elicitation/create') void this.#answer(session, message)
      else if (message.method === 'notifications/progress')
        this.#callOf(message.params.message)?.progressed(message.params)
      else if (message.method === 'notifications/message') this.#heard(message.params.data)
    }
  }

  /** @param {unknown} text */
  #callOf(text) {
    const said = parse(text)
    const call = this.options.ledger.calls.get(said.call)
    if (call?.info.client === this.options.name) return call
    this.options.ledger.violate('crossed', `${this.options.name} got something for ${JSON.stringify(said)}`)
    return undefined
  }

  /** @param {any} said what a tool told the whole session */
  #heard(said) {
    const { ledger, name } = this.options
    if (ledger.calls.get(said.call)?.info.client !== name) {
      ledger.violate('crossed', `${name} heard ${JSON.stringify(said)}`)
    }
    if (this.#told.has(said.call)) ledger.violate('doubled', `${name} heard ${said.call} again`)
    this.#told.add(said.call)
  }

  /** @param {Session} session @param {any} question */
  async #answer(session, { id, params }) {
    const call = this.#callOf(params.message)
    if (!call) return
    call.asked(parse(params.message))
    const result = { action: 'accept', content: { said: call.id } }
    // The answer is given until it is taken: a call whose question nobody answers is open for as long as a user may think.
    while (call.outcome === undefined) {
      const reply = await send(this.options.url(), {
        headers: session.headers,
        message: { jsonrpc: '2.0', id, result },
      })
      await drain(reply)
      if (reply.status === 404) {
        // A node whose clock has been set takes the session as expired: what has asked will not hear the answer.
        this.#over(session)
        call.told('404 to its answer')
        this.#calls.get(call.id)?.abort()
      }
      if (reply.status > 0 && reply.status < 500) return
      await pause(300)
    }
  }

  /** Listens for as long as the session is there. @param {Session} session */
  async #listen(session) {
    const { random } = this.options
    /** @type {string | undefined} */
    let last
    while (!session.isOver) {
      const reply = await this.#resume(session, last, session.end.signal)
      if (reply.cause === 'silent') this.options.ledger.violate('silent', `${this.options.name}: its GET got no head`)
      await this.#read(reply, session, undefined, undefined, (id) => (last = id))
      if (reply.status === 404) this.#over(session)
      // What it came back for is gone: it begins again.
      if (reply.status === 400) last = undefined
      if (reply.status === 405) return
      await pause(random.between(100, 500))
    }
  }

  /** Ends its session, until it has been heard. */
  async close() {
    const session = this.#session
    if (!session || session.isOver) return
    this.#over(session)
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const reply = await send(this.options.url(), { method: 'DELETE', headers: session.headers })
      await drain(reply)
      if (reply.status > 0 && reply.status < 500) return
      await pause(300)
    }
    this.options.ledger.violate('left open', `${this.options.name} cannot end its session`)
  }
}

/** @param {import('./wire.mjs').Reply} reply */
async function drain(reply) {
  for await (const arrival of reply.arrivals()) void arrival
}
