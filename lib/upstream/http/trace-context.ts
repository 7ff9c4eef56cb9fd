/** Ensures that a server gets exactly one `traceparent`, also if the app's tracing adds its own. (W3C Trace Context) */
import { channel } from 'node:diagnostics_channel'

/** The headers that carry a trace. A tracer replaces the first two together, and the third independently. */
const TRACE_HEADERS: ReadonlySet<string> = new Set(['traceparent', 'tracestate', 'baggage'])

const requestCreated = channel('undici:request:create')

/** The request in undici's diagnostics message. */
interface CreatedRequest {
  readonly headers?: readonly unknown[] | string | undefined
  addHeader(name: string, value: string): void
}

/**
 * OpenTelemetry's instrumentation of undici appends its headers without checking for existing ones, and a server
 * ignores a duplicated `traceparent`. So while undici's channel has subscribers, the client's trace headers are added
 * last, and only if no subscriber has added a `traceparent`. undici publishes to the channel before `dispatch()`
 * returns.
 */
export function dispatchWithTrace(headers: readonly string[], dispatch: (headers: string[]) => void): void {
  if (!requestCreated.hasSubscribers) return dispatch(headers as string[])
  const [others, trace] = split(headers)
  if (trace.length === 0) return dispatch(others)
  const add = (message: unknown): void => {
    const { request } = message as { readonly request: CreatedRequest }
    if (hasTrace(request.headers)) return
    for (let at = 0; at < trace.length; at += 2) request.addHeader(trace[at]!, trace[at + 1]!)
  }
  requestCreated.subscribe(add)
  try {
    dispatch(others)
  } finally {
    requestCreated.unsubscribe(add)
  }
}

function split(headers: readonly string[]): [others: string[], trace: string[]] {
  const others: string[] = []
  const trace: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const side = TRACE_HEADERS.has(headers[at]!.toLowerCase()) ? trace : others
    side.push(headers[at]!, headers[at + 1]!)
  }
  return [others, trace]
}

/** undici 7 holds the headers as a flat list, earlier versions as text. */
function hasTrace(headers: CreatedRequest['headers']): boolean {
  if (typeof headers === 'string') return /^traceparent:/im.test(headers)
  return headers?.some((part, index) => index % 2 === 0 && String(part).toLowerCase() === 'traceparent') ?? false
}
