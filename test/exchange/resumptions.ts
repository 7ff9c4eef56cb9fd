// A stream that breaks, and the script of what comes when it is asked for again; time passes when the test says so.
import { jest } from '@jest/globals'
import type { Exchange } from '../../lib/exchange/exchange.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { ResumingBody } from '../../lib/exchange/resuming-body.ts'
import { exchangeOf, scripted, Source } from './parts.ts'
import { Collector } from './readers.ts'

export const reset: Error = new Error('reset')

/** A stream with one pending request, and what each attempt to resume it is answered. */
export function begin({
  answers = [],
  exchange = exchangeOf(),
}: { answers?: readonly (Reply | Error)[]; exchange?: Exchange } = {}) {
  const first = new Source()
  const next = scripted(...answers)
  const body = ResumingBody.of(first.reply(), exchange, next)
  const sink = new Collector()
  body.pipe(sink)
  return { first, next, body, sink, exchange }
}

/** Lets so much time pass. */
export async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms)
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
}
