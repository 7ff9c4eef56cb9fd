/** Sends an exchange through the pipeline and relays the reply to the client. */
import type { ServerResponse } from 'node:http'
import { GatewayError, isCode, isElsewhere } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import type { Flight, InFlight } from '../exchange/in-flight.ts'
import { cancelledIdsOf } from '../exchange/message.ts'
import type { Handle } from '../exchange/reply.ts'
import type { AccessMonitor } from '../session/access-monitor.ts'
import { AbandonedCalls } from './abandoned-calls.ts'
import { collapse } from './collapse.ts'
import type { Heartbeat } from './heartbeat.ts'
import { relay } from './relay.ts'
import { ownStreamHeaders } from './response-headers.ts'
import type { RelayOptions } from './writer.ts'

interface DispatcherParts {
  readonly inFlight: InFlight
  readonly accessMonitor: AccessMonitor
  /** Ends a session that its server no longer knows. */
  readonly forget: (sessionId: string) => Promise<void>
  readonly heartbeat: Heartbeat
  readonly stallMs: number
  readonly send: SendWhole
  readonly report: (error: unknown, exchange: Exchange) => void
}

export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #relayOptions: RelayOptions

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    const { heartbeat, stallMs, send, report } = parts
    this.#relayOptions = { heartbeat, stallMs, send, report, abandoned: new AbandonedCalls() }
  }

  /** Resolves when the exchange is over. Rejects with the error that the client must be answered with. */
  async dispatch(exchange: Exchange, handle: Handle, response: ServerResponse): Promise<void> {
    const { inFlight, accessMonitor, report } = this.#parts
    const { life, endsWithClient } = exchange
    if (endsWithClient && response.destroyed) return
    const flight = inFlight.add(exchange)
    this.#noteCancelled(exchange)
    life.endless = exchange.listens
    accessMonitor.watch(exchange)
    if (endsWithClient) response.on('close', () => this.#onClose(flight))
    try {
      let reply = await handle(exchange)
      if (reply.kind === 'events' && !exchange.origin.accepts.events) reply = await collapse(reply, exchange, handle)
      if (reply.kind === 'events') life.endless = reply.endless
      const { observed } = exchange.origin
      if (observed) reply = observed.watch(reply)
      const relayed = relay(reply, exchange, response, this.#relayOptions)
      if (relayed) await relayed
    } catch (error) {
      const { session } = exchange.origin
      if (session && isCode(error, 'session_not_found') && !isElsewhere(error) && !life.stopped) {
        await this.#parts.forget(session.id).catch((fault: unknown) => report(fault, exchange))
      }
      if (!isCancelled(exchange) || response.headersSent) throw error
      this.#answerCancelled(error, exchange, response)
    } finally {
      inFlight.delete(flight)
    }
  }

  /** A cancelled request gets no response even if the server ignores the notification, which is forwarded as usual. */
  #noteCancelled({ message, origin: { session } }: Exchange): void {
    const ids = session ? cancelledIdsOf(message) : []
    if (ids.length > 0) this.#parts.inFlight.cancel(session!.id, ids)
  }

  /** Answers a cancelled request without content or error status, since clients turn a status into a response. (UT4) */
  #answerCancelled(error: unknown, exchange: Exchange, response: ServerResponse): void {
    const { send, report } = this.#parts
    const isSwallowed = !(error instanceof GatewayError) || (error.status >= 500 && error.code !== 'closing')
    if (isSwallowed) report(error, exchange)
    if (response.destroyed) return
    const { origin } = exchange
    if (!origin.accepts.events) return send(response, 202, {}, undefined, origin)
    send(response, 200, ownStreamHeaders(), undefined, origin)
  }

  /** `close` is also emitted after a complete response; then the exchange is no longer in flight. */
  #onClose(flight: Flight): void {
    if (this.#parts.inFlight.has(flight)) flight.life.stop(new GatewayError('bad_request', 'The client went away'))
  }
}

/** Whether the client has cancelled all requests of the exchange. */
function isCancelled({ origin, requestIds }: Exchange): boolean {
  return requestIds.length > 0 && origin.awaited(requestIds).length === 0
}
