/** What observes the messages of a gateway: made once for each, and free while nobody observes. */
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempt } from '../exchange/observed.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import type { InboundRequest } from '../inbound/inbound-request.ts'
import { AttemptObservation } from './attempt-observation.ts'
import { Audit, type AuditReport } from './audit.ts'
import { hasRequestSubscribers } from './channels.ts'
import { InboundObservation, type ObservationParts } from './inbound-observation.ts'
import type { Observation } from './observation-options.ts'
import { SessionWatch } from './session-watch.ts'

export class Observers {
  readonly sessions: SessionWatch
  /** Told of each message that goes to a server; `undefined` where nobody wants to know. */
  readonly attempt: Attempt | undefined
  readonly #parts: ObservationParts
  /** Whether every message is observed, whether or not anybody listens to the channels. */
  readonly #always: boolean

  constructor({ audit: hook, telemetry }: Observation, report: AuditReport) {
    const audit = hook && new Audit(hook, report)
    this.#always = audit !== undefined || telemetry !== undefined
    this.sessions = new SessionWatch(telemetry, audit !== undefined)
    const parts = { audit, telemetry, sessions: this.sessions, report }
    this.#parts = parts
    if (telemetry) this.attempt = (exchange, send) => new AttemptObservation(exchange, parts).send(send)
    else if (audit) this.attempt = (exchange, send) => heard(exchange, send, parts)
  }

  /** Begins to observe a request of a client, if anybody wants to know. */
  begin(inbound: InboundRequest): InboundObservation | undefined {
    return this.#always || hasRequestSubscribers() ? new InboundObservation(inbound, this.#parts) : undefined
  }

  /** Resolves when everything was told, at the latest at the deadline. */
  async close(deadline: number): Promise<void> {
    await this.#parts.audit?.close(deadline)
  }
}

/** An auditor is told of what the gateway itself says, and of what servers say on their streams: of nothing else here. */
function heard(exchange: Exchange, send: Handle, parts: ObservationParts): Promise<Reply> {
  if (exchange.isOwn) return new AttemptObservation(exchange, parts).send(send)
  return send(exchange).then((reply) =>
    reply.kind === 'events' ? new AttemptObservation(exchange, parts).watch(reply) : reply,
  )
}
