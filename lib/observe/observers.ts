/**
 * Creates the observations of a gateway's messages; without observers nothing is created, and a message costs nothing.
 */
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempt, BeginAttempt } from '../exchange/observed.ts'
import type { Reply } from '../exchange/reply.ts'
import type { RequestWatcher } from '../exchange/request-watcher.ts'
import type { InboundRequest } from '../inbound/inbound-request.ts'
import { AttemptObservation } from './attempt-observation.ts'
import { Audit, type AuditReport } from './audit.ts'
import { hasRequestSubscribers } from './channels.ts'
import { InboundObservation } from './inbound-observation.ts'
import type { ObservationParts } from './observation-parts.ts'
import type { Observation } from './observation-options.ts'
import { SessionWatch } from './session-watch.ts'

export class Observers {
  readonly sessions: SessionWatch
  /** Observes each message sent to a server; `undefined` if neither audit nor telemetry is on. */
  readonly attempt: BeginAttempt | undefined
  readonly #parts: ObservationParts
  /** Whether every message is observed, even without subscribers of the channels. */
  #always: boolean

  constructor({ audit: hook, telemetry }: Observation, report: AuditReport) {
    const audit = hook && new Audit(hook, report)
    this.#always = audit !== undefined || telemetry !== undefined
    this.sessions = new SessionWatch(telemetry, audit !== undefined)
    const parts: ObservationParts = { audit, telemetry, sessions: this.sessions, report }
    this.#parts = parts
    if (telemetry) this.attempt = (exchange) => new AttemptObservation(exchange, parts)
    else if (audit) this.attempt = (exchange) => auditedAttempt(exchange, parts)
  }

  /** Passes what is observed to a watcher, too. */
  watch(watcher: RequestWatcher): void {
    this.#parts.watcher = watcher
    this.#always = true
    this.sessions.remember()
  }

  /** Starts observing a client's request, if there is an observer. */
  begin(inbound: InboundRequest): InboundObservation | undefined {
    return this.#always || hasRequestSubscribers() ? new InboundObservation(inbound, this.#parts) : undefined
  }

  /** Resolves when all records were passed on, at the latest at the deadline. */
  async close(deadline: number): Promise<void> {
    await this.#parts.audit?.close(deadline)
  }
}

/** For audit alone an attempt is observed only if the gateway sent it itself, or if its reply is a stream. */
function auditedAttempt(exchange: Exchange, parts: ObservationParts): Attempt {
  return exchange.isOwn ? new AttemptObservation(exchange, parts) : new ServerMessages(exchange, parts)
}

/** An attempt of which only the messages are observed that the server sends by itself. */
class ServerMessages implements Attempt {
  readonly sent: Exchange
  readonly #parts: ObservationParts

  constructor(exchange: Exchange, parts: ObservationParts) {
    this.sent = exchange
    this.#parts = parts
  }

  run<T>(work: () => T): T {
    return work()
  }

  watch(reply: Reply): Reply {
    return reply.kind === 'events' ? new AttemptObservation(this.sent, this.#parts).watch(reply) : reply
  }

  failed(): void {}
}
