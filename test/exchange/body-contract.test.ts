// The contract of bodies, against all that there are.
import fc from 'fast-check'
import type { Dispatcher } from 'undici'
import { type Body, BufferBody, type Sink } from '../../lib/exchange/body.ts'
import { FramedBody } from '../../lib/exchange/framed-body.ts'
import { mapMessages } from '../../lib/exchange/map-messages.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { ResumingBody } from '../../lib/exchange/resuming-body.ts'
import { tapMessages } from '../../lib/exchange/tap-messages.ts'
import { UpstreamReply } from '../../lib/upstream/http/upstream-reply.ts'
import { describeBody, type MakeRig } from './body-contract.ts'
import { eventOf, eventsReply, exchangeOf, jsonReply, progress, resultOf, Source, turn } from './parts.ts'
import type { Rig } from './readers.ts'
import { eventEnds } from './streams.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 20 })

/** Mostly short; now and then longer than a chunk that is copied, and than an event that a framer holds. */
const length = fc.integer({ min: 0, max: 40 }).map((one) => (one < 2 ? 300_000 : one < 10 ? 5_000 : one))

/** Bytes that a failed property does not print one by one. */
function nameless(said: string): Buffer {
  const bytes = Buffer.from(said)
  return Object.assign(bytes, { [fc.toStringMethod]: () => `${bytes.length} bytes: ${said.slice(0, 300)}` })
}

/** A document of JSON: the response to a request. */
const documents = fc
  .tuple(text, length)
  .map(([said, size]) => nameless(JSON.stringify(resultOf(1, { said, more: 'x'.repeat(size) }))))

const notification = text.map((data) => ({ jsonrpc: '2.0', method: 'notifications/message', params: { data } }))

/** An event stream that ends with the response to request 1. */
const streams = fc
  .tuple(fc.array(notification, { maxLength: 4 }), fc.constantFrom('\n', '\r\n', '\r'), fc.boolean(), length)
  .map(([said, lineEnd, hasIds, size]) => {
    const all = [...said, progress(1), progress(2), resultOf(1, { text: 'x'.repeat(size) })]
    const events = all.map((json, index) => eventOf(json, hasIds ? String(index) : undefined))
    return nameless(events.join('').replaceAll('\n', lineEnd))
  })

/** A body over a source that gives chunks, each of which says whether an event ends with it. */
function over(wrap: (source: Source) => Body): MakeRig {
  return (chunks, end) => {
    const source = new Source()
    const ends = new Set(eventEnds(Buffer.concat(chunks)))
    let given = 0
    let offset = 0
    return {
      body: wrap(source),
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
      isReleased: () => source.isCancelled || given > chunks.length,
    }
  }
}

function bodyOf(reply: Reply): Body {
  if (reply.kind === 'empty') throw new TypeError('A reply without a body')
  return reply.body
}

describeBody(
  'BufferBody',
  (chunks) => ({
    body: new BufferBody(Buffer.concat(chunks)),
    step: () => false,
    settle: turn,
    isWanted: () => false,
    isReleased: () => true,
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
  { documents: streams, isEvents: true, hasWhole: true, paces: true },
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
})

/** A stream that breaks behind its first event, and comes to its end over a second connection. */
function resumed(chunks: readonly Buffer[]): Rig {
  const whole = Buffer.concat(chunks)
  const breaksAt = eventEnds(whole)[0]!
  const [first, second] = [new Source(), new Source()]
  let onAsked: () => void
  const asked = new Promise<void>((resolve) => (onAsked = resolve))
  const watched = new WatchedBody(first.body)
  const body = ResumingBody.of(eventsReply(watched), exchangeOf(), async () => {
    onAsked()
    return second.reply()
  })
  const steps = [
    () => first.body.push(whole.subarray(0, breaksAt), true),
    () => first.break(new Error('reset'), '1', 0),
    () => second.body.push(whole.subarray(breaksAt), true),
    () => second.end(),
  ]
  let isCancelled = false
  const cancel = body.cancel.bind(body)
  body.cancel = () => {
    isCancelled = true
    cancel()
  }
  return {
    body,
    step() {
      const next = steps.shift()
      next?.()
      return next !== undefined
    },
    async settle() {
      if (watched.hasEnded && !isCancelled) await asked
      await turn()
    },
    isWanted: () => !first.body.isFull && steps.length > 0 && (steps.length > 2 || !second.body.isFull),
    isReleased: () => isCancelled || steps.length === 0 || first.body.isOver,
  }
}

/** Tells whether its reader has heard the end. */
class WatchedBody implements Body {
  readonly #body: Body
  hasEnded = false

  constructor(body: Body) {
    this.#body = body
  }

  pipe(sink: Sink): void {
    this.#body.pipe({
      data: (chunk, atBoundary) => sink.data(chunk, atBoundary),
      end: (end) => {
        this.hasEnded = true
        sink.end(end)
      },
    })
  }

  unread(chunks: readonly Buffer[]): void {
    this.#body.unread(chunks)
  }

  whole(): Buffer | undefined {
    return this.#body.whole()
  }

  resume(): void {
    this.#body.resume()
  }

  cancel(): void {
    this.#body.cancel()
  }

  drain(): void {
    this.#body.drain()
  }
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
        source.reply(),
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
        if (given > chunks.length || own.isAborted || own.isPaused) return false
        const chunk = chunks[given]
        given += 1
        if (chunk) reply.onResponseData(controller, chunk)
        else if (end === 'complete') reply.onResponseEnd()
        else reply.onResponseError(controller, end)
        return true
      },
      settle: turn,
      isWanted: () => !own.isPaused && !own.isAborted,
      isReleased: () => own.isAborted || given > chunks.length,
    }
  },
  { documents, hasWhole: true, paces: true, runsAhead: true, pipesInData: false },
)
