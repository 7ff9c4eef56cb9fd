/** Puts trace context into the `_meta` of messages, whose text stays byte for byte otherwise. (SEP-414) */
import { addMembersAt, addMembersToOnly, patchObjectAt } from '../exchange/json-patch.ts'
import type { BatchMessage, Message } from '../exchange/message.ts'
import { isObject, type JsonObject, member } from '../util/json.ts'
import type { TraceFields } from './telemetry.ts'

/** The same message with these trace contexts in `_meta`; all else stays byte for byte. */
export function withTraces(message: Message, traces: readonly (TraceFields | undefined)[]): Message {
  if (message.kind !== 'batch') return withTrace(message, traces[0])
  const items = message.items.map((item, index) => withTrace(item, traces[index]))
  const batch: BatchMessage = { ...message, items, text: `[${items.map(({ text }) => text).join(',')}]` }
  return batch
}

function withTrace<M extends Message>(message: M, trace: TraceFields | undefined): M {
  if (!trace || !('params' in message)) return message
  const { traceparent, tracestate } = trace
  const before = member(message.params, '_meta')
  const meta = merged(isObject(before) ? before : undefined, { traceparent, tracestate })
  const params = merged(message.params, { _meta: meta })
  const text =
    addedTrace(message.text, before, trace) ??
    patchObjectAt(message.text, ['params', '_meta'], { traceparent, tracestate })
  return { ...message, params, text }
}

/** Adds the fields to `_meta`; `undefined` if it has one of them already, or if there is no object to add them to. */
function addedTrace(text: string, meta: unknown, { traceparent, tracestate }: TraceFields): string | undefined {
  const state = tracestate === undefined ? '' : `,"tracestate":${JSON.stringify(tracestate)}`
  const fields = `"traceparent":"${traceparent}"${state}`
  if (meta === undefined) return addMembersAt(text, ['params'], `"_meta":{${fields}}`)
  if (!isObject(meta) || 'traceparent' in meta || 'tracestate' in meta) return undefined
  return addMembersToOnly(text, '_meta', fields) ?? addMembersAt(text, ['params', '_meta'], fields)
}

/** `Object.assign()`, because V8 adds new members to the result of a spread slowly; it would set the prototype, though. */
function merged(before: JsonObject | undefined, more: JsonObject): JsonObject {
  return before && Object.hasOwn(before, '__proto__') ? { ...before, ...more } : Object.assign({}, before, more)
}
