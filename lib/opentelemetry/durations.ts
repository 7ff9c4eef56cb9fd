/** The four histograms of durations. */
import { type Attributes, type Context, type Histogram, metrics, type MeterProvider } from '@opentelemetry/api'
import { BUCKETS, METRIC, SCOPE_NAME, UNIT } from './conventions.ts'

type Which = keyof typeof METRIC

const DESCRIPTIONS: Readonly<Record<Which, string>> = {
  serverOperation: 'The duration of an MCP request or notification, from when it came until its result was sent.',
  clientOperation: 'The duration of an MCP request or notification, from when it was sent until its result came.',
  serverSession: 'The duration of an MCP session, as its clients have it.',
  clientSession: 'The duration of an MCP session behind the gateway.',
}

/**
 * Looks up the meter provider on each call: it may be registered after `openTelemetry()`, and the API has no proxy for
 * it.
 */
export class Durations {
  #provider: MeterProvider | undefined
  #histograms = new Map<Which, Histogram>()

  /** The context is that of the span, if there is one: messages may end in the context of a pooled connection. */
  record(which: Which, durationMs: number, attributes: Attributes, context?: Context): void {
    this.#histogram(which).record(durationMs / 1_000, attributes, context)
  }

  #histogram(which: Which): Histogram {
    const provider = metrics.getMeterProvider()
    if (provider !== this.#provider) {
      this.#provider = provider
      this.#histograms = new Map()
    }
    const known = this.#histograms.get(which)
    if (known) return known
    const histogram = provider.getMeter(SCOPE_NAME).createHistogram(METRIC[which], {
      unit: UNIT,
      description: DESCRIPTIONS[which],
      advice: { explicitBucketBoundaries: BUCKETS },
    })
    this.#histograms.set(which, histogram)
    return histogram
  }
}
