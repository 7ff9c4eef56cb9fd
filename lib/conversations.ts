/** What is said between clients and upstreams: opening, carrying on and ending sessions, until the gateway closes. */
import { andThen } from './awaitable.ts'
import { Cache } from './cache/cache.ts'
import { Carrier } from './carrier.ts'
import { GatewayError, isCode } from './errors.ts'
import { Journal } from './events/journal.ts'
import { OwnEnquiries } from './enquiries.ts'
import { Exchange, type Handle } from './exchange.ts'
import { within } from './in-time.ts'
import { checkVersion } from './inbound/headers.ts'
import type { Config } from './options.ts'
import { readAnswer } from './outbound/answer.ts'
import { Notices } from './notices.ts'
import { Openings } from './openings.ts'
import { overhear } from './outbound/overhear.ts'
import { BATCH_VERSION, HEADER } from './protocol.ts'
import { Recoveries } from './recovery.ts'
import { Rechecks } from './rechecks.ts'
import { Running } from './running.ts'
import { Sessions } from './session/sessions.ts'
import type { Awaitable, EventLog, Message, Session } from './types.ts'
import { Eras } from './upstream/eras.ts'
import { addVersion, toUpstream } from './upstream/headers.ts'
import { HttpUpstream } from './upstream/http.ts'
import { ResumedBody } from './upstream/resumed-body.ts'
import type { Visit } from './visit.ts'

/** How long upstreams may take to hear that their sessions have ended, also when the grace is used up. */
const FAREWELL_MS = 1_000

export class Conversations {
  readonly enquiries: OwnEnquiries
  readonly #report: Config['report']
  readonly #sessions: Sessions
  readonly #upstream: HttpUpstream
  readonly #handle: Handle
  readonly #journal: Journal | undefined
  readonly #eras = new Eras()
  readonly #running = new Running()
  readonly #notices: Notices
  readonly #carrier: Carrier
  readonly #rechecks: Rechecks
  #closed: Promise<void> | undefined

  constructor(config: Config) {
    const { lookup, sessions, events, cacheBytes, stallMs, connectMs, responseMs, recheckMs, report } = config
    this.#report = report
    this.#upstream = new HttpUpstream({ connectMs, responseMs })
    const { send } = this.#upstream
    const cached = cacheBytes > 0 ? new Cache(send, cacheBytes, { readAnswer, overhear }).handle : send
    this.#journal = events && this.#openJournal(events, cached)
    this.#handle = this.#journal?.handle ?? cached
    this.#notices = new Notices(this.#handle, report)
    const isOpen = (): boolean => this.#closed === undefined
    this.enquiries = new OwnEnquiries(config, cached, this.#notices, this.#upstream, readAnswer, isOpen)
    this.#sessions = new Sessions(sessions, this.#running, (id, record) => this.#notices.expired(id, record))
    const tools = {
      handle: this.#handle,
      sessions: this.#sessions,
      notices: this.#notices,
      running: this.#running,
      eras: this.#eras,
      readAnswer,
      report,
    }
    this.#rechecks = new Rechecks({ ...tools, lookup, recheckMs })
    this.#carrier = new Carrier({
      ...tools,
      rechecks: this.#rechecks,
      openings: new Openings(tools),
      recoveries: new Recoveries(tools),
      forget: (id) => this.#forget(id),
      stallMs,
    })
  }

  #openJournal(events: EventLog, handle: Handle): Journal {
    return new Journal(handle, events, {
      running: this.#running,
      report: this.#report,
      resume: (exchange, lastEventId, retryMs) => new ResumedBody(handle, exchange, lastEventId, retryMs),
    })
  }

  /** A message of a client. */
  say(visit: Visit, message: Message, body: Buffer): Awaitable<void> {
    if (this.#closed && (message.kind === 'request' || message.kind === 'batch')) throw closing()
    this.#eras.check(visit.config!, message)
    return andThen(this.#sessionOf(visit, message), (session) => {
      if (session) checkTerms(session, visit, message)
      return this.#carrier.run(this.#exchange(visit, 'POST', session, message, body), visit)
    })
  }

  /** A client that listens. */
  async listen(visit: Visit): Promise<void> {
    if (this.#closed) throw closing()
    const session = await this.#findOwn(visit)
    checkVersion(visit.header(HEADER.protocolVersion), session.record.protocolVersion)
    return this.#carrier.run(this.#exchange(visit, 'GET', session, undefined, undefined), visit)
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
    this.#rechecks.close()
    await this.#sessions.close().catch((error: unknown) => this.#report(error, undefined))
    await this.#journal?.close().catch((error: unknown) => this.#report(error, undefined))
    await within(Math.max(deadline, Date.now() + FAREWELL_MS), this.#notices.done())
    this.#notices.close()
    await this.#upstream.close()
  }

  /** The session that a message belongs to: none in the modern era, nor before a handshake. */
  #sessionOf(visit: Visit, message: Message): Awaitable<Session | undefined> {
    if (message.era === 'modern') return undefined
    const id = visit.header(HEADER.sessionId)
    const opens = message.kind === 'request' && message.method === 'initialize'
    return opens ? this.#stale(visit, id) : this.#find(visit, id)
  }

  #find(visit: Visit, id: string | undefined): Awaitable<Session> {
    return this.#sessions.find(id, visit.server, visit.principal?.id ?? '')
  }

  /** The session of a GET or DELETE; where there are no sessions, there is neither of them. (RT4) */
  #findOwn(visit: Visit): Awaitable<Session> {
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

  async #forget(id: string): Promise<void> {
    this.#notices.forget(id)
    await this.#sessions.end(id)
    await this.#journal?.forget(id).catch((error: unknown) => this.#report(error, undefined))
  }
}

/** Throws for what a session does not allow: another revision, or a batch where there are none. */
function checkTerms({ record: { protocolVersion } }: Session, visit: Visit, message: Message): void {
  checkVersion(visit.header(HEADER.protocolVersion), protocolVersion)
  if (message.kind === 'batch' && protocolVersion > BATCH_VERSION) {
    throw new GatewayError('invalid_request', `Revision ${protocolVersion} has no batches`)
  }
}

function closing(): GatewayError {
  return new GatewayError('closing', 'The gateway is shutting down')
}
