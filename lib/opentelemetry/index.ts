/**
 * OpenTelemetry spans and metrics. Only this entry point loads `@opentelemetry/api`, an optional peer dependency.
 *
 * @module express-mcp-gateway/opentelemetry
 */
export { openTelemetry, type OpenTelemetryOptions } from './open-telemetry.ts'
export type { Telemetry } from '../types.ts'
