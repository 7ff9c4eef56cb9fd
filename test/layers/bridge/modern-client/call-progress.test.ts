// The progress of one call, from round to round: what a client is told, and what waits for it.
import { messageOf, type NotificationMessage } from '../../../../lib/exchange/message.ts'
import { CallProgress } from '../../../../lib/layers/bridge/modern-client/call-progress.ts'

function progressOf(step: unknown, progressToken: unknown = 'call-1', method = 'notifications/progress') {
  const json = { jsonrpc: '2.0', method, params: { progressToken, progress: step } }
  return messageOf(json, JSON.stringify(json), 'legacy') as NotificationMessage
}

const relay = (progress: CallProgress, step: unknown, token?: string): unknown => {
  const { params, text } = progressOf(step, token)
  return JSON.parse(progress.relayed(params, text, '5') ?? 'null')?.params
}

test('UT1 a client is told what is more than before, under its own token', () => {
  const progress = new CallProgress('call-1')
  expect([1, 1, 0.5, '2', 2].map((step) => relay(progress, step))).toEqual([
    { progressToken: 5, progress: 1 },
    undefined,
    undefined,
    undefined,
    { progressToken: 5, progress: 2 },
  ])
  expect(relay(progress, 3, 'call-2')).toBeUndefined()
})

test('UT1 nothing is told to a client that has not asked for progress', () => {
  const { params, text } = progressOf(1)
  expect(new CallProgress('call-1').relayed(params, text, undefined)).toBeUndefined()
})

test('the last of a call’s own is kept, once, and no more memory than that', () => {
  const progress = new CallProgress('call-1')
  const last = progressOf(1_000)
  for (let step = 1; step < 1_000; step += 1) progress.keep(progressOf(step))
  expect([
    progress.keep(last),
    progress.keep(progressOf(1, 'call-2')),
    progress.keep(progressOf(1, 'call-1', 'x')),
  ]).toEqual([true, false, false])
  expect(progress.bytes).toBe(2 * last.text.length)
  expect([progress.take(), progress.take(), progress.bytes]).toEqual([last, undefined, 0])
})
