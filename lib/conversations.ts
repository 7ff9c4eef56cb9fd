/** What is said between clients and upstreams: opening, carrying on and ending sessions, until the gateway closes. */
import { GatewayError } from './errors.ts'
import { Exchange, type ExchangeParts, type Handle } from './exchange.ts'
import { checkVersion } from './inbound/headers.ts'
import type { Config } from './options.ts'
import { readAnswer } from './outbound/answer.ts'
import { Heartbeat } from './outbound/heartbeat.ts'
import { relay } from './outbound/relay.ts'
import { BATCH_VERSION, FIRST_VERSION_WITH_HEADER, HEADER } from './protocol.ts'
import { Sessions } from './session/sessions.ts'
import type { Message, Reply, Session, SessionRecord } from './types.ts'
import { toClient, toUpstream } from './upstream/headers.ts'
import { HttpUpstream } from './upstream/http.ts'
import type { Visit } from './visit.ts'

/** Where the upstream of a session is, for the day the session ends by itself. */
type Behind = Pick<ExchangeParts, 'server' | 'config' | 'principal'>

/** What to do with the reply to an exchange. */
type Continue = (reply: Reply, exchange: Exchange, visit: Visit) => Promise<void>

export class Conversations {
  readonly #report: Config['report']
  readonly #sessions: Sessions
  readonly #upstream: HttpUpstream
  readonly #handle: Handle
  readonly #heartbeat = new Heartbeat()
  readonly #running = new Set<Exchange>()
  /** Kept only for stores that tell when a session expires. */
  readonly #behind = new Map<string, Behind>()
  readonly #remembers: boolean
  /** Upstreams that are being told of the end of a session. */
  readonly #farewells = new Set<Promise<void>>()
  #closed: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor({ sessions, connectMs, responseMs, report }: Config) {
    this.#report = report
    this.#remembers = sessions.attach !== undefined
    this.#sessions = new Sessions(sessions, (id, record) => this.#expired(id, record), (error) => report(error, undefined))
    this.#upstream = new HttpUpstream({ connectMs, responseMs })
    this.#handle = this.#upstream.send
  }

  /** A message of a client. */
  async say(visit: Visit, message: Message, body: Buffer): Promise<void> {
    if (this.#closed && (message.kind === 'request' || message.kind === 'batch')) throw closing()
    if (message.era === 'modern') return this.#run(this.#exchange(visit, 'POST', undefined, message, body), visit, this.#carry)
    const named = visit.header(HEADER.sessionId)
    const opens = message.kind === 'request' && message.method === 'initialize'
    const session = opens ? await this.#stale(visit, named) : await this.#find(visit, named)
    if (!session) return this.#run(this.#exchange(visit, 'POST', undefined, message, body), visit, this.#open)
    checkVersion(visit.header(HEADER.protocolVersion), session.record.protocolVersion)
    if (message.kind === 'batch' && session.record.protocolVersion > BATCH_VERSION) {
      throw new GatewayError('invalid_request', `Revision ${session.record.protocolVersion} has no batches`)
    }
    return this.#run(this.#exchange(visit, 'POST', session, message, body), visit, this.#carry)
  }

  /** A client that listens. */
  async listen(visit: Visit): Promise<void> {
    if (this.#closed) throw closing()
    const session = await this.#find(visit, visit.header(HEADER.sessionId))
    checkVersion(visit.header(HEADER.protocolVersion), session.record.protocolVersion)
    return this.#run(this.#exchange(visit, 'GET', session, undefined, undefined), visit, this.#carry)
  }

  /** A client that ends its session. It has ended, whatever the upstream says to it. */
  async end(visit: Visit): Promise<void> {
    const session = await this.#find(visit, visit.header(HEADER.sessionId))
    this.#behind.delete(session.id)
    await this.#sessions.end(session.id)
    await this.#bidFarewell(session, { server: visit.server, config: visit.config!, principal: visit.principal })
    visit.response.writeHead(200, { 'content-length': 0 }).end()
  }

  /** Calling again gives the same promise. */
  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#close(Date.now() + graceMs)
    return this.#closed
  }

  async #close(deadline: number): Promise<void> {
    for (const exchange of this.#running) if (exchange.listens) exchange.stop(closing())
    if (this.#running.size > 0) await within(deadline, new Promise<void>((resolve) => (this.#onIdle = resolve)))
    for (const exchange of this.#running) exchange.stop(closing())
    await this.#sessions.close().catch((error: unknown) => this.#report(error, undefined))
    await within(deadline, Promise.all(this.#farewells))
    await this.#upstream.close()
  }

  #find(visit: Visit, id: string | undefined): Session | Promise<Session> {
    return this.#sessions.find(id, visit.server, visit.principal?.id ?? '')
  }

  /** The live session that an `initialize` names, if any: an ended one does not keep a client from starting anew. */
  async #stale(visit: Visit, id: string | undefined): Promise<Session | undefined> {
    if (id === undefined) return undefined
    try {
      return await this.#find(visit, id)
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'session_not_found') return undefined
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
    addVersion(headers, session)
    return new Exchange({ server, config: visit.config!, principal, request, method, session, message, headers, body })
  }

  /** Sends an exchange, and does with the reply what its kind asks for. */
  async #run(exchange: Exchange, visit: Visit, then: Continue): Promise<void> {
    const { session } = exchange
    this.#running.add(exchange)
    if (session) this.#sessions.enter(session.id, exchange)
    if (exchange.endsWithClient) visit.response.once('close', () => exchange.stop(gone()))
    try {
      await then.call(this, await this.#handle(exchange), exchange, visit)
    } catch (error) {
      if (session && isGone(error) && !exchange.stopped) await this.#forget(session.id)
      throw error
    } finally {
      if (session) this.#sessions.leave(session.id, exchange)
      this.#running.delete(exchange)
      if (this.#running.size === 0) this.#onIdle?.()
    }
  }

  /** Hands a reply on. An accepted notification or response has none. (RPC10) */
  async #carry(reply: Reply, exchange: Exchange, { response }: Visit): Promise<void> {
    if (exchange.isAnswered || reply.status >= 300) return relay(reply, toClient(reply.headers), exchange, response, this.#heartbeat)
    reply.body.drain()
    response.writeHead(202).end()
  }

  /** The reply to `initialize`: opens a session when the upstream agreed to one, then hands it on with our id. */
  async #open(reply: Reply, exchange: Exchange, visit: Visit): Promise<void> {
    const protocolVersion = reply.status < 300 ? negotiated(await readAnswer(reply)) : undefined
    const headers = toClient(reply.headers)
    if (protocolVersion !== undefined) {
      const { server, config, principal } = exchange
      const upstream = reply.headers[HEADER.sessionId]
      const record: SessionRecord = {
        server,
        principal: principal?.id ?? '',
        ...(typeof upstream === 'string' && { upstream }),
        protocolVersion,
      }
      const id = await this.#keep(record, { server, config, principal })
      headers[HEADER.sessionId] = id
      if (visit.response.destroyed) await this.#abandon({ id, record }, { server, config, principal })
    }
    return relay(reply, headers, exchange, visit.response, this.#heartbeat)
  }

  async #keep(record: SessionRecord, behind: Behind): Promise<string> {
    try {
      const id = await this.#sessions.open(record)
      if (this.#remembers) this.#behind.set(id, behind)
      return id
    } catch (error) {
      this.#depart({ id: '', record }, behind)
      throw error
    }
  }

  /** A client that left before it learnt its id will never use it. */
  async #abandon(session: Session, behind: Behind): Promise<void> {
    await this.#forget(session.id)
    this.#depart(session, behind)
  }

  async #forget(id: string): Promise<void> {
    this.#behind.delete(id)
    await this.#sessions.end(id)
  }

  #expired(id: string, record: SessionRecord): void {
    const behind = this.#behind.get(id)
    this.#behind.delete(id)
    if (behind) this.#depart({ id, record }, behind)
  }

  #depart(session: Session, behind: Behind): void {
    const farewell = this.#bidFarewell(session, behind).finally(() => this.#farewells.delete(farewell))
    this.#farewells.add(farewell)
  }

  /** Tells an upstream that its session has ended. It may refuse (405) or have forgotten it (404). Never rejects. */
  async #bidFarewell(session: Session, behind: Behind): Promise<void> {
    if (session.record.upstream === undefined) return
    const headers: Record<string, string> = {}
    addVersion(headers, session)
    const rest = { request: undefined, method: 'DELETE', message: undefined, body: undefined } as const
    try {
      const reply = await this.#handle(new Exchange({ ...behind, ...rest, session, headers }))
      reply.body.drain()
    } catch (error) {
      if (error instanceof GatewayError && (error.status === 404 || error.status === 405)) return
      this.#report(error, { ...behind, request: undefined })
    }
  }
}

/** UC1, HD5: a client that says no revision speaks the negotiated one. */
function addVersion(headers: Record<string, string>, session: Session | undefined): void {
  if (session === undefined || session.record.protocolVersion < FIRST_VERSION_WITH_HEADER) return
  headers[HEADER.protocolVersion] ??= session.record.protocolVersion
}

function negotiated(answer: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const result = answer?.['result']
  if (typeof result !== 'object' || result === null || !('protocolVersion' in result)) return undefined
  return typeof result.protocolVersion === 'string' ? result.protocolVersion : undefined
}

function isGone(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'session_not_found'
}

function gone(): GatewayError {
  return new GatewayError('bad_request', 'The client went away')
}

function closing(): GatewayError {
  return new GatewayError('unavailable', 'The gateway is shutting down')
}

/** Resolves with the promise, at the deadline at the latest. */
async function within(deadline: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadline - Date.now()).unref()))
  await Promise.race([promise, late])
  clearTimeout(timer)
}
