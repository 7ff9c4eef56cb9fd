/** Sends an exchange down the pipeline, and does with the reply what its kind asks for. */
import type { ServerResponse } from 'node:http'
import { GatewayError, isCode, isElsewhere } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Flight, InFlight } from '../exchange/in-flight.ts'
import type { Handle } from '../exchange/reply.ts'
import type { AccessMonitor } from '../session/access-monitor.ts'
import { collapse } from './collapse.ts'
import { Heartbeat } from './heartbeat.ts'
import { relay } from './relay.ts'
import type { RelayOptions } from './writer.ts'

/** What dispatching needs of the gateway. */
interface DispatcherParts {
  readonly inFlight: InFlight
  readonly accessMonitor: AccessMonitor
  /** Ends a session that its server has forgotten. */
  readonly forget: (sessionId: string) => Promise<void>
  readonly stallMs: number
  readonly report: (error: unknown, exchange: Exchange) => void
}

export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #relayOptions: RelayOptions

  constructor(parts: DispatcherParts) {
    const { stallMs, report } = parts
    this.#parts = parts
    this.#relayOptions = { heartbeat: new Heartbeat(), stallMs, report }
  }

  /** Resolves when nothing of it is left to do. Rejects when the client has to be told why. */
  async dispatch(exchange: Exchange, handle: Handle, response: ServerResponse): Promise<void> {
    const { inFlight, accessMonitor, report } = this.#parts
    const { life, endsWithClient } = exchange
    if (endsWithClient && response.destroyed) return
    const flight = inFlight.add(exchange)
    life.endless = exchange.listens
    accessMonitor.watch(exchange)
    if (endsWithClient) response.once('close', () => this.#onClose(flight))
    try {
      let reply = await handle(exchange)
      if (reply.kind === 'events' && !exchange.origin.accepts.events) reply = await collapse(reply, exchange, handle)
      if (reply.kind === 'events') life.endless = reply.endless
      const relayed = relay(reply, exchange, response, this.#relayOptions)
      if (relayed) await relayed
    } catch (error) {
      const { session } = exchange.origin
      if (session && isCode(error, 'session_not_found') && !isElsewhere(error) && !life.stopped) {
        await this.#parts.forget(session.id).catch((fault: unknown) => report(fault, exchange))
      }
      throw error
    } finally {
      inFlight.delete(flight)
    }
  }

  /** A response closes when it is complete, too. */
  #onClose(flight: Flight): void {
    if (this.#parts.inFlight.has(flight)) flight.life.stop(new GatewayError('bad_request', 'The client went away'))
  }
}
