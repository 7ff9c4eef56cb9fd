/** Puts trace context into the `_meta` of messages, whose text stays byte for byte otherwise. (SEP-414) */
import { addMembersAt, addMembersToOnly, patchObjectAt } from '../exchange/json-patch.ts'
import type { BatchMessage, Message } from '../exchange/message.ts'
import { isObject, member } from '../util/json.ts'
import type { TraceFields } from './telemetry.ts'

/** The same message with these trace contexts in `_meta`; all else stays byte for byte. */
export function withTraces(message: Message, traces: readonly (TraceFields | undefined)[]): Message {
  if (message.kind !== 'batch') return withTrace(message, traces[0])
  const items = message.items.map((item, index) => withTrace(item, traces[index]))
  const batch: BatchMessage = { ...message, items, text: `[${items.map(({ text }) => text).join(',')}]` }
  return batch
}

/** Its `params` stay those of the client: what is sent is the text. */
function withTrace(message: Message, trace: TraceFields | undefined): Message {
  if (!trace || (message.kind !== 'request' && message.kind !== 'notification')) return message
  const { traceparent, tracestate } = trace
  const { era, method, params } = message
  const text =
    addedTrace(message.text, member(params, '_meta'), trace) ??
    patchObjectAt(message.text, ['params', '_meta'], { traceparent, tracestate })
  if (message.kind === 'notification') return { kind: 'notification', era, text, method, params }
  return { kind: 'request', era, text, id: message.id, method, params }
}

/** Adds the fields to `_meta`; `undefined` if it has one of them already, or if there is no object to add them to. */
function addedTrace(text: string, meta: unknown, { traceparent, tracestate }: TraceFields): string | undefined {
  const state = tracestate === undefined ? '' : `,"tracestate":${JSON.stringify(tracestate)}`
  const fields = `"traceparent":"${traceparent}"${state}`
  if (meta === undefined) return addMembersAt(text, ['params'], `"_meta":{${fields}}`)
  if (!isObject(meta) || 'traceparent' in meta || 'tracestate' in meta) return undefined
  return addMembersToOnly(text, '_meta', fields) ?? addMembersAt(text, ['params', '_meta'], fields)
}
