/** Goes on with a call's stream whose connection to the server broke, behind the client's back. (SE7, UC6) */
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import { ResumingBody } from '../exchange/resuming-body.ts'

/** It decides about broken streams alone: one that ends in good order wants its reader to ask again. (SE3) */
export class ResumeUpstream implements Layer {
  readonly name = 'resumeUpstream'

  applies(): boolean {
    return true
  }

  /** A handshake has no session yet in which the rest of its answer could be asked for. */
  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { verb, message, opens } = exchange
    if (verb !== 'POST' || message?.era !== 'legacy' || message.kind === 'notification' || opens) return next(exchange)
    return next(exchange).then((reply) => resumable(reply, exchange, next))
  }
}

function resumable(reply: Reply, exchange: Exchange, next: Handle): Reply {
  if (reply.kind !== 'events') return reply
  const body = ResumingBody.of(reply, exchange, next)
  return { ...reply, body, pending: body.pending, resumeAfter: () => body.after ?? reply.resumeAfter() }
}
