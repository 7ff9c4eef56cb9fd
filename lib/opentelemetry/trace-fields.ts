/** Trace context in `_meta`, in the W3C formats. (SEP-414) */
import { createTraceState, isSpanContextValid, type SpanContext } from '@opentelemetry/api'
import { TRACEPARENT } from '../observe/facts.ts'
import type { TraceFields } from '../observe/telemetry.ts'
import { isObject, member } from '../util/json.ts'

/** The length of a `traceparent` of version 00; later versions may have more fields. */
const TRACEPARENT_CHARS = 55

/** The longest `tracestate` that is read, in characters; propagators accept 512. */
const MAX_TRACESTATE_CHARS = 8 * 1024

/** The trace context in a message's `_meta`; `undefined` if there is none or it is invalid. */
export function parentOf(params: unknown): SpanContext | undefined {
  const meta = member(params, '_meta')
  if (!isObject(meta)) return undefined
  const { traceparent, tracestate } = meta
  const [text, version, traceId, spanId, flags] =
    typeof traceparent === 'string' ? (TRACEPARENT.exec(traceparent) ?? []) : []
  if (traceId === undefined || (version === '00' && text!.length > TRACEPARENT_CHARS)) return undefined
  const state = typeof tracestate === 'string' && tracestate.length <= MAX_TRACESTATE_CHARS ? tracestate : ''
  const parent: SpanContext = {
    traceId,
    spanId: spanId!,
    traceFlags: Number.parseInt(flags!, 16) & 1,
    isRemote: true,
    ...(state !== '' && { traceState: createTraceState(state) }),
  }
  return isSpanContextValid(parent) ? parent : undefined
}

/** A span context as the fields that are sent to a server. */
export function fieldsOf({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceFields {
  const flags = traceFlags === 1 ? '01' : (traceFlags & 0xff).toString(16).padStart(2, '0')
  const tracestate = traceState?.serialize()
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate: tracestate === '' ? undefined : tracestate }
}
