/** A conversation with a server as one principal, message by message, in one era. */
import { GatewayError } from '../errors.ts'
import { Exchange } from '../exchange.ts'
import type { Enquiries } from '../inside.ts'
import { isObject, type JsonObject, member } from '../json.ts'
import { HEADER, META, MODERN_VERSIONS } from '../protocol.ts'
import type { Era, GatewayRequest, Message, Principal, ServerConfig, Session } from '../types.ts'
import { addVersion } from '../upstream/headers.ts'

/** Whom to ask, and for whom. */
export interface Subject {
  readonly server: string
  readonly config: ServerConfig
  readonly principal: Principal | undefined
  readonly request: GatewayRequest
}

/** How we introduce ourselves. */
export const CLIENT_INFO: JsonObject = { name: 'express-mcp-gateway-directory', version: '1' }

const MODERN_SPOKEN = MODERN_VERSIONS[0]!

const ENVELOPE: JsonObject = {
  [META.protocolVersion]: MODERN_SPOKEN,
  [META.clientCapabilities]: {},
  [META.clientInfo]: CLIENT_INFO,
}

/** The server's own error, in a reply that came all right. */
export class RpcError extends Error {
  readonly code: unknown

  constructor(error: unknown) {
    const message = member(error, 'message')
    super(typeof message === 'string' ? message : 'an error without a message')
    this.code = member(error, 'code')
  }
}

export class Talk {
  readonly #enquiries: Enquiries
  readonly #subject: Subject
  readonly #era: Era
  readonly #running = new Set<Exchange>()
  #opening: Exchange | undefined
  #session: Session | undefined
  #stopped: GatewayError | undefined
  #id = 0

  constructor(enquiries: Enquiries, subject: Subject, era: Era) {
    this.#enquiries = enquiries
    this.#subject = subject
    this.#era = era
  }

  /** The result of a request. Throws the server's RpcError, or a GatewayError when no answer came. */
  async ask(method: string, params: JsonObject): Promise<JsonObject> {
    const id = (this.#id += 1)
    const said = this.#era === 'modern' ? { ...params, _meta: ENVELOPE } : params
    const message: Message = { kind: 'request', era: this.#era, id, method, params: said }
    const answer = await this.#send(message, { jsonrpc: '2.0', id, method, params: said })
    const error = member(answer, 'error')
    if (error !== undefined) throw new RpcError(error)
    const result = member(answer, 'result')
    if (isObject(result)) return result
    throw new GatewayError('upstream_invalid', 'The server answered nothing that could be read')
  }

  async tell(method: string): Promise<void> {
    await this.#send({ kind: 'notification', era: this.#era, method }, { jsonrpc: '2.0', method })
  }

  /** Ends the session, if one was opened. */
  leave(): void {
    if (this.#session && this.#opening) this.#enquiries.leave(this.#session, this.#opening)
    this.#session = undefined
  }

  /** What is under way fails with this, and so does whatever is still to be said. */
  stop(error: GatewayError): void {
    this.#stopped = error
    for (const exchange of this.#running) exchange.stop(error)
  }

  async #send(message: Message & { readonly method: string }, json: object): Promise<unknown> {
    if (this.#stopped) throw this.#stopped
    const exchange = this.#exchange(message, Buffer.from(JSON.stringify(json)))
    this.#running.add(exchange)
    try {
      const { headers, answer } = await this.#enquiries.ask(exchange)
      if (exchange.opens) this.#open(exchange, headers[HEADER.sessionId], answer?.message)
      return answer?.message
    } finally {
      this.#running.delete(exchange)
    }
  }

  #exchange(message: Message & { readonly method: string }, body: Buffer): Exchange {
    const session = this.#session
    const negotiated = session ? addVersion({}, session.record.protocolVersion) : {}
    const modern = { [HEADER.protocolVersion]: MODERN_SPOKEN, [HEADER.method]: message.method }
    const headers = this.#era === 'modern' ? modern : negotiated
    return new Exchange({ ...this.#subject, method: 'POST', session, message, headers, body })
  }

  #open(exchange: Exchange, upstream: unknown, answer: unknown): void {
    const protocolVersion = member(member(answer, 'result'), 'protocolVersion')
    if (typeof protocolVersion !== 'string') return
    const { server, principal } = this.#subject
    const behind = { server, principal: principal?.id ?? '', ...(typeof upstream === 'string' && { upstream }) }
    this.#opening = exchange
    this.#session = { id: '', record: { ...behind, protocolVersion } }
  }
}
