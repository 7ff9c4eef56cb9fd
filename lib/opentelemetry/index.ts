/** Spans and metrics by OpenTelemetry: needs `@opentelemetry/api`, an optional peer dependency that nothing else loads. */
export { openTelemetry, type OpenTelemetryOptions } from './open-telemetry.ts'
export type { Telemetry } from '../types.ts'
