/** Tells a server that a request's answer is no longer waited for: nobody else says `notifications/cancelled`. (LC8) */
import { type GatewayError, isCode } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer, UpstreamOf } from '../exchange/layer.ts'
import { notificationOf } from '../exchange/message.ts'
import { drainReply, type Handle, type Reply } from '../exchange/reply.ts'
import { negotiatedVersionHeader } from '../protocol.ts'
import type { Era } from '../types.ts'

interface CancelParts {
  readonly upstreamOf: UpstreamOf
  /** Has a gateway that closes wait for what is being said. */
  readonly track: (work: Promise<void>) => Promise<void>
  readonly report: (error: unknown, exchange: Exchange) => void
}

export class CancelOnStop implements Layer {
  readonly name = 'cancelOnStop'
  readonly #parts: CancelParts

  constructor(parts: CancelParts) {
    this.#parts = parts
  }

  applies(): boolean {
    return true
  }

  /** It speaks in the session that the request was sent in, whatever the layers above go on with. */
  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    if (!this.#isCancelledByMessage(exchange)) return next(exchange)
    const off = exchange.life.onStop((reason) => {
      // A stop may come from a timer, or in the context of another request.
      if (isHeard(reason)) exchange.origin.bind(() => this.#cancel(exchange, next, reason.message))()
    })
    return next(exchange).then(undefined, (error: unknown) => {
      off()
      if (isCode(error, 'upstream_timeout')) this.#cancel(exchange, next, 'No answer in time')
      throw error
    })
  }

  /** A handshake is never cancelled. (LC6) */
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
      const said = exchange.fork({ verb: 'POST', message: cancelled, headers, isOwn: true }, exchange.life.detach())
      const saying = next(said).then(drainReply, (error: unknown) => this.#parts.report(error, exchange))
      void this.#parts.track(saying)
    }
  }
}

/** A session that has ended takes its requests along; a gateway that closes leaves them to their server. */
function isHeard({ code }: GatewayError): boolean {
  return code !== 'session_not_found' && code !== 'closing'
}
