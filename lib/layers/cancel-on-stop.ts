/** Sends `notifications/cancelled` for a request that is stopped or times out; no other layer sends it. (LC8) */
import { type GatewayError, isCode } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer, UpstreamOf } from '../exchange/layer.ts'
import { notificationOf } from '../exchange/message.ts'
import { drainReply, type Handle, type Reply } from '../exchange/reply.ts'
import { negotiatedVersionHeader } from '../protocol.ts'
import type { Era, ServerConfig } from '../types.ts'
import { isAggregate } from '../upstream/server-kind.ts'

interface CancelParts {
  readonly upstreamOf: UpstreamOf
  /** Makes the gateway's `close()` wait for the notification. */
  readonly track: (work: Promise<void>) => Promise<void>
  readonly report: (error: unknown, exchange: Exchange) => void
}

export class CancelOnStop implements Layer {
  readonly name = 'cancelOnStop'
  readonly #parts: CancelParts

  constructor(parts: CancelParts) {
    this.#parts = parts
  }

  applies(config: ServerConfig): boolean {
    return !isAggregate(config)
  }

  /** Sends the notification in the session of the request, even if a layer above has opened a new one since. */
  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    if (!this.#isCancelledByMessage(exchange)) return next(exchange)
    const off = exchange.life.onStop((reason) => {
      // `bind`, because a stop may run in a timer or in the async context of another request.
      if (needsNotification(reason)) exchange.origin.bind(() => this.#cancel(exchange, next, reason.message))()
    })
    return next(exchange).then(undefined, (error: unknown) => {
      off()
      if (isCode(error, 'upstream_timeout')) this.#cancel(exchange, next, 'No answer in time')
      throw error
    })
  }

  /** `initialize` must not be cancelled. (LC6) */
  #isCancelledByMessage({ message, config, path, state }: Exchange): boolean {
    if (message?.kind !== 'request' && message?.kind !== 'batch') return false
    if (message.era === 'modern') return this.#parts.upstreamOf(path.at(-1)!, config).quits === 'cancelled'
    return state !== undefined && !(message.kind === 'request' && message.method === 'initialize')
  }

  #cancel(exchange: Exchange, next: Handle, reason: string): void {
    const { state, message, requestIds } = exchange
    const era: Era = message!.era
    const headers = state ? negotiatedVersionHeader(state.protocolVersion) : {}
    for (const requestId of requestIds) {
      const cancelled = notificationOf(era, 'notifications/cancelled', { requestId, reason })
      const notification = exchange.fork(
        { verb: 'POST', message: cancelled, headers, isOwn: true },
        exchange.life.detach(),
      )
      const sending = next(notification).then(drainReply, (error: unknown) => this.#parts.report(error, exchange))
      void this.#parts.track(sending)
    }
  }
}

/** The end of a session ends its requests anyway, and a closing gateway lets the server finish them. */
function needsNotification({ code }: GatewayError): boolean {
  return code !== 'session_not_found' && code !== 'closing'
}
