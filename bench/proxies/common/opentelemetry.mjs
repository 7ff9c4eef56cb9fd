// @ts-check
// OpenTelemetry's SDK as an app sets it up, but that it exports to nowhere; and the calls that the conventions ask for.
import { context, metrics, SpanKind, trace } from '@opentelemetry/api'
import { AggregationTemporality, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
} from '@opentelemetry/sdk-trace-node'

/** An exporter of spans and of metrics. */
const nowhere = {
  /** @param {unknown} _items @param {(result: { code: number }) => void} done */
  export: (_items, done) => done({ code: 0 }),
  selectAggregationTemporality: () => AggregationTemporality.CUMULATIVE,
  forceFlush: async () => {},
  shutdown: async () => {},
}

/** @param {boolean} isSampled whether the spans without a parent are */
export function startSdk(isSampled) {
  const sampler = new ParentBasedSampler({ root: isSampled ? new AlwaysOnSampler() : new AlwaysOffSampler() })
  new NodeTracerProvider({ sampler, spanProcessors: [new BatchSpanProcessor(nowhere)] }).register()
  const reader = new PeriodicExportingMetricReader({ exporter: nowhere })
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
}

const TOOL = 'echo'
const SESSION = '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'

/** What the conventions ask of a call, and nothing else: two spans, two measurements, and the context of both. */
export class SdkCalls {
  #tracer = trace.getTracer('bench')
  #received = createHistogram('mcp.server.operation.duration')
  #sent = createHistogram('mcp.client.operation.duration')

  /** @param {() => void} work done in the context of the spans */
  around(work) {
    const from = context.active()
    const server = this.#tracer.startSpan(`tools/call ${TOOL}`, serverStart(), from)
    const around = trace.setSpan(from, server)
    context.with(around, () => {
      const client = this.#tracer.startSpan(`tools/call ${TOOL}`, clientStart(), around)
      context.with(trace.setSpan(around, client), work)
      end(client)
      this.#sent.record(0.001, clientMeasured())
    })
    end(server)
    this.#received.record(0.001, serverMeasured())
  }
}

/** @param {string} name */
function createHistogram(name) {
  const advice = { explicitBucketBoundaries: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300] }
  return metrics.getMeter('bench').createHistogram(name, { unit: 's', advice })
}

/** @param {import('@opentelemetry/api').Span} span */
function end(span) {
  if (span.isRecording()) {
    span.setAttribute('mcp.protocol.version', '2025-11-25')
    span.setAttribute('mcp_gateway.server', 'bench')
    span.setAttribute('mcp.session.id', SESSION)
  }
  span.end()
}

// Literals, because V8 makes slow objects of spreads.
const serverStart = () => ({
  kind: SpanKind.SERVER,
  startTime: Date.now(),
  attributes: {
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'network.protocol.version': '1.1',
    'client.address': '127.0.0.1',
    'client.port': 50_000,
    'mcp.method.name': 'tools/call',
    'jsonrpc.request.id': '1',
    'gen_ai.tool.name': TOOL,
    'gen_ai.operation.name': 'execute_tool',
  },
})

const clientStart = () => ({
  kind: SpanKind.CLIENT,
  attributes: {
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'network.protocol.version': '1.1',
    'server.address': '127.0.0.1',
    'server.port': 8080,
    'mcp.method.name': 'tools/call',
    'jsonrpc.request.id': '1',
    'gen_ai.tool.name': TOOL,
    'gen_ai.operation.name': 'execute_tool',
  },
})

const serverMeasured = () => ({
  'network.transport': 'tcp',
  'network.protocol.name': 'http',
  'network.protocol.version': '1.1',
  'mcp.protocol.version': '2025-11-25',
  'mcp_gateway.server': 'bench',
  'mcp.method.name': 'tools/call',
  'gen_ai.tool.name': TOOL,
  'gen_ai.operation.name': 'execute_tool',
})

const clientMeasured = () => ({
  'network.transport': 'tcp',
  'network.protocol.name': 'http',
  'network.protocol.version': '1.1',
  'server.address': '127.0.0.1',
  'server.port': 8080,
  'mcp.protocol.version': '2025-11-25',
  'mcp_gateway.server': 'bench',
  'mcp.method.name': 'tools/call',
  'gen_ai.tool.name': TOOL,
  'gen_ai.operation.name': 'execute_tool',
})
