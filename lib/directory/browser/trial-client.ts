/** An MCP client at one endpoint: both eras, progress, cancellation, and what the server asks meanwhile. */
import { META, MODERN_VERSIONS } from '../../protocol.ts'
import { isObject, type JsonObject, member } from '../../util/json.ts'
import { callHeaders } from '../call-headers.ts'
import type { StreamEnd } from './event-stream.ts'
import { LegacySession } from './legacy-session.ts'
import { CAPABILITIES, IDENTITY, type CallListener, pause } from './call-listener.ts'
import { AnsweredError, sendToEndpoint } from './wire.ts'

/** A request to make. */
export interface TrialRequest {
  readonly method: string
  readonly params: JsonObject
  /** The schema of the tool that is called. */
  readonly inputSchema?: unknown
}

/** How often a server may ask for more before it answers, and how long it is left alone where it only says "later". */
const MAX_INPUT_ROUNDS = 20
const LATER_MS = 500

/** The error of a legacy server that wants URLs to be opened first. (2025-11-25 elicitation) */
const URL_REQUIRED = -32042

interface PendingCall {
  readonly listener: CallListener
  readonly settle: (response: JsonObject) => void
  readonly fail: (error: unknown) => void
}

/** The messages of a request come on its own stream, but any stream of a session may carry them. */
export class TrialClient {
  readonly #endpoint: string
  /** `undefined` for the modern era, which has no sessions. */
  readonly #session: LegacySession | undefined
  readonly #pending = new Map<unknown, PendingCall>()
  /** The questions that are open, by the server's ids. */
  readonly #questions = new Map<unknown, AbortController>()
  #ids = 0

  constructor(endpoint: string, era: 'legacy' | 'modern') {
    this.#endpoint = endpoint
    if (era === 'legacy') this.#session = new LegacySession(endpoint, (message) => this.#receive(message, undefined))
  }

  /** Resolves with the result. Throws an AnsweredError; the reason of the signal; or that no answer came. */
  async request(outgoing: TrialRequest, listener: CallListener): Promise<JsonObject> {
    let { params } = outgoing
    for (let round = 0; round < MAX_INPUT_ROUNDS; round += 1) {
      const result = await this.#answered({ ...outgoing, params }, listener)
      if (result['resultType'] !== 'input_required') return result
      const { inputRequests, requestState } = result
      if (!isObject(inputRequests)) await pause(LATER_MS, listener.signal)
      const inputResponses = isObject(inputRequests) ? await answers(inputRequests, listener) : undefined
      params = { ...outgoing.params, inputResponses, requestState }
    }
    throw new Error(`The server asked ${MAX_INPUT_ROUNDS} times and gave no result`)
  }

  /** Ends the session, if one was opened. The next request opens another one. */
  close(): void {
    this.#session?.close()
  }

  /** A legacy server may want URLs to be opened, and the session may have ended: both are tried once more. */
  async #answered(outgoing: TrialRequest, listener: CallListener): Promise<JsonObject> {
    try {
      return await this.#once(outgoing, listener)
    } catch (error) {
      if (!(error instanceof AnsweredError) || !this.#session) throw error
      if (error.status === 404 && this.#session.lose()) return this.#once(outgoing, listener)
      const wanted = member(error.data, 'elicitations')
      if (error.code !== URL_REQUIRED || !Array.isArray(wanted)) throw error
      for (const params of wanted as unknown[]) {
        if (!isObject(params) || (await listener.ask(params, listener.signal))['action'] !== 'accept') throw error
      }
      return this.#once(outgoing, listener)
    }
  }

  async #once({ method, params, inputSchema }: TrialRequest, listener: CallListener): Promise<JsonObject> {
    const headers = this.#session ? await this.#session.open(listener) : callHeaders(method, params, inputSchema)
    const id = (this.#ids += 1)
    const answer = new Promise<JsonObject>((settle, fail) => this.#pending.set(id, { listener, settle, fail }))
    const message = { jsonrpc: '2.0', id, method, params: { ...params, _meta: this.#metaOf(id, params) } }
    try {
      return resultOfResponse(await Promise.race([answer, this.#exchange(message, headers, listener)]))
    } catch (error) {
      if (listener.signal.aborted && this.#session) this.#tellCancelled(id, headers, listener)
      throw error
    } finally {
      this.#pending.delete(id)
      if (this.#pending.size === 0) for (const question of this.#questions.values()) question.abort()
    }
  }

  /** Sends the message; rejects when the response has ended without its answer, and cannot be resumed. */
  async #exchange(
    message: JsonObject,
    headers: Readonly<Record<string, string>>,
    listener: CallListener,
  ): Promise<never> {
    const { signal } = listener
    const onMessage = (received: JsonObject): void => this.#receive(received, listener)
    listener.onWire('sent', message)
    let end: StreamEnd | undefined = await sendToEndpoint(this.#endpoint, {
      verb: 'POST',
      message,
      headers,
      signal,
      onMessage,
    })
    while (this.#pending.has(message['id']) && end?.lastEventId !== undefined) {
      await pause(end.retryMs, signal)
      const resuming = { ...headers, 'last-event-id': end.lastEventId }
      end = await sendToEndpoint(this.#endpoint, { verb: 'GET', headers: resuming, signal, onMessage })
    }
    throw new Error('The server ended its answer without a result')
  }

  /** `listener` is that of the request on whose stream the message came; `undefined` for the session's own stream. */
  #receive(message: JsonObject, listener: CallListener | undefined): void {
    const { id, method, params } = message
    const own = this.#pending.get(id)
    const pending = [...this.#pending.values()]
    const to = listener ?? own?.listener ?? pending.at(-1)?.listener
    to?.onWire('received', message)
    if (method === undefined) own?.settle(message)
    else if (id !== undefined) void this.#respond(id, message, to)
    else if (!isObject(params)) return
    else if (method === 'notifications/progress')
      this.#pending.get(params['progressToken'])?.listener.onProgress(params)
    else if (method === 'notifications/message') to?.onLog(params)
    else if (method === 'notifications/cancelled') this.#questions.get(params['requestId'])?.abort()
  }

  /**
   * Responds to a request of the server; a question that nobody can be asked is cancelled. An answer of the visitor's
   * that does not arrive, such as after the login has ended, fails the call: it would wait for ever.
   */
  async #respond(id: unknown, { method, params }: JsonObject, listener: CallListener | undefined): Promise<void> {
    const response = { jsonrpc: '2.0', id, ...(await this.#answerTo(id, method, params, listener)) }
    listener?.onWire('sent', response)
    const headers = this.#session?.headers ?? {}
    await sendToEndpoint(this.#endpoint, { verb: 'POST', message: response, headers, onMessage: () => {} }).catch(
      (error: unknown) => {
        if (method !== 'elicitation/create') return
        for (const call of this.#pending.values()) if (call.listener === listener) call.fail(error)
      },
    )
  }

  async #answerTo(
    id: unknown,
    method: unknown,
    params: unknown,
    listener: CallListener | undefined,
  ): Promise<JsonObject> {
    if (method === 'ping') return { result: {} }
    if (method !== 'elicitation/create' || !isObject(params)) {
      return { error: { code: -32601, message: 'The page does not support this request' } }
    }
    if (!listener) return { result: { action: 'cancel' } }
    const question = new AbortController()
    this.#questions.set(id, question)
    try {
      return { result: await listener.ask(params, AbortSignal.any([question.signal, listener.signal])) }
    } finally {
      this.#questions.delete(id)
    }
  }

  #metaOf(id: number, { _meta: meta }: JsonObject): JsonObject {
    const envelope = {
      [META.protocolVersion]: MODERN_VERSIONS[0],
      [META.clientInfo]: IDENTITY,
      [META.clientCapabilities]: CAPABILITIES,
    }
    return { ...(isObject(meta) && meta), progressToken: id, ...(!this.#session && envelope) }
  }

  /** In the modern era the end of the HTTP request says it. */
  #tellCancelled(requestId: number, headers: Readonly<Record<string, string>>, listener: CallListener): void {
    const params = { requestId, reason: 'The person at the page cancelled it' }
    const message = { jsonrpc: '2.0', method: 'notifications/cancelled', params }
    listener.onWire('sent', message)
    void sendToEndpoint(this.#endpoint, { verb: 'POST', message, headers, onMessage: () => {} }).catch(() => {})
  }
}

/** Asks what a modern server requires, one question after the other. */
async function answers(inputRequests: JsonObject, listener: CallListener): Promise<JsonObject> {
  const given: [string, JsonObject][] = []
  for (const [key, asked] of Object.entries(inputRequests)) {
    const params = member(asked, 'params')
    if (member(asked, 'method') !== 'elicitation/create' || !isObject(params)) {
      throw new Error(`The server requires ${String(member(asked, 'method'))}, which the page does not support`)
    }
    given.push([key, await listener.ask(params, listener.signal)])
  }
  return Object.fromEntries(given)
}

function resultOfResponse({ result, error }: JsonObject): JsonObject {
  if (error !== undefined) throw new AnsweredError(error)
  if (isObject(result)) return result
  throw new Error('The server answered nothing that could be read')
}
