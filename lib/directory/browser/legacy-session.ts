/** A session with a legacy server: the handshake, the stream on which the server speaks by itself, and the end. */
import { HEADER, LEGACY_VERSIONS, negotiatedVersionHeader } from '../../protocol.ts'
import { type JsonObject, member } from '../../util/json.ts'
import { CAPABILITIES, IDENTITY, type CallListener, pause } from './call-listener.ts'
import { AnsweredError, endWithKeepalive, sendToEndpoint } from './wire.ts'

/** How long the first call waits for the stream on which the server may ask, in milliseconds. */
const LISTEN_MS = 500
const REOPEN_MS = 1_000

type SessionHeaders = Readonly<Record<string, string>>

export class LegacySession {
  readonly #endpoint: string
  /** Called with what the server says on the session's own stream. */
  readonly #onMessage: (message: JsonObject) => void
  #opening: Promise<SessionHeaders> | undefined
  #headers: SessionHeaders | undefined
  #life = new AbortController()

  constructor(endpoint: string, onMessage: (message: JsonObject) => void) {
    this.#endpoint = endpoint
    this.#onMessage = onMessage
  }

  /** The headers that name the session; `undefined` while there is none. */
  get headers(): SessionHeaders | undefined {
    return this.#headers
  }

  /** Makes the handshake, unless there is a session; concurrent calls share it. */
  open(listener: CallListener): Promise<SessionHeaders> {
    this.#opening ??= this.#open(listener).catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  /** Called when the gateway does not know the session any more. Whether there was one. */
  lose(): boolean {
    const { headers } = this
    this.#forget()
    return headers?.[HEADER.sessionId] !== undefined
  }

  close(): void {
    const { headers } = this
    this.#forget()
    if (headers?.[HEADER.sessionId] !== undefined) endWithKeepalive(this.#endpoint, headers)
  }

  #forget(): void {
    this.#life.abort()
    this.#life = new AbortController()
    this.#opening = undefined
    this.#headers = undefined
  }

  async #open(listener: CallListener): Promise<SessionHeaders> {
    const { signal } = listener
    const params = { protocolVersion: LEGACY_VERSIONS.at(-1), capabilities: CAPABILITIES, clientInfo: IDENTITY }
    const message = { jsonrpc: '2.0', id: 'handshake', method: 'initialize', params }
    let id: string | null = null
    let answer: JsonObject = {}
    const say = async (said: JsonObject, headers: SessionHeaders): Promise<void> => {
      listener.onWire('sent', said)
      const onMessage = (received: JsonObject): void => {
        listener.onWire('received', received)
        if (received['id'] === 'handshake') answer = received
      }
      const onHead = (head: Headers): void => void (id ??= head.get(HEADER.sessionId))
      await sendToEndpoint(this.#endpoint, { verb: 'POST', message: said, headers, signal, onMessage, onHead })
    }
    await say(message, {})
    if (answer['error'] !== undefined) throw new AnsweredError(answer['error'])
    const version = member(answer['result'], 'protocolVersion')
    if (typeof version !== 'string') throw new Error('The server agreed to no revision')
    const headers = { ...negotiatedVersionHeader(version), ...(id !== null && { [HEADER.sessionId]: id }) }
    await say({ jsonrpc: '2.0', method: 'notifications/initialized' }, headers)
    this.#headers = headers
    await Promise.race([this.#listening(headers), pause(LISTEN_MS, signal)])
    return headers
  }

  /** Resolves when the server's stream is open, or will not be: what a server says before may be lost. */
  #listening(headers: SessionHeaders): Promise<void> {
    return new Promise((resolve) => {
      void this.#listen(headers, this.#life.signal, resolve).then(resolve)
    })
  }

  /** Servers may ask on this stream what a call needs. Ends with the session, or when the server has no such stream. */
  async #listen(headers: SessionHeaders, signal: AbortSignal, onHead: () => void): Promise<void> {
    let after: SessionHeaders = {}
    try {
      for (;;) {
        const onMessage = (message: JsonObject): void => this.#onMessage(message)
        const named = { ...headers, ...after }
        const end = await sendToEndpoint(this.#endpoint, { verb: 'GET', headers: named, signal, onMessage, onHead })
        after = end?.lastEventId === undefined ? after : { [HEADER.lastEventId]: end.lastEventId }
        await pause(end?.retryMs ?? REOPEN_MS, signal)
      }
    } catch {
      // Closed, or refused: the calls go on without it.
    }
  }
}
