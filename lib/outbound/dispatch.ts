/** Sends an exchange down the pipeline, and does with the reply what its kind asks for. */
import type { ServerResponse } from 'node:http'
import { GatewayError, isCode } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import type { Flight, InFlight } from '../exchange/in-flight.ts'
import type { Handle } from '../exchange/reply.ts'
import type { AccessMonitor } from '../session/access-monitor.ts'
import type { Heartbeat } from './heartbeat.ts'
import { closeWithConnection } from './pipelined.ts'
import { relay } from './relay.ts'
import type { RelayOptions } from './writer.ts'

/** What dispatching needs of the gateway. */
interface DispatcherParts {
  readonly inFlight: InFlight
  readonly accessMonitor: AccessMonitor
  /** Ends a session that its server has forgotten. */
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
    this.#relayOptions = parts
  }

  /** Resolves when nothing of it is left to do. Rejects when the client has to be told why. */
  async dispatch(exchange: Exchange, handle: Handle, response: ServerResponse): Promise<void> {
    const { inFlight, accessMonitor, report } = this.#parts
    const { life, endsWithClient } = exchange
    closeWithConnection(response)
    if (endsWithClient && response.destroyed) return
    const flight = inFlight.add(exchange)
    life.endless = exchange.listens
    accessMonitor.watch(exchange)
    if (endsWithClient) response.once('close', () => this.#onClose(flight))
    try {
      const reply = await handle(exchange)
      if (reply.kind === 'events') life.endless = reply.endless
      const relayed = relay(reply, exchange, response, this.#relayOptions)
      if (relayed) await relayed
    } catch (error) {
      const { session } = exchange.origin
      if (session && isCode(error, 'session_not_found') && !life.stopped) {
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
