/** The span and the measurement of one message, on the side that serves it or on the side that sends it. */
import { type Attributes, type Context, context, type Span, SpanStatusCode } from '@opentelemetry/api'
import { LISTEN_METHOD, LEGACY_VERSIONS, MODERN_VERSIONS } from '../protocol.ts'
import type { NotificationMessage, RequestMessage } from '../exchange/message.ts'
import { sessionDigest } from '../observe/facts.ts'
import type { AttemptSpan, Ending, SpanFacts, TraceFields } from '../observe/telemetry.ts'
import { member } from '../util/json.ts'
import { ATTRIBUTE, CALLER_FAULTS, EXECUTE_TOOL, KNOWN_METHODS, OTHER, TOOL_ERROR_TYPE } from './conventions.ts'
import type { Durations } from './durations.ts'
import { isList, type KnownNames } from './known-names.ts'
import { addNetwork, type Network } from './network.ts'

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
  readonly network: Network
  readonly trace: TraceFields | undefined
  readonly durations: Durations
  readonly names: KnownNames
  /** Makes the attribute of a tool's result; `undefined` if results are not recorded. */
  readonly contentOf: ((value: unknown, what: 'result') => string | undefined) | undefined
}

export class MessageSpan implements AttemptSpan {
  readonly #parts: MessageSpanParts

  constructor(parts: MessageSpanParts) {
    this.#parts = parts
  }

  get span(): Span | undefined {
    return this.#parts.span
  }

  get context(): Context {
    return this.#parts.context
  }

  get trace(): TraceFields | undefined {
    return this.#parts.trace
  }

  get traceId(): string | undefined {
    return this.#parts.span?.spanContext().traceId
  }

  get wantsResult(): boolean {
    const { message, contentOf } = this.#parts
    return isList(message.method) || (message.method === 'tools/call' && contentOf !== undefined)
  }

  run<T>(work: () => T): T {
    return context.with(this.#parts.context, work)
  }

  onResult(result: unknown): void {
    const { message, server, names, contentOf, span } = this.#parts
    if (isList(message.method)) names.learn(server, message.method, result)
    const content = message.method === 'tools/call' ? contentOf?.(result, 'result') : undefined
    if (content !== undefined) span?.setAttribute(ATTRIBUTE.toolResult, content)
  }

  end(facts: SpanFacts): void {
    const { side, message, durations, context: around } = this.#parts
    const version = knownVersion(facts.protocolVersion)
    const outcome = outcomeOf(facts.ending, side)
    this.#endSpan(facts, version, outcome)
    if (message.method === LISTEN_METHOD) return
    const measured = this.#measured(version, outcome)
    durations.record(side === 'server' ? 'serverOperation' : 'clientOperation', facts.durationMs, measured, around)
  }

  #endSpan({ ending, sessionId }: SpanFacts, version: string | undefined, outcome: OutcomeAttributes): void {
    const { span } = this.#parts
    if (!span) return
    if (span.isRecording()) {
      const { errorType, statusCode } = outcome
      setDefined(span, ATTRIBUTE.protocolVersion, version)
      setDefined(span, ATTRIBUTE.sessionId, sessionDigest(sessionId))
      setDefined(span, ATTRIBUTE.statusCode, statusCode)
      if (errorType !== undefined) {
        const { message } = ending
        span.setAttribute(ATTRIBUTE.errorType, errorType)
        span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) })
      }
    }
    span.end()
  }

  /**
   * The attributes of metrics, with no value that a client can choose freely. They are in the order of their names,
   * because the SDK sorts them for each measurement, which is most of what that costs.
   */
  #measured(version: string | undefined, { errorType, statusCode }: OutcomeAttributes): Attributes {
    const { message, subject, network, server, names } = this.#parts
    const { method } = message
    const { tool, prompt } = subject
    const measured: Attributes = {}
    if (errorType !== undefined) measured[ATTRIBUTE.errorType] = errorType
    if (method === 'tools/call') measured[ATTRIBUTE.operationName] = EXECUTE_TOOL
    if (prompt !== undefined) measured[ATTRIBUTE.promptName] = names.has(server, 'prompts', prompt) ? prompt : OTHER
    if (tool !== undefined) measured[ATTRIBUTE.toolName] = names.has(server, 'tools', tool) ? tool : OTHER
    measured[ATTRIBUTE.methodName] = lowCardinality(method)
    if (version !== undefined) measured[ATTRIBUTE.protocolVersion] = version
    measured[ATTRIBUTE.server] = server
    addNetwork(measured, network)
    if (statusCode !== undefined) measured[ATTRIBUTE.statusCode] = statusCode
    return measured
  }
}

/** The methods whose target is a resource. */
const URI_METHODS: ReadonlySet<string> = new Set(['resources/read', 'resources/subscribe', 'resources/unsubscribe'])

export function subjectOf({ method, params }: RequestMessage | NotificationMessage): MessageSubject {
  const name = method === 'tools/call' || method === 'prompts/get' ? textMember(params, 'name') : undefined
  return {
    tool: method === 'tools/call' ? name : undefined,
    prompt: method === 'prompts/get' ? name : undefined,
    uri: URI_METHODS.has(method) ? textMember(params, 'uri') : undefined,
  }
}

/** The attributes that a span has from its start: those that samplers decide by. */
export function startOf(
  { method }: RequestMessage | NotificationMessage,
  { tool, prompt, uri }: MessageSubject,
  server: string,
): Attributes {
  const attributes: Attributes = {}
  attributes[ATTRIBUTE.methodName] = method
  attributes[ATTRIBUTE.server] = server
  if (tool !== undefined) attributes[ATTRIBUTE.toolName] = tool
  if (prompt !== undefined) attributes[ATTRIBUTE.promptName] = prompt
  if (uri !== undefined) attributes[ATTRIBUTE.resourceUri] = uri
  if (method === 'tools/call') attributes[ATTRIBUTE.operationName] = EXECUTE_TOOL
  return attributes
}

/** Sets the attributes that only a span that is recorded has. */
export function addDetails(
  span: Span,
  message: RequestMessage | NotificationMessage,
  { transport, version, address, port }: Network,
): void {
  if (message.kind === 'request') span.setAttribute(ATTRIBUTE.requestId, String(message.id))
  span.setAttribute(ATTRIBUTE.transport, transport)
  if (transport === 'tcp') span.setAttribute(ATTRIBUTE.protocolName, 'http')
  setDefined(span, ATTRIBUTE.httpVersion, version)
  setDefined(span, ATTRIBUTE.serverAddress, address)
  setDefined(span, ATTRIBUTE.serverPort, port)
}

export function setDefined(span: Span, name: string, value: string | number | undefined): void {
  if (value !== undefined) span.setAttribute(name, value)
}

/** The span name, `{method} {target}`; never a URI, which would have too many values. */
export function spanName(method: string, { tool, prompt }: MessageSubject): string {
  const target = tool ?? prompt
  return target === undefined ? lowCardinality(method) : `${method} ${target}`
}

/** The revision, only if it exists, because a client may send any text. */
export function knownVersion(version: string | undefined): string | undefined {
  if (version === undefined) return undefined
  return LEGACY_VERSIONS.includes(version) || MODERN_VERSIONS.includes(version) ? version : undefined
}

function lowCardinality(method: string): string {
  return KNOWN_METHODS.has(method) ? method : OTHER
}

function textMember(params: unknown, key: string): string | undefined {
  const value = member(params, key)
  return typeof value === 'string' ? value : undefined
}

/** The attributes of how a message ended. */
interface OutcomeAttributes {
  readonly errorType: string | undefined
  readonly statusCode: string | undefined
}

const NO_ERROR: OutcomeAttributes = { errorType: undefined, statusCode: undefined }
const FAILED_TOOL: OutcomeAttributes = { errorType: TOOL_ERROR_TYPE, statusCode: undefined }

/** An error that the caller caused is an error on the CLIENT span, not on the SERVER span. */
function outcomeOf({ outcome, code, rpcCode }: Ending, side: Side): OutcomeAttributes {
  if (outcome === 'tool_error') return FAILED_TOOL
  if (outcome === 'ok' || outcome === 'pending') return NO_ERROR
  if (outcome === 'cancelled' && code === undefined) return NO_ERROR
  // The gateway's own codes are more precise than the HTTP statuses that stand for them in JSON-RPC.
  const type = rpcCode !== undefined && rpcCode < 0 ? rpcCode : (code ?? rpcCode)
  const isCallers = side === 'server' && CALLER_FAULTS.has(rpcCode)
  return {
    errorType: isCallers ? undefined : type === undefined ? OTHER : String(type),
    statusCode: rpcCode === undefined ? undefined : String(rpcCode),
  }
}
