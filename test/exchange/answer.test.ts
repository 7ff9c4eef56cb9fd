// Replies of our own making: JSON or a stream, when which, and what becomes of what goes wrong.
import { jest } from '@jest/globals'
import { GatewayError } from '../../lib/errors.ts'
import { type Answer, answer, jsonReply, type Out } from '../../lib/exchange/answer.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { collect, emptyReply, eventOf, exchangeOf, originOf, progress, resultOf, Source, turn } from './parts.ts'

const closing = new GatewayError('closing', 'The gateway is closing')
const RESULT = JSON.stringify(resultOf())
const STEP = JSON.stringify(progress(1))

/** An answer that the test finishes, and what it may say meanwhile. */
function begin(exchange = exchangeOf()) {
  let finish: (said: Answer) => void
  let fail: (error: unknown) => void
  let out: Out
  const said = new Promise<Answer>((resolve, reject) => {
    finish = resolve
    fail = reject
  })
  const reply = answer(exchange, (opened) => {
    out = opened
    return said
  })
  return { exchange, reply, out: out!, finish: finish!, fail: fail! }
}

async function textOf(reply: Reply): Promise<string> {
  const sink = collect(reply)
  await turn()
  return sink.bytes.toString()
}

describe('an answer', () => {
  test('is JSON where nothing was said before it', async () => {
    const { reply, finish } = begin()
    finish({ text: RESULT })
    const made = await reply
    expect(made).toMatchObject({ kind: 'json', status: 200, headers: { 'content-type': 'application/json' } })
    expect(made).toMatchObject({ headers: { 'content-length': String(Buffer.byteLength(RESULT)) } })
    expect(await textOf(made)).toBe(RESULT)
  })

  test("is somebody else's reply as it is, where nothing was said before it", async () => {
    const { reply, finish } = begin()
    const other = new Source().reply()
    finish({ reply: other })
    expect(await reply).toBe(other)
  })

  test('SE1 is a stream from the first word on: what was said, in order, then the response, then the end', async () => {
    const { reply, out, finish } = begin()
    out.say(STEP)
    const made = await reply
    expect(made).toMatchObject({ kind: 'events', status: 200, headers: { 'content-type': 'text/event-stream' } })
    const sink = collect(made)
    out.say(STEP, '7')
    out.bytes(Buffer.from(': a stretch of another stream\n\n'), true)
    finish({ text: RESULT })
    await turn()
    expect(sink.bytes.toString()).toBe(
      `${eventOf(progress(1))}${eventOf(progress(1), '7')}: a stretch of another stream\n\n${eventOf(resultOf())}`,
    )
    expect(sink.ends).toEqual([{ how: 'complete' }])
  })

  test('ER14 is pending until its response, and not behind it', async () => {
    const { reply, out, finish } = begin()
    out.say(STEP)
    const made = (await reply) as Extract<Reply, { kind: 'events' }>
    expect([made.pending(), made.endless, made.kept, made.resumeAfter()]).toEqual([[1], false, false, undefined])
    finish({ text: RESULT })
    await turn()
    expect(made.pending()).toEqual([])
  })

  test('for a client that takes JSON alone is its response and nothing else', async () => {
    const { reply, out, finish } = begin(exchangeOf({ origin: originOf({ accepts: { json: true, events: false } }) }))
    expect([out.say(STEP), out.ready]).toEqual([true, undefined])
    finish({ text: RESULT })
    const made = await reply
    expect([made.kind, await textOf(made)]).toEqual(['json', RESULT])
  })
})

describe('the silence before an answer (SE15)', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
  })

  afterEach(() => {
    jest.useRealTimers()
  })

  test('is long enough for JSON up to a heartbeat interval, and opens a stream then', async () => {
    const { reply, finish } = begin()
    const seen: Reply[] = []
    void reply.then((made) => seen.push(made))
    await jest.advanceTimersByTimeAsync(7_499)
    expect(seen).toEqual([])
    await jest.advanceTimersByTimeAsync(1)
    expect(seen).toMatchObject([{ kind: 'events' }])
    finish({ text: RESULT })
    await turn()
    expect(await textOf(seen[0]!)).toBe(eventOf(resultOf()))
  })

  test('has no end for a client that takes JSON alone', async () => {
    const { reply, finish } = begin(exchangeOf({ origin: originOf({ accepts: { json: true, events: false } }) }))
    await jest.advanceTimersByTimeAsync(60_000)
    finish({ text: RESULT })
    expect(await reply).toMatchObject({ kind: 'json' })
  })

  test('leaves no timer behind, however it ends', async () => {
    const [answered, refused, spoken] = [begin(), begin(), begin()]
    answered.finish({ text: RESULT })
    refused.fail(closing)
    spoken.out.say(STEP)
    spoken.fail(closing)
    await Promise.allSettled([answered.reply, refused.reply, spoken.reply])
    await turn()
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('what goes wrong', () => {
  test('is the rejection of the reply where nothing was said', async () => {
    const { reply, fail } = begin()
    fail(closing)
    await expect(reply).rejects.toBe(closing)
  })

  test('breaks a stream that has begun, which says what is pending', async () => {
    const { reply, out, fail } = begin()
    out.say(STEP)
    const made = (await reply) as Extract<Reply, { kind: 'events' }>
    const sink = collect(made)
    fail(closing)
    await turn()
    expect(sink.ends).toEqual([{ how: 'broken', error: closing }])
    expect(made.pending()).toEqual([1])
  })

  test('is an Error at the end of a stream, whatever was thrown', async () => {
    const { reply, out, fail } = begin()
    out.say(STEP)
    const sink = collect(await reply)
    fail('just words')
    await turn()
    expect(sink.ends).toEqual([{ how: 'broken', error: new Error('just words') }])
  })

  test('a stop rejects a reply that has not begun, at once', async () => {
    const { exchange, reply, finish } = begin()
    exchange.life.stop(closing)
    await expect(reply).rejects.toBe(closing)
    finish({ text: RESULT })
  })

  test('an exchange that goes on after its answer can be stopped without harm', async () => {
    const { exchange, reply, finish } = begin()
    finish({ text: RESULT })
    const made = await reply
    exchange.life.stop(closing)
    expect(await textOf(made)).toBe(RESULT)
  })
})

describe('backpressure (SE16)', () => {
  test('what is said waits for a reader, who is told of by `ready`, and for one that has enough', async () => {
    const { reply, out, finish } = begin()
    expect(out.ready).toBeUndefined()
    expect(out.say(STEP)).toBe(false)
    const made = await reply
    const isReady = jest.fn()
    void out.ready?.then(isReady)
    await turn()
    expect(isReady).not.toHaveBeenCalled()
    const sink = collect(made)
    await turn()
    expect([isReady.mock.calls.length, out.ready]).toEqual([1, undefined])
    sink.flows = false
    expect(out.say(STEP)).toBe(false)
    const { ready } = out
    expect(ready).toBeInstanceOf(Promise)
    if (made.kind !== 'empty') made.body.resume()
    await ready
    sink.flows = true
    expect(out.say(STEP)).toBe(true)
    finish({ text: RESULT })
  })

  test('nothing waits for a reader that has gone', async () => {
    const { reply, out, finish } = begin()
    out.say(STEP)
    const made = await reply
    const { ready } = out
    if (made.kind !== 'empty') made.body.cancel()
    await ready
    expect([out.say(STEP), out.ready]).toEqual([true, undefined])
    finish({ text: RESULT })
  })
})

describe("a stream that goes on with somebody else's", () => {
  async function handOn() {
    const { reply, out, finish } = begin()
    out.say(STEP)
    const made = (await reply) as Extract<Reply, { kind: 'events' }>
    const sink = collect(made)
    const source = new Source()
    finish({ reply: source.reply([1]) })
    await turn()
    return { made, sink, source }
  }

  test('has its bytes, what is pending in it, and its end', async () => {
    const { made, sink, source } = await handOn()
    source.say(': more\n\n')
    expect(made.pending()).toEqual([1])
    source.break(new Error('reset'))
    expect(sink.bytes.toString()).toBe(`${eventOf(progress(1))}: more\n\n`)
    expect(sink.ends).toEqual([expect.objectContaining({ how: 'broken', error: new Error('reset') })])
  })

  test('holds it up and lets it go on, and closes it with itself', async () => {
    const { made, sink, source } = await handOn()
    sink.flows = false
    source.say(': more\n\n')
    expect(source.body.isFull).toBe(true)
    made.body.resume()
    expect(source.body.isFull).toBe(false)
    made.body.cancel()
    expect(source.isCancelled).toBe(true)
  })

  test('says what that says where it is a document, on as many lines as it has', async () => {
    const { reply, out, finish } = begin()
    out.say(STEP)
    const made = await reply
    finish({ reply: jsonReply(RESULT.replace('{', '{\n')) })
    await turn()
    expect(await textOf(made)).toContain(`event: message\ndata: {\ndata: ${RESULT.slice(1)}\n\n`)
    expect(made.kind === 'events' && made.pending()).toEqual([])
  })

  test('breaks where that is nothing', async () => {
    const { reply, out, finish } = begin()
    out.say(STEP)
    const sink = collect(await reply)
    finish({ reply: emptyReply })
    await turn()
    expect(sink.ends).toMatchObject([{ how: 'broken', error: { code: 'upstream_invalid' } }])
  })
})

test('a JSON reply says its length in bytes, beside the headers and the status it was given', async () => {
  const reply = jsonReply('{"a":"ü"}', { 'x-one': '1' }, 404)
  expect(reply).toMatchObject({ status: 404, headers: { 'x-one': '1', 'content-length': '10' } })
  expect(await textOf(reply)).toBe('{"a":"ü"}')
})
