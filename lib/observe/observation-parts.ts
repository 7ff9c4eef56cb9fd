/** What the observations of a gateway share. */
import type { RequestWatcher } from '../exchange/request-watcher.ts'
import type { Audit, AuditReport } from './audit.ts'
import type { SessionWatch } from './session-watch.ts'
import type { TelemetryObserver } from './telemetry.ts'

/** The parts of the gateway that an observation uses. */
export interface ObservationParts {
  readonly audit: Audit | undefined
  readonly telemetry: TelemetryObserver | undefined
  readonly sessions: SessionWatch
  readonly report: AuditReport
  /** Registered later than the gateway is created, if at all. */
  watcher?: RequestWatcher
}
