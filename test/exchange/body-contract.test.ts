// The contract of bodies, against all that there are.
import fc from 'fast-check'
import type { Dispatcher } from 'undici'
import { BufferBody } from '../../lib/exchange/body.ts'
import { FramedBody } from '../../lib/exchange/framed-body.ts'
import { mapMessages } from '../../lib/exchange/map-messages.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { ResumingBody } from '../../lib/exchange/resuming-body.ts'
import { tapMessages } from '../../lib/exchange/tap-messages.ts'
import { UpstreamReply } from '../../lib/upstream/http/upstream-reply.ts'
import { describeBody, type MakeRig, type Rig, withoutSource } from './body-contract.ts'
import { eventOf, eventsReply, exchangeOf, jsonReply, progress, resultOf, Source, turn } from './parts.ts'
import { eventEnds } from './streams.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const notification = fc.record({
  jsonrpc: fc.constant('2.0'),
  method: fc.constant('notifications/message'),
  params: fc.record({ data: text }),
})

/** A document of JSON: the response to a request. */
const documents = text.map((said) =>
  Buffer.from(JSON.stringify(resultOf(1, { content: [{ type: 'text', text: said }] }))),
)

/** An event stream that ends with the response to request 1; now and then an event in it is longer than a framer holds. */
const streams = fc
  .tuple(
    fc.array(notification, { maxLength: 4 }),
    fc.constantFrom('\n', '\r\n', '\r'),
    fc.boolean(),
    fc.integer({ min: 1, max: 40 }).map((one) => (one === 1 ? 300_000 : 3)),
  )
  .map(([said, lineEnd, hasIds, length]) => {
    const all = [...said, progress(1), resultOf(1, { text: 'x'.repeat(length) })]
    const events = all.map((json, index) => eventOf(json, hasIds ? String(index) : undefined))
    return Buffer.from(events.join('').replaceAll('\n', lineEnd))
  })

/** A source that gives its chunks, each of which says whether an event ends with it. */
function rigOf(chunks: readonly Buffer[], end: 'complete' | Error, bodyOf: (source: Source) => Rig['body']): Rig {
  const source = new Source()
  const ends = new Set(eventEnds(Buffer.concat(chunks)))
  const body = bodyOf(source)
  let given = 0
  let offset = 0
  return {
    body,
    step() {
      if (given > chunks.length) return false
      const chunk = chunks[given]
      given += 1
      if (chunk) source.body.push(chunk, ends.has((offset += chunk.length)))
      else if (end === 'complete') source.end()
      else source.break(end)
      return true
    },
    settle: turn,
    isWanted: () => !source.body.isOver && !source.body.isFull,
    isCancelled: () => source.isCancelled,
  }
}

function bodyOf(reply: Reply): Rig['body'] {
  if (reply.kind === 'empty') throw new TypeError('A reply without a body')
  return reply.body
}

const over =
  (wrap: (source: Source) => Rig['body']): MakeRig =>
  (chunks, end) =>
    rigOf(chunks, end, wrap)

describeBody(
  'BufferBody',
  (chunks) =>
    withoutSource({
      body: new BufferBody(Buffer.concat(chunks)),
      step: () => false,
      settle: turn,
      isWanted: () => false,
      isCancelled: () => false,
    }),
  { documents, endsItself: true },
)

describeBody(
  'PushBody',
  over((source) => source.body),
  { documents: streams, isEvents: true, hasWhole: true, paces: true },
)

describeBody(
  'FramedBody',
  over((source) => new FramedBody(source.body, [1], true)),
  {
    documents: streams,
    isEvents: true,
    hasWhole: true,
    paces: true,
  },
)

describeBody(
  'ResumingBody over a stream that does not break',
  over((source) => ResumingBody.of(source.reply(), exchangeOf(), () => Promise.reject(new Error('never asked')))),
  { documents: streams, isEvents: true, hasWhole: true, paces: true },
)

describeBody('ResumingBody over a stream that breaks in the middle', resumed, {
  documents: streams,
  isEvents: true,
  endsItself: true,
  runsAhead: true,
})

/** A stream that breaks behind its first chunks, and comes to its end over a second connection. */
function resumed(chunks: readonly Buffer[], end: 'complete' | Error): Rig {
  const whole = Buffer.concat(chunks)
  const breaksAt = eventEnds(whole)[0]!
  const first = new Source()
  let onAsked: () => void
  const asked = new Promise<void>((resolve) => (onAsked = resolve))
  let second: Rig | undefined
  const body = ResumingBody.of(first.reply(), exchangeOf(), async () => {
    const source = new Source()
    second = rigOf([whole.subarray(breaksAt)], end, () => source.body)
    secondSource = source
    onAsked()
    return source.reply()
  })
  let secondSource: Source | undefined
  let steps = 0
  return {
    body,
    step() {
      steps += 1
      if (steps === 1) first.body.push(whole.subarray(0, breaksAt), true)
      else if (steps === 2) first.break(new Error('reset'), '1', 0)
      else if (steps === 3) secondSource?.body.push(whole.subarray(breaksAt), true)
      else secondSource?.end()
      return steps < 5
    },
    async settle() {
      // It is asked for the rest only once somebody has read as far as the break.
      if (steps === 2) await Promise.race([asked, soon()])
      await turn()
    },
    isWanted: () => (secondSource ?? first).body.isFull === false,
    isCancelled: () => first.isCancelled || secondSource?.isCancelled === true || !secondSource,
  }
}

function soon(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 5)
  })
}

describeBody(
  'the body of mapMessages of events',
  over((source) => bodyOf(mapMessages(source.reply(), { methods: () => true, responses: true }, () => undefined))),
  { documents: streams, isEvents: true, paces: true },
)

describeBody(
  'the body of mapMessages with a function that takes its time',
  over((source) => bodyOf(mapMessages(source.reply(), { methods: () => true }, () => Promise.resolve(undefined)))),
  { documents: streams, isEvents: true, paces: true },
)

describeBody(
  'the body of mapMessages of a document',
  over((source) =>
    bodyOf(mapMessages({ ...jsonReply(''), body: source.body }, { responses: true }, () => Promise.resolve(undefined))),
  ),
  { documents },
)

describeBody(
  'the body of tapMessages',
  over((source) =>
    bodyOf(
      tapMessages(
        eventsReply(source.body),
        () => true,
        () => {},
      ),
    ),
  ),
  { documents: streams, isEvents: true, paces: true },
)

/** undici's side of a reply, as far as a body sees it: what is paused gives nothing. */
class Controller {
  isPaused = false
  isAborted = false
  pause = (): void => void (this.isPaused = true)
  resume = (): void => void (this.isPaused = false)
  abort = (): void => void (this.isAborted = true)
}

describeBody(
  'UpstreamReply',
  (chunks, end) => {
    const own = new Controller()
    const controller = own as unknown as Dispatcher.DispatchController
    const reply = new UpstreamReply(
      () => {},
      () => {},
    )
    reply.onRequestStart(controller)
    reply.onResponseStart(controller, 200, {})
    let given = 0
    return {
      body: reply,
      step() {
        if (given > chunks.length || own.isAborted) return false
        if (own.isPaused) return false
        const chunk = chunks[given]
        given += 1
        if (chunk) reply.onResponseData(controller, chunk)
        else if (end === 'complete') reply.onResponseEnd()
        else reply.onResponseError(controller, end)
        return true
      },
      settle: turn,
      isWanted: () => !own.isPaused && !own.isAborted,
      isCancelled: () => own.isAborted,
    }
  },
  { documents, hasWhole: true, paces: true, runsAhead: true },
)
