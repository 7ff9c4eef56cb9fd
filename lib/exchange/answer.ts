/** Replies that the gateway builds: JSON if the response comes first, an event stream if other messages precede it. */
import { GatewayError } from '../errors.ts'
import { EVENT_STREAM_TYPE, JSON_TYPE } from '../protocol.ts'
import type { RequestId } from '../types.ts'
import { BufferBody, type End } from './body.ts'
import type { Exchange } from './exchange.ts'
import { PushBody } from './push-body.ts'
import { drainReply, type Reply, type ReplyHeaders } from './reply.ts'
import { formatEvent, messageEvent } from './sse.ts'

/** How long a client waits for the first byte before the stream opens, from when on heartbeats keep it alive. (SE15) */
const HEAD_MS = 7_500

/** The event stream that precedes a response. */
export interface Out {
  /** Forwards bytes of another stream. `false` asks the caller to pause until `ready` resolves. */
  bytes(chunk: Buffer, atBoundary: boolean): boolean
  /** Sends a message as an event. */
  say(json: string, id?: string): boolean
  /** Resolves when the client reads again; `undefined` when it is reading already. */
  readonly ready: Promise<void> | undefined
}

/** What an answer ends with: the text of a response, or a reply to forward. */
export type Answer = { readonly text: string } | { readonly reply: Reply }

export function jsonReply(text: string, headers: ReplyHeaders = {}, status = 200): Reply {
  const bytes = Buffer.from(text)
  const own = { 'content-type': JSON_TYPE, 'content-length': String(bytes.length) }
  return { kind: 'json', status, headers: { ...headers, ...own }, body: new BufferBody(bytes) }
}

/**
 * Builds the reply to a request. It becomes an event stream when `run` sends something before its answer, or takes
 * longer than `HEAD_MS`. An error that `run` throws rejects the promise, or breaks the stream once it has begun. A
 * client that accepts only JSON gets the response and nothing else.
 */
export function answer(exchange: Exchange, run: (out: Out) => Promise<Answer>): Promise<Reply> {
  return answerByCallback(exchange, (settle, fail, out) => void run(out).then(settle, fail))
}

/** The same for a `run` that reports by callback, which makes fewer promises. The first call counts. */
export function answerByCallback(
  exchange: Exchange,
  run: (settle: (ending: Answer) => void, fail: (error: Error) => void, out: Out) => void,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const stream = new AnswerStream(exchange, resolve)
    const off = exchange.life.onStop((reason) => reject(reason))
    let isOver = false
    const settle = (ending: Answer): void => {
      if (isOver) return
      isOver = true
      off()
      stream.finish(ending)
    }
    const fail = (error: Error): void => {
      if (isOver) return
      isOver = true
      off()
      stream.fail(error)
      reject(error)
    }
    run(settle, fail, stream)
  })
}

const NOTHING_PENDING = (): readonly RequestId[] => []

class AnswerStream implements Out {
  readonly #opening: NodeJS.Timeout
  readonly #exchange: Exchange
  readonly #resolve: (reply: Reply) => void
  /** Made when it is needed: most answers are a document. */
  #stream: PushBody | undefined
  #pending: () => readonly RequestId[] = () => this.#exchange.requestIds
  #isOpen = false
  #onReady: (() => void) | undefined
  #ready: Promise<void> | undefined

  constructor(exchange: Exchange, resolve: (reply: Reply) => void) {
    this.#exchange = exchange
    this.#resolve = resolve
    this.#opening = setTimeout(() => this.#open(), HEAD_MS).unref()
  }

  get #body(): PushBody {
    if (this.#stream) return this.#stream
    this.#stream = new PushBody()
    this.#stream.writer = { onResume: () => this.#wake(), onCancel: () => this.#wake() }
    return this.#stream
  }

  get ready(): Promise<void> | undefined {
    if (!this.#isOpen || !this.#body.isFull) return undefined
    return (this.#ready ??= new Promise((resolve) => (this.#onReady = resolve)))
  }

  bytes(chunk: Buffer, atBoundary: boolean): boolean {
    if (!this.#exchange.origin.accepts.events) return true
    this.#open()
    this.#body.push(chunk, atBoundary)
    return !this.#body.isFull
  }

  say(json: string, id?: string): boolean {
    return this.bytes(Buffer.concat([Buffer.from(id === undefined ? '' : `id: ${id}\n`), messageEvent(json)]), true)
  }

  finish(ending: Answer): void {
    clearTimeout(this.#opening)
    if (!this.#isOpen) return this.#resolve('reply' in ending ? ending.reply : jsonReply(ending.text))
    if ('text' in ending) {
      this.#pending = NOTHING_PENDING
      this.#body.push(messageEvent(ending.text))
      return this.#body.end()
    }
    this.#forward(ending.reply)
  }

  fail(error: unknown): void {
    clearTimeout(this.#opening)
    const known = error instanceof Error ? error : new Error(String(error))
    if (this.#isOpen) this.#body.end({ how: 'broken', error: known })
  }

  #forward(reply: Reply): void {
    const document = reply.kind === 'json' ? reply.body.whole() : undefined
    if (document) {
      this.#pending = NOTHING_PENDING
      this.#body.push(formatEvent({ event: 'message', data: document.toString() }))
      return this.#body.end()
    }
    if (reply.kind !== 'events') {
      drainReply(reply)
      return this.fail(new GatewayError('upstream_invalid', 'The rest of a stream must be a stream'))
    }
    this.#pending = reply.pending
    const { body } = reply
    this.#body.writer = { onResume: () => body.resume(), onCancel: () => body.cancel() }
    body.pipe({
      data: (chunk, atBoundary) => {
        this.#body.push(chunk, atBoundary)
        return !this.#body.isFull
      },
      end: (end: End) => this.#body.end(end),
    })
  }

  #open(): void {
    if (this.#isOpen || !this.#exchange.origin.accepts.events) return
    this.#isOpen = true
    clearTimeout(this.#opening)
    this.#resolve({
      kind: 'events',
      status: 200,
      headers: { 'content-type': EVENT_STREAM_TYPE },
      body: this.#body,
      pending: () => this.#pending(),
      resumeAfter: () => undefined,
      endless: this.#exchange.listens,
      kept: false,
    })
  }

  #wake(): void {
    this.#onReady?.()
    this.#ready = undefined
  }
}
