/** The span and the measurement of one message, on the side that serves it or on the side that sends it. */
import { type Attributes, type Context, context, type Span, SpanStatusCode } from '@opentelemetry/api'
import { LISTEN_METHOD, LEGACY_VERSIONS, MODERN_VERSIONS } from '../protocol.ts'
import type { NotificationMessage, RequestMessage } from '../exchange/message.ts'
import type { AttemptSpan, Ending, SpanFacts, TraceFields } from '../observe/telemetry.ts'
import { member } from '../util/json.ts'
import { ATTRIBUTE, CALLER_FAULTS, EXECUTE_TOOL, KNOWN_METHODS, OTHER, TOOL_ERROR_TYPE } from './conventions.ts'
import type { Durations } from './durations.ts'
import { isList, type KnownNames } from './known-names.ts'

export type Side = 'server' | 'client'

/** The tool, prompt or resource of a message, as the conventions name it. */
export interface MessageSubject {
  readonly tool: string | undefined
  readonly prompt: string | undefined
  readonly uri: string | undefined
}

export interface MessageSpanParts {
  readonly side: Side
  readonly message: RequestMessage | NotificationMessage
  readonly subject: MessageSubject
  readonly server: string
  /** The context that is active while the message is handled. */
  readonly context: Context
  /** `undefined` for a notification, unless notifications have spans. */
  readonly span: Span | undefined
  /** Attributes of both the span and the metrics. */
  readonly network: Attributes
  readonly trace: TraceFields | undefined
  readonly durations: Durations
  readonly names: KnownNames
  /** Makes the attribute of a tool's result; `undefined` if results are not recorded. */
  readonly contentOf: ((value: unknown, what: 'result') => string | undefined) | undefined
}

export class MessageSpan implements AttemptSpan {
  readonly context: Context
  readonly trace: TraceFields | undefined
  readonly wantsResult: boolean
  readonly #parts: MessageSpanParts

  constructor(parts: MessageSpanParts) {
    this.#parts = parts
    this.context = parts.context
    this.trace = parts.trace
    const { method } = parts.message
    this.wantsResult = isList(method) || (method === 'tools/call' && parts.contentOf !== undefined)
  }

  get traceId(): string | undefined {
    return this.#parts.span?.spanContext().traceId
  }

  run<T>(work: () => T): T {
    return context.with(this.context, work)
  }

  onResult(result: unknown): void {
    const { message, server, names, contentOf, span } = this.#parts
    if (isList(message.method)) names.learn(server, message.method, result)
    const content = message.method === 'tools/call' ? contentOf?.(result, 'result') : undefined
    if (content !== undefined) span?.setAttribute(ATTRIBUTE.toolResult, content)
  }

  end(facts: SpanFacts): void {
    const { side, message, network, durations, server } = this.#parts
    const ended: Attributes = {}
    addVersion(ended, facts.protocolVersion)
    addOutcome(ended, facts.ending, side)
    ended[ATTRIBUTE.server] = server
    this.#endSpan(facts, ended)
    if (message.method === LISTEN_METHOD) return
    // `Object.assign()`, because V8 adds new members to the result of a spread slowly.
    const measured = Object.assign({}, network, ended)
    this.#addMeasured(measured)
    durations.record(side === 'server' ? 'serverOperation' : 'clientOperation', facts.durationMs, measured)
  }

  /** Those of the network it has had since its start. */
  #endSpan({ ending, session }: SpanFacts, ended: Attributes): void {
    const { span } = this.#parts
    if (!span) return
    if (span.isRecording()) {
      span.setAttributes(ended)
      if (session !== undefined) span.setAttribute(ATTRIBUTE.sessionId, session)
      if (ended[ATTRIBUTE.errorType] !== undefined) {
        const { message } = ending
        span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) })
      }
    }
    span.end()
  }

  /** Adds the attributes of metrics, with no value that a client can choose freely. */
  #addMeasured(attributes: Attributes): void {
    const { message, subject, server, names } = this.#parts
    const { tool, prompt } = subject
    attributes[ATTRIBUTE.methodName] = lowCardinality(message.method)
    if (tool !== undefined) attributes[ATTRIBUTE.toolName] = names.has(server, 'tools', tool) ? tool : OTHER
    if (prompt !== undefined) attributes[ATTRIBUTE.promptName] = names.has(server, 'prompts', prompt) ? prompt : OTHER
    if (message.method === 'tools/call') attributes[ATTRIBUTE.operationName] = EXECUTE_TOOL
  }
}

export function subjectOf({ method, params }: RequestMessage | NotificationMessage): MessageSubject {
  const name = method === 'tools/call' || method === 'prompts/get' ? textMember(params, 'name') : undefined
  return {
    tool: method === 'tools/call' ? name : undefined,
    prompt: method === 'prompts/get' ? name : undefined,
    uri: /^resources\/(?:read|subscribe|unsubscribe)$/.test(method) ? textMember(params, 'uri') : undefined,
  }
}

/** Adds the attributes that a span has from its start, because samplers decide by them. */
export function addStart(
  attributes: Attributes,
  message: RequestMessage | NotificationMessage,
  { tool, prompt, uri }: MessageSubject,
): void {
  attributes[ATTRIBUTE.methodName] = message.method
  if (message.kind === 'request') attributes[ATTRIBUTE.requestId] = String(message.id)
  if (tool !== undefined) attributes[ATTRIBUTE.toolName] = tool
  if (prompt !== undefined) attributes[ATTRIBUTE.promptName] = prompt
  if (uri !== undefined) attributes[ATTRIBUTE.resourceUri] = uri
  if (message.method === 'tools/call') attributes[ATTRIBUTE.operationName] = EXECUTE_TOOL
}

/** The span name, `{method} {target}`; never a URI, which would have too many values. */
export function spanName(method: string, { tool, prompt }: MessageSubject): string {
  const target = tool ?? prompt
  return target === undefined ? lowCardinality(method) : `${method} ${target}`
}

/** Adds the revision only if it exists, because a client may send any text. */
export function addVersion(attributes: Attributes, version: string | undefined): void {
  if (version === undefined) return
  if (LEGACY_VERSIONS.includes(version) || MODERN_VERSIONS.includes(version)) {
    attributes[ATTRIBUTE.protocolVersion] = version
  }
}

function lowCardinality(method: string): string {
  return KNOWN_METHODS.has(method) ? method : OTHER
}

function textMember(params: unknown, key: string): string | undefined {
  const value = member(params, key)
  return typeof value === 'string' ? value : undefined
}

/** Adds the outcome. An error that the caller caused is an error on the CLIENT span, not on the SERVER span. */
function addOutcome(attributes: Attributes, { outcome, code, rpcCode }: Ending, side: Side): void {
  if (outcome === 'tool_error') attributes[ATTRIBUTE.errorType] = TOOL_ERROR_TYPE
  if (outcome === 'ok' || outcome === 'pending' || outcome === 'tool_error') return
  if (outcome === 'cancelled' && code === undefined) return
  // The gateway's own codes are more precise than the HTTP statuses that stand for them in JSON-RPC.
  const type = rpcCode !== undefined && rpcCode < 0 ? rpcCode : (code ?? rpcCode)
  const isCallers = side === 'server' && CALLER_FAULTS.has(rpcCode)
  if (!isCallers) attributes[ATTRIBUTE.errorType] = type === undefined ? OTHER : String(type)
  if (rpcCode !== undefined) attributes[ATTRIBUTE.statusCode] = String(rpcCode)
}
