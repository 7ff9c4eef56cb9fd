// How observed messages end, and what their spans are told of it.
import type { RequestMessage } from '../../lib/exchange/message.ts'
import { observedMessages, OK, settleWith, tellResult, wantsResults } from '../../lib/observe/endings.ts'
import type { ScannedMessage } from '../../lib/observe/message-scanner.ts'
import type { ObservedSpan, SpanFacts } from '../../lib/observe/telemetry.ts'

const request = (id: number): RequestMessage => {
  return { kind: 'request', era: 'legacy', id, method: 'tools/list', params: undefined, text: '{}' }
}

const batchOf = (...ids: number[]) =>
  observedMessages({ kind: 'batch', era: 'legacy', items: ids.map(request), text: '[]' })

const response = (id: ScannedMessage['id']): ScannedMessage => {
  return { id, method: undefined, error: undefined, isToolError: false }
}

function spanThat(overrides: Partial<ObservedSpan> = {}): ObservedSpan {
  return {
    traceId: undefined,
    wantsResult: true,
    run: (work) => work(),
    onResult: () => {},
    end: () => {},
    ...overrides,
  }
}

const FACTS: SpanFacts = { ending: OK, durationMs: 1, protocolVersion: undefined, sessionId: undefined }

test('a response ends the request with its id, and one without an id the only request that waits', () => {
  const items = batchOf(1, 2, 3)
  const ended = () => items.flatMap(({ ending, requestId }) => (ending ? requestId : []))
  settleWith(items, response(2))
  expect(ended()).toEqual([2])
  settleWith(items, response(null))
  settleWith(items, response(4))
  expect(ended()).toEqual([2])
  settleWith(items, response(3))
  settleWith(items, response(undefined))
  expect(ended()).toEqual([1, 2, 3])
})

test('each message of a batch has a time of its own; a single one ends with its response', () => {
  const [inBatch] = batchOf(1)
  const [single] = observedMessages(request(1))
  const before = performance.now()
  for (const item of [inBatch!, single!]) item.settle(OK)
  expect(inBatch!.endedAt).toBeGreaterThanOrEqual(before)
  expect(single!.endedAt).toBeUndefined()
})

test('a result is told to the span of its request, if that wants it', () => {
  const items = batchOf(1, 2, 3)
  const told: unknown[] = []
  expect(wantsResults(items)).toBe(false)
  items[0]!.span = spanThat({ onResult: (result) => told.push([1, result]) })
  items[1]!.span = spanThat({ onResult: (result) => told.push([2, result]) })
  items[2]!.span = spanThat({ onResult: (result) => told.push([3, result]), wantsResult: false })
  expect(wantsResults(items)).toBe(true)
  for (const id of [2, 3, 4]) tellResult(items, id, `of ${id}`)
  expect(told).toEqual([[2, 'of 2']])
})

test('what the end of a span throws is reported', () => {
  const [item] = batchOf(1)
  const reported: unknown[] = []
  const end = () => {
    throw new Error('The processor is broken')
  }
  item!.span = spanThat({ end })
  item!.endSpan(FACTS, { report: (error) => reported.push(error) })
  expect(reported).toEqual([new Error('The processor is broken')])
})
