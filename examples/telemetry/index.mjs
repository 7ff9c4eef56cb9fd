// @ts-check
// One trace from the agent to the server, and how long tools take: with the SDK of OpenTelemetry, and with prom-client.
import assert from 'node:assert/strict'
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { metrics, SpanKind, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import express from 'express'
import { mcpGateway } from 'express-mcp-gateway'
import { openTelemetry } from 'express-mcp-gateway/opentelemetry'
import prometheus from 'prom-client'

// ---- the SDK, as an app sets it up; an app that runs on exports to a collector
const spans = new InMemorySpanExporter()
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).register()
const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 60_000 })
const meters = new MeterProvider({ readers: [reader] })
metrics.setGlobalMeterProvider(meters)

// ---- without OpenTelemetry: prom-client on the channel that says the same
const durations = new prometheus.Histogram({
  name: 'mcp_request_duration_seconds',
  help: 'How long messages take, by server and outcome',
  labelNames: ['server', 'outcome'],
})
diagnostics.subscribe('tracing:express-mcp-gateway:request:asyncEnd', (message) => {
  const {
    server = '',
    outcome = '',
    durationMs = 0,
  } = /** @type {Partial<import('express-mcp-gateway').AuditRecord>} */ (message)
  durations.observe({ server, outcome }, durationMs / 1_000)
})

// ---- a server that keeps what it is told of the trace
/** @type {string[]} */
const told = []
const upstream = createServer(async (req, res) => {
  if (req.method !== 'POST') return void res.writeHead(405, { allow: 'POST' }).end()
  const mcp = new McpServer({ name: 'weather', version: '1.0.0' })
  mcp.registerTool('forecast', {}, (extra) => {
    told.push(String(extra._meta?.['traceparent']))
    return { content: [{ type: 'text', text: 'rain' }] }
  })
  const transport = new StreamableHTTPServerTransport({})
  await mcp.connect(transport)
  await transport.handleRequest(req, res)
}).listen(0, '127.0.0.1')
await once(upstream, 'listening')

const gateway = mcpGateway({
  servers: { weather: { url: `http://127.0.0.1:${portOf(upstream)}/mcp` } },
  authenticate: false,
  telemetry: openTelemetry(),
})
const server = express().use('/mcp-servers', gateway).listen(0, '127.0.0.1')
await once(server, 'listening')

// ---- an agent, which names its span in its message
const client = new Client({ name: 'agent', version: '1.0.0' })
const transport = new StreamableHTTPClientTransport(
  new URL(`http://127.0.0.1:${portOf(server)}/mcp-servers/weather/mcp`),
)
await client.connect(transport)
await client.listTools()
const thinking = trace.getTracer('agent').startSpan('thinking')
const { traceId, spanId } = thinking.spanContext()
await client.callTool({ name: 'forecast', arguments: {}, _meta: { traceparent: `00-${traceId}-${spanId}-01` } })
thinking.end()
await client.close()
await gateway.close()
server.close()
upstream.close()

// ---- the trace
const called = spans.getFinishedSpans().filter(({ name }) => name === 'tools/call forecast')
const [received, sent] = [SpanKind.SERVER, SpanKind.CLIENT].map((kind) => called.find((span) => span.kind === kind))
assert.equal(received?.parentSpanContext?.spanId, spanId)
assert.equal(sent?.parentSpanContext?.spanId, received?.spanContext().spanId)
assert.equal(told[0], `00-${traceId}-${sent?.spanContext().spanId}-01`)
console.log('One trace: the agent, the gateway that received, the gateway that sent, the server.')

// ---- the measurements
await reader.forceFlush()
const histograms =
  measured
    .getMetrics()
    .at(-1)
    ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
const operations = histograms.find(({ descriptor }) => descriptor.name === 'mcp.server.operation.duration')
const ofForecast = operations?.dataPoints.find(({ attributes }) => attributes['gen_ai.tool.name'] === 'forecast')
assert.equal(ofForecast?.attributes['mcp_gateway.server'], 'weather')
console.log('mcp.server.operation.duration has the tool by its name.')
assert.match(
  await prometheus.register.metrics(),
  /mcp_request_duration_seconds_count\{server="weather",outcome="ok"\} \d/,
)
console.log('prom-client counted the same messages, from the channel.')
await meters.shutdown()

/** @param {import('node:http').Server} listening */
function portOf(listening) {
  return /** @type {import('node:net').AddressInfo} */ (listening.address()).port
}
