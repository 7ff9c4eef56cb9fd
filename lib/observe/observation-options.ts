/** Checks the options `audit` and `telemetry`. */
import type { GatewayOptions } from '../types.ts'
import { kindOf } from '../util/json.ts'
import type { AuditHook } from './audit.ts'
import { isTelemetry, type TelemetryObserver } from './telemetry.ts'

/** The checked options. */
export interface Observation {
  readonly audit: AuditHook | undefined
  readonly telemetry: TelemetryObserver | undefined
}

/** Throws a TypeError that names the option and the cure. */
export function parseObservation({
  audit,
  telemetry,
}: {
  readonly audit?: GatewayOptions['audit']
  readonly telemetry?: unknown
}): Observation {
  return { audit: parseAudit(audit), telemetry: parseTelemetry(telemetry) }
}

function parseAudit(audit: GatewayOptions['audit']): AuditHook | undefined {
  if (audit === undefined || typeof audit === 'function') return audit
  throw new TypeError(`"audit" must be a function (record), not ${kindOf(audit)}`)
}

function parseTelemetry(telemetry: unknown): TelemetryObserver | undefined {
  if (telemetry === undefined || isTelemetry(telemetry)) return telemetry
  const cure = "import { openTelemetry } from 'express-mcp-gateway/opentelemetry'"
  throw new TypeError(`"telemetry" must be openTelemetry(), not ${kindOf(telemetry)}: ${cure}`)
}
