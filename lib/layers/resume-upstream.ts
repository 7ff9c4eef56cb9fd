/** Resumes the stream of a request when its connection to the server breaks, unnoticed by the client. (SE7, UC6) */
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import { ResumingBody } from '../exchange/resuming-body.ts'
import type { ServerConfig } from '../types.ts'
import { isAggregate } from '../upstream/server-kind.ts'

/** Only broken streams are resumed: after one that the server closed on purpose, the client reconnects itself. (SE3) */
export class ResumeUpstream implements Layer {
  readonly name = 'resumeUpstream'

  applies(config: ServerConfig): boolean {
    return !isAggregate(config)
  }

  /** The reply to a handshake is not resumed, because the GET would need the session that the reply opens. */
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
