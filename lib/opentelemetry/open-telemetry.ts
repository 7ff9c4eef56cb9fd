/** openTelemetry(): spans and metrics of messages, by the semantic conventions of OpenTelemetry for MCP. */
import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  type Link,
  type Span,
  SpanKind,
  type SpanOptions,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import type {
  AttemptedMessage,
  AttemptSpan,
  EndedSession,
  ObservedSpan,
  ReceivedMessage,
  TelemetryObserver,
  TelemetryReporter,
  TraceFields,
} from '../observe/telemetry.ts'
import type { Telemetry } from '../types.ts'
import { isObject, kindOf, member } from '../util/json.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import { ATTRIBUTE, SCOPE_NAME } from './conventions.ts'
import { Durations } from './durations.ts'
import { KnownNames } from './known-names.ts'
import {
  addDetails,
  knownVersion,
  MessageSpan,
  setDefined,
  type Side,
  spanName,
  startOf,
  subjectOf,
} from './message-span.ts'
import { addNetwork, endpointOf, type Network, networkOf } from './network.ts'
import { fieldsOf, parentOf } from './trace-fields.ts'

/** The options of `openTelemetry()`. */
export interface OpenTelemetryOptions {
  /**
   * Makes the attributes `gen_ai.tool.call.arguments` and `gen_ai.tool.call.result` from a tool's arguments and result:
   * a text, or any value that JSON can represent. They may contain personal data. `undefined` records nothing. Defaults
   * to none.
   *
   * @example
   * ```js
   * openTelemetry({ content: (value, what) => (what === 'arguments' ? redact(value) : undefined) })
   * ```
   */
  readonly content?: ((value: unknown, what: 'arguments' | 'result') => unknown) | undefined
  /** Whether notifications have spans. They are part of the metrics either way. Defaults to `false`. */
  readonly notifications?: boolean | undefined
  /**
   * Whether a server receives the trace context of its span, as `_meta.traceparent` and as the header `traceparent`.
   * With `never` the client's trace context is forwarded unchanged. Defaults to `always`.
   */
  readonly propagate?: 'always' | 'never' | undefined
}

/**
 * Spans and metrics of OpenTelemetry, for the option `telemetry`: a SERVER span for each request of a client, a CLIENT
 * span for each time it is sent to a server, and four histograms, by the semantic conventions for MCP. It uses the SDK
 * that the app has registered; without one it records nothing.
 *
 * @example
 * ```js
 * import { openTelemetry } from 'express-mcp-gateway/opentelemetry'
 *
 * app.use('/mcp-servers', mcpGateway({ servers, authenticate, telemetry: openTelemetry() }))
 * ```
 *
 * @throws {TypeError} for an unknown option, or a wrong value.
 * @see https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/mcp.md
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Telemetry {
  return new OpenTelemetry(checked(options))
}

class OpenTelemetry implements TelemetryObserver {
  readonly telemetry = 1
  readonly #options: OpenTelemetryOptions
  readonly #tracer: Tracer = trace.getTracer(SCOPE_NAME)
  readonly #durations = new Durations()
  /** Names learnt from lists as clients receive them, and as servers send them. */
  readonly #names: Readonly<Record<Side, KnownNames>> = { server: new KnownNames(), client: new KnownNames() }

  constructor(options: OpenTelemetryOptions) {
    this.#options = options
  }

  /** The parent is the trace context in `_meta`; the span of the HTTP request is then a link. */
  received(received: ReceivedMessage): ObservedSpan {
    const { message, request, address, receivedAt } = received
    const ambient = context.active()
    const named = parentOf(message.params)
    const parent = named ? trace.setSpanContext(ambient, named) : ambient
    const network: Network = { transport: 'tcp', version: request.httpVersion }
    const options = { kind: SpanKind.SERVER, startTime: receivedAt, links: named ? linksTo(ambient) : NO_LINKS }
    const observed = this.#observe('server', received, parent, network, options)
    const { span } = observed
    if (span?.isRecording() === true) {
      setDefined(span, ATTRIBUTE.clientAddress, address)
      setDefined(span, ATTRIBUTE.clientPort, request.socket.remotePort)
    }
    return observed
  }

  attempted(attempted: AttemptedMessage): AttemptSpan {
    const { exchange, parent } = attempted
    const from = parent instanceof MessageSpan ? parent.context : context.active()
    const network = networkOf(exchange.config)
    return this.#observe('client', attempted, from, network, { kind: SpanKind.CLIENT })
  }

  sessionEnded({ server, protocolVersion, durationMs, upstream }: EndedSession): void {
    const ended = (network: Network): Attributes => {
      const version = knownVersion(protocolVersion)
      const attributes: Attributes = { [ATTRIBUTE.server]: server }
      if (version !== undefined) attributes[ATTRIBUTE.protocolVersion] = version
      addNetwork(attributes, network)
      return attributes
    }
    this.#durations.record('serverSession', durationMs, ended({ transport: 'tcp' }))
    if (upstream) this.#durations.record('clientSession', durationMs, ended(endpointOf(upstream.url)))
  }

  #observe(
    side: Side,
    { message, server, reporter }: ReceivedMessage | AttemptedMessage,
    parent: Context,
    network: Network,
    options: SpanOptions,
  ): MessageSpan {
    const subject = subjectOf(message)
    const hasSpan = message.kind === 'request' || this.#options.notifications === true
    if (hasSpan) options.attributes = startOf(message, subject, server)
    const span = hasSpan ? this.#tracer.startSpan(spanName(message.method, subject), options, parent) : undefined
    const isRecording = span?.isRecording() === true
    if (isRecording) addDetails(span, message, network)
    const contentOf = isRecording ? this.#contentOf(reporter) : undefined
    if (message.method === 'tools/call') {
      const given = contentOf?.(member(message.params, 'arguments'), 'arguments')
      if (given !== undefined) span?.setAttribute(ATTRIBUTE.toolArguments, given)
    }
    return new MessageSpan({
      side,
      message,
      subject,
      server,
      context: span ? trace.setSpan(parent, span) : parent,
      span,
      network,
      trace: side === 'client' ? this.#traceOf(span, parent) : undefined,
      durations: this.#durations,
      names: this.#names[side],
      contentOf,
    })
  }

  /** Without an SDK a span has its parent's context; the client's trace context is then forwarded unchanged. */
  #traceOf(span: Span | undefined, parent: Context): TraceFields | undefined {
    const own = span?.spanContext()
    if (this.#options.propagate === 'never' || !own || !isSpanContextValid(own)) return undefined
    return own.spanId === trace.getSpanContext(parent)?.spanId ? undefined : fieldsOf(own)
  }

  #contentOf(reporter: TelemetryReporter) {
    const { content } = this.#options
    if (!content) return undefined
    return (value: unknown, what: 'arguments' | 'result'): string | undefined => {
      try {
        const made = content(value, what)
        return typeof made === 'string' ? made : JSON.stringify(made)
      } catch (error) {
        reporter.report(error)
        return undefined
      }
    }
  }
}

function checked(options: OpenTelemetryOptions): OpenTelemetryOptions {
  if (!isObject(options)) throw new TypeError(`openTelemetry() takes an object of options, not ${kindOf(options)}`)
  rejectUnknown(options, { content: true, notifications: true, propagate: true }, '')
  const { content, notifications, propagate } = options as OpenTelemetryOptions
  if (content !== undefined && typeof content !== 'function') {
    throw new TypeError(`"content" must be a function (value, what), not ${kindOf(content)}`)
  }
  if (notifications !== undefined && typeof notifications !== 'boolean') {
    throw new TypeError(`"notifications" must be true or false, not ${kindOf(notifications)}`)
  }
  if (propagate !== undefined && propagate !== 'always' && propagate !== 'never') {
    throw new TypeError('"propagate" must be "always" or "never"')
  }
  return options
}

const NO_LINKS: Link[] = []

/** A link to the span that the app's instrumentation started for the HTTP request. */
function linksTo(ambient: Context): Link[] {
  const span = trace.getSpanContext(ambient)
  return span && isSpanContextValid(span) ? [{ context: span }] : []
}
