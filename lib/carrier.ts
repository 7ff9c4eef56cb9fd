/** Carries one exchange: sends it, and does with the reply what its kind asks for. */
import { isPromise } from './awaitable.ts'
import { GatewayError, isCode } from './errors.ts'
import type { Exchange, Handle } from './exchange.ts'
import type { Notices } from './notices.ts'
import type { Openings } from './openings.ts'
import type { Config } from './options.ts'
import { Heartbeat } from './outbound/heartbeat.ts'
import { relay } from './outbound/relay.ts'
import { HEADER } from './protocol.ts'
import type { Rechecks } from './rechecks.ts'
import type { Recoveries } from './recovery.ts'
import type { Running } from './running.ts'
import type { Awaitable, Reply } from './types.ts'
import { toClient } from './upstream/headers.ts'
import { ResumedBody } from './upstream/resumed-body.ts'
import type { Visit } from './visit.ts'

/** What carrying has others do. */
interface CarrierTools {
  readonly handle: Handle
  readonly running: Running
  readonly rechecks: Rechecks
  readonly notices: Notices
  readonly openings: Openings
  readonly recoveries: Recoveries
  /** Ends a session that the upstream has forgotten. */
  readonly forget: (sessionId: string) => Promise<void>
  readonly stallMs: number
  readonly report: Config['report']
}

export class Carrier {
  readonly #tools: CarrierTools
  readonly #heartbeat = new Heartbeat()

  constructor(tools: CarrierTools) {
    this.#tools = tools
  }

  /** Done when nothing of it is left to do. Rejects when the client has to be told why. */
  async run(exchange: Exchange, visit: Visit): Promise<void> {
    const { session } = exchange
    if (exchange.endsWithClient && visit.response.destroyed) return
    this.#tools.running.add(exchange)
    this.#tools.rechecks.watch(exchange)
    if (exchange.endsWithClient) visit.response.once('close', () => this.#onClose(exchange))
    try {
      const reply = await (exchange.config.recover ? this.#reach(exchange) : this.#tools.handle(exchange))
      const carried = exchange.opens ? this.#open(reply, exchange, visit) : this.#carry(reply, exchange, visit)
      if (isPromise(carried)) await carried
    } catch (error) {
      if (session && isCode(error, 'session_not_found') && !exchange.stopped) {
        await this.#tools.forget(session.id).catch((fault: unknown) => this.#tools.report(fault, visit))
      }
      if (session && isCode(error, 'upstream_timeout')) this.#tools.notices.cancelled(exchange, 'No answer in time')
      throw error
    } finally {
      this.#tools.running.delete(exchange)
    }
  }

  /** The upstream's reply, in a session opened anew where the upstream has forgotten it and may be told again. */
  async #reach(exchange: Exchange): Promise<Reply> {
    await this.#tools.recoveries.note(exchange)
    try {
      return await this.#tools.handle(exchange)
    } catch (error) {
      if (!isCode(error, 'session_not_found') || exchange.stopped) throw error
      const again = await this.#tools.recoveries.again(exchange).catch((cause: unknown) => {
        throw new GatewayError('session_not_found', 'Session not found', { cause })
      })
      exchange.onStop = (reason) => again.stop(reason)
      return this.#tools.handle(again)
    }
  }

  /** A response closes when it is complete, too. */
  #onClose(exchange: Exchange): void {
    if (this.#tools.running.has(exchange)) exchange.stop(new GatewayError('bad_request', 'The client went away'))
  }

  /** Hands a reply on. An accepted notification or response has none. (RPC10) */
  #carry(reply: Reply, exchange: Exchange, visit: Visit): Awaitable<void> {
    if (exchange.isAnswered || reply.status >= 300) return this.#relay(reply, toClient(reply.headers), exchange, visit)
    reply.body.drain()
    visit.response.writeHead(202).end()
    return undefined
  }

  /** The reply to `initialize`, handed on with our session's id. */
  async #open(reply: Reply, exchange: Exchange, visit: Visit): Promise<void> {
    const id = await this.#tools.openings.open(reply, exchange, visit.response)
    const headers = toClient(reply.headers)
    if (id !== undefined) headers[HEADER.sessionId] = id
    return this.#relay(reply, headers, exchange, visit)
  }

  /** A reply that broke off was told to the client as well as could be; the operator hears of it here. */
  #relay(reply: Reply, headers: Record<string, string>, exchange: Exchange, visit: Visit): Awaitable<void> {
    return relay(reply, headers, {
      exchange,
      response: visit.response,
      heartbeat: this.#heartbeat,
      stallMs: this.#tools.stallMs,
      report: (fault) => this.#tools.report(fault, visit),
      reopen: (lastEventId, retryMs) => new ResumedBody(this.#tools.handle, exchange, lastEventId, retryMs),
    })
  }
}
