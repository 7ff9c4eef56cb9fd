/** What is said between clients and upstreams: opening, carrying on and ending sessions, until the gateway closes. */
import { GatewayError, type GatewayErrorCode } from './errors.ts'
import { isPromise, within } from './awaitable.ts'
import { Cache } from './cache/cache.ts'
import { Journal } from './events/journal.ts'
import { Exchange, type Handle } from './exchange.ts'
import { checkVersion } from './inbound/headers.ts'
import type { Config } from './options.ts'
import { readAnswer } from './outbound/answer.ts'
import { Heartbeat } from './outbound/heartbeat.ts'
import { Notices } from './notices.ts'
import { Openings } from './openings.ts'
import { overhear } from './outbound/overhear.ts'
import { relay } from './outbound/relay.ts'
import { BATCH_VERSION, HEADER } from './protocol.ts'
import { Recoveries } from './recovery.ts'
import { Running } from './running.ts'
import { Sessions } from './session/sessions.ts'
import type { EventLog, Message, Reply, Session } from './types.ts'
import { Eras } from './upstream/eras.ts'
import { addVersion, toClient, toUpstream } from './upstream/headers.ts'
import { HttpUpstream } from './upstream/http.ts'
import { ResumedBody } from './upstream/resumed-body.ts'
import type { Visit } from './visit.ts'

/** How long upstreams may take to hear that their sessions have ended, also when the grace is used up. */
const FAREWELL_MS = 1_000

export class Conversations {
  readonly #report: Config['report']
  readonly #stallMs: number
  readonly #sessions: Sessions
  readonly #upstream: HttpUpstream
  readonly #handle: Handle
  readonly #journal: Journal | undefined
  readonly #heartbeat = new Heartbeat()
  readonly #eras = new Eras()
  readonly #running = new Running()
  readonly #notices: Notices
  readonly #openings: Openings
  readonly #recoveries: Recoveries
  #closed: Promise<void> | undefined

  constructor({ sessions, events, cacheBytes, stallMs, connectMs, responseMs, report }: Config) {
    this.#report = report
    this.#stallMs = stallMs
    this.#upstream = new HttpUpstream({ connectMs, responseMs })
    const { send } = this.#upstream
    const cached = cacheBytes > 0 ? new Cache(send, cacheBytes, { readAnswer, overhear }).handle : send
    this.#journal = events && this.#openJournal(events, cached)
    this.#handle = this.#journal?.handle ?? cached
    this.#notices = new Notices(this.#handle, report)
    this.#sessions = new Sessions(
      sessions,
      this.#running,
      (id, record) => this.#notices.expired(id, record),
      (error) => report(error, undefined),
    )
    const tools = {
      handle: this.#handle,
      sessions: this.#sessions,
      notices: this.#notices,
      eras: this.#eras,
      readAnswer,
    }
    this.#openings = new Openings(tools)
    this.#recoveries = new Recoveries(tools)
  }

  #openJournal(events: EventLog, handle: Handle): Journal {
    return new Journal(handle, events, {
      running: this.#running,
      report: this.#report,
      resume: (exchange, lastEventId, retryMs) => new ResumedBody(handle, exchange, lastEventId, retryMs),
    })
  }

  /** A message of a client. */
  async say(visit: Visit, message: Message, body: Buffer): Promise<void> {
    if (this.#closed && (message.kind === 'request' || message.kind === 'batch')) throw closing()
    const exchange = (session?: Session): Exchange => this.#exchange(visit, 'POST', session, message, body)
    this.#eras.check(visit.config!, message)
    if (message.era === 'modern') return this.#run(exchange(), visit)
    const named = visit.header(HEADER.sessionId)
    const opens = message.kind === 'request' && message.method === 'initialize'
    const found = opens ? this.#stale(visit, named) : this.#find(visit, named)
    const session = isPromise(found) ? await found : found
    if (!session) return this.#run(exchange(), visit)
    checkVersion(visit.header(HEADER.protocolVersion), session.record.protocolVersion)
    if (message.kind === 'batch' && session.record.protocolVersion > BATCH_VERSION) {
      throw new GatewayError('invalid_request', `Revision ${session.record.protocolVersion} has no batches`)
    }
    return this.#run(exchange(session), visit)
  }

  /** A client that listens. */
  async listen(visit: Visit): Promise<void> {
    if (this.#closed) throw closing()
    const session = await this.#findOwn(visit)
    checkVersion(visit.header(HEADER.protocolVersion), session.record.protocolVersion)
    return this.#run(this.#exchange(visit, 'GET', session, undefined, undefined), visit)
  }

  /** A client that ends its session. It has ended, whatever the upstream says to it. */
  async end(visit: Visit): Promise<void> {
    const session = await this.#findOwn(visit)
    checkVersion(visit.header(HEADER.protocolVersion), session.record.protocolVersion)
    await this.#forget(session.id)
    const { server, principal, request } = visit
    await this.#notices.ended(session, { server, config: visit.config!, principal, request })
    visit.response.writeHead(200, { 'content-length': 0 }).end()
  }

  /** Calling again gives the same promise. */
  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#close(Date.now() + graceMs)
    return this.#closed
  }

  async #close(deadline: number): Promise<void> {
    this.#running.stop(closing(), ({ listens, awaitsAnswer }) => listens && !awaitsAnswer)
    await within(deadline, this.#running.idle())
    this.#running.stop(closing(), () => true)
    await this.#sessions.close().catch((error: unknown) => this.#report(error, undefined))
    await this.#journal?.close().catch((error: unknown) => this.#report(error, undefined))
    await within(Math.max(deadline, Date.now() + FAREWELL_MS), this.#notices.done())
    await this.#upstream.close()
  }

  #find(visit: Visit, id: string | undefined): Session | Promise<Session> {
    return this.#sessions.find(id, visit.server, visit.principal?.id ?? '')
  }

  /** The session of a GET or DELETE; where there are no sessions, there is neither of them. (RT4) */
  #findOwn(visit: Visit): Session | Promise<Session> {
    if (this.#eras.isModernOnly(visit.config!)) {
      throw new GatewayError('method_not_allowed', 'Method not allowed', { headers: { allow: 'POST' } })
    }
    return this.#find(visit, visit.header(HEADER.sessionId))
  }

  /** The live session that an `initialize` names, if any: an ended one does not keep a client from starting anew. */
  async #stale(visit: Visit, id: string | undefined): Promise<Session | undefined> {
    if (id === undefined) return undefined
    try {
      return await this.#find(visit, id)
    } catch (error) {
      if (isCode(error, 'session_not_found')) return undefined
      throw error
    }
  }

  #exchange(
    visit: Visit,
    method: Exchange['method'],
    session: Session | undefined,
    message: Message | undefined,
    body: Buffer | undefined,
  ): Exchange {
    const { server, principal, request } = visit
    const headers = toUpstream(method, request.headers)
    if (session) addVersion(headers, session.record.protocolVersion)
    return new Exchange({ server, config: visit.config!, principal, request, method, session, message, headers, body })
  }

  /** Sends an exchange, and does with the reply what its kind asks for. */
  async #run(exchange: Exchange, visit: Visit): Promise<void> {
    const { session } = exchange
    if (exchange.endsWithClient && visit.response.destroyed) return
    this.#running.add(exchange)
    if (exchange.endsWithClient) visit.response.once('close', () => this.#onClose(exchange))
    try {
      const reply = await this.#reach(exchange)
      await (exchange.opens ? this.#open(reply, exchange, visit) : this.#carry(reply, exchange, visit))
    } catch (error) {
      if (session && isCode(error, 'session_not_found') && !exchange.stopped) {
        await this.#forget(session.id).catch((fault: unknown) => this.#report(fault, visit))
      }
      if (session && isCode(error, 'upstream_timeout')) this.#notices.cancelled(exchange, 'No answer in time')
      throw error
    } finally {
      this.#running.delete(exchange)
    }
  }

  /** The upstream's reply, in a session opened anew where the upstream has forgotten it and may be told again. */
  async #reach(exchange: Exchange): Promise<Reply> {
    if (!exchange.config.recover) return this.#handle(exchange)
    await this.#recoveries.note(exchange)
    try {
      return await this.#handle(exchange)
    } catch (error) {
      if (!isCode(error, 'session_not_found') || exchange.stopped) throw error
      const again = await this.#recoveries.again(exchange).catch((cause: unknown) => {
        throw new GatewayError('session_not_found', 'Session not found', { cause })
      })
      exchange.onStop = (reason) => again.stop(reason)
      return this.#handle(again)
    }
  }

  /** A response closes when it is complete, too. */
  #onClose(exchange: Exchange): void {
    if (this.#running.has(exchange)) exchange.stop(new GatewayError('bad_request', 'The client went away'))
  }

  /** Hands a reply on. An accepted notification or response has none. (RPC10) */
  async #carry(reply: Reply, exchange: Exchange, visit: Visit): Promise<void> {
    if (exchange.isAnswered || reply.status >= 300) return this.#relay(reply, toClient(reply.headers), exchange, visit)
    reply.body.drain()
    visit.response.writeHead(202).end()
  }

  /** The reply to `initialize`, handed on with our session's id. */
  async #open(reply: Reply, exchange: Exchange, visit: Visit): Promise<void> {
    const id = await this.#openings.open(reply, exchange, visit.response)
    const headers = toClient(reply.headers)
    if (id !== undefined) headers[HEADER.sessionId] = id
    return this.#relay(reply, headers, exchange, visit)
  }

  /** A reply that broke off was told to the client as well as could be; the operator hears of it here. */
  async #relay(reply: Reply, headers: Record<string, string>, exchange: Exchange, visit: Visit): Promise<void> {
    const relayed = relay(reply, headers, {
      exchange,
      response: visit.response,
      heartbeat: this.#heartbeat,
      stallMs: this.#stallMs,
      report: (fault) => this.#report(fault, visit),
      reopen: (lastEventId, retryMs) => new ResumedBody(this.#handle, exchange, lastEventId, retryMs),
    })
    if (isPromise(relayed)) await relayed
  }

  async #forget(id: string): Promise<void> {
    this.#notices.forget(id)
    await this.#sessions.end(id)
    await this.#journal?.forget(id).catch((error: unknown) => this.#report(error, undefined))
  }
}

function isCode(error: unknown, code: GatewayErrorCode): boolean {
  return error instanceof GatewayError && error.code === code
}

function closing(): GatewayError {
  return new GatewayError('closing', 'The gateway is shutting down')
}
