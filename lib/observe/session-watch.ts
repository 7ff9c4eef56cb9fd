/** Remembers the sessions opened at this node: when, by which client, for which server. */
import type { AuditRecord, Principal, ServerConfig, SessionRecord } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { hasSessionSubscribers, publishSession } from './channels.ts'
import { sessionDigest } from './facts.ts'
import type { TelemetryObserver } from './telemetry.ts'

/** How many sessions are remembered. The end of a session that was evicted is not published. */
const MAX_SESSIONS = 10_000

/** A session that was opened at this node. */
interface SessionOpening {
  readonly at: number
  readonly server: string
  readonly principal: Principal | undefined
  readonly protocolVersion: string
  readonly client: AuditRecord['client']
  /** Whether the server has a session of its own. */
  readonly hasUpstream: boolean
  readonly url: string | URL | undefined
}

/** The facts of a session that is being opened. */
export interface OpenedSession extends Omit<SessionOpening, 'at' | 'hasUpstream' | 'url'> {
  readonly record: Pick<SessionRecord, 'upstream'>
  readonly config: ServerConfig
}

export class SessionWatch {
  readonly #telemetry: TelemetryObserver | undefined
  /** Whether sessions are remembered even without subscribers of the channel. */
  #isRemembered: boolean
  readonly #opened = new Map<string, SessionOpening>()
  #openedCount = 0
  #endedCount = 0

  constructor(telemetry: TelemetryObserver | undefined, isAudited: boolean) {
    this.#telemetry = telemetry
    this.#isRemembered = isAudited
  }

  /** Remembers sessions from now on. */
  remember(): void {
    this.#isRemembered = true
  }

  /** The remembered sessions, and how many were remembered and have ended so far. */
  get counts(): { readonly open: number; readonly opened: number; readonly ended: number } {
    return { open: this.#opened.size, opened: this.#openedCount, ended: this.#endedCount }
  }

  /** The client that opened a session at this node. */
  clientOf(id: string | undefined): AuditRecord['client'] {
    return id === undefined ? undefined : this.#opened.get(id)?.client
  }

  opened(id: string, { record, config, ...about }: OpenedSession): void {
    if (!this.#telemetry && !this.#isRemembered && !hasSessionSubscribers()) return
    this.#openedCount += 1
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

  /**
   * May be called several times for a session that has ended. Only a session opened at this node is published, and
   * once.
   */
  ended(id: string): void {
    const session = this.#opened.get(id)
    if (!session) return
    this.#opened.delete(id)
    this.#endedCount += 1
    const { server, principal, protocolVersion, hasUpstream, url } = session
    const durationMs = performance.now() - session.at
    const upstream = hasUpstream ? { url } : undefined
    this.#telemetry?.sessionEnded({ server, protocolVersion, durationMs, upstream })
    if (!hasSessionSubscribers()) return
    publishSession({ event: 'ended', session: sessionDigest(id)!, server, principal, protocolVersion, durationMs })
  }
}
