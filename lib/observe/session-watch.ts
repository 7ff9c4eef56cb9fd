/** When sessions were opened and ended at this node, and which programs opened them. */
import type { AuditRecord, Principal, ServerConfig, SessionRecord } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { hasSessionSubscribers, publishSession } from './channels.ts'
import { sessionDigest } from './facts.ts'
import type { TelemetryObserver } from './telemetry.ts'

/** How many sessions are remembered: of one that was forgotten no duration is told. */
const MAX_SESSIONS = 10_000

/** A session that was opened here. */
interface SessionOpening {
  readonly at: number
  readonly server: string
  readonly principal: Principal | undefined
  readonly protocolVersion: string
  readonly client: AuditRecord['client']
  /** Whether its server has a session of its own behind it. */
  readonly hasUpstream: boolean
  readonly url: string | URL | undefined
}

/** A session as it is opened. */
export interface OpenedSession extends Omit<SessionOpening, 'at' | 'hasUpstream' | 'url'> {
  readonly record: Pick<SessionRecord, 'upstream'>
  readonly config: ServerConfig
}

export class SessionWatch {
  readonly #telemetry: TelemetryObserver | undefined
  /** Whether sessions are remembered although nobody listens to the channel. */
  readonly #isAudited: boolean
  readonly #opened = new Map<string, SessionOpening>()

  constructor(telemetry: TelemetryObserver | undefined, isAudited: boolean) {
    this.#telemetry = telemetry
    this.#isAudited = isAudited
  }

  /** The program that opened a session here. */
  clientOf(id: string | undefined): AuditRecord['client'] {
    return id === undefined ? undefined : this.#opened.get(id)?.client
  }

  opened(id: string, { record, config, ...about }: OpenedSession): void {
    if (!this.#telemetry && !this.#isAudited && !hasSessionSubscribers()) return
    const { id: upstreamId } = record.upstream
    const url = 'url' in config ? config.url : undefined
    boundedSet(this.#opened, MAX_SESSIONS, id, {
      ...about,
      at: performance.now(),
      hasUpstream: upstreamId !== undefined,
      url,
    })
    if (!hasSessionSubscribers()) return
    const { server, principal, protocolVersion } = about
    publishSession({ event: 'opened', session: sessionDigest(id)!, server, principal, protocolVersion })
  }

  /** Called once or several times for a session that has ended. Only one that was opened here is told of. */
  ended(id: string): void {
    const session = this.#opened.get(id)
    if (!session) return
    this.#opened.delete(id)
    const { server, principal, protocolVersion, hasUpstream, url } = session
    const durationMs = performance.now() - session.at
    const upstream = hasUpstream ? { url } : undefined
    this.#telemetry?.sessionEnded({ server, protocolVersion, durationMs, upstream })
    if (!hasSessionSubscribers()) return
    publishSession({ event: 'ended', session: sessionDigest(id)!, server, principal, protocolVersion, durationMs })
  }
}
