// The real SDK of OpenTelemetry in this process: what it exports, and a gateway that it observes.
import { context, metrics, propagation, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  type HistogramMetricData,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node'
import { createJournal, type Journal } from '../support/journal.ts'

export interface Sdk {
  readonly spans: Journal<ReadableSpan>
  /** The histograms so far, by name. */
  histograms(): Promise<Map<string, HistogramMetricData>>
  close(): Promise<void>
}

/** `onEnd` is called as a span processor of the app is, when a span ends. */
export function startSdk(sampler?: Sampler, onEnd?: (span: ReadableSpan) => void): Sdk {
  const spans = createJournal<ReadableSpan>()
  const exporter = new InMemorySpanExporter()
  const processor = new SimpleSpanProcessor(exporter)
  const end = processor.onEnd.bind(processor)
  processor.onEnd = (span) => {
    onEnd?.(span)
    spans.record(span)
    end(span)
  }
  const tracers = new NodeTracerProvider({ spanProcessors: [processor], ...(sampler && { sampler }) })
  tracers.register()
  const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 2 ** 30 })
  const meters = new MeterProvider({ readers: [reader] })
  metrics.setGlobalMeterProvider(meters)
  return {
    spans,
    async histograms() {
      await reader.forceFlush()
      const all =
        measured
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
      return new Map(all.map((metric) => [metric.descriptor.name, metric as HistogramMetricData]))
    },
    async close() {
      await Promise.all([tracers.shutdown(), meters.shutdown()])
      trace.disable()
      metrics.disable()
      context.disable()
      propagation.disable()
    },
  }
}
