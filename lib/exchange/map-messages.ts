/** Changes messages of a reply on their way to the client; all other messages keep their bytes. */
import type { Awaitable } from '../types.ts'
import { isPromise } from '../util/awaitable.ts'
import { COMPLETE, type End } from './body.ts'
import { breakOf, MappedBody } from './mapped-body.ts'
import { MappedDocument, messageIn } from './mapped-document.ts'
import type { Message } from './message.ts'
import type { EventsReply, Reply } from './reply.ts'
import { eventsOf, formatEvent, hasEventId, isMisleading, messageEvent, parseEvent, plainEvent } from './sse.ts'

/** Selects the messages that are parsed and passed to the function. */
export interface Wants {
  /** Requests and notifications of the server, by method. */
  readonly methods?: (method: string) => boolean
  /** Those whose bytes pass the test, where there is one; it may be given several events at once. */
  readonly responses?: boolean | ((bytes: Buffer) => boolean)
  /** Whether what a more lenient client could read as another message is dropped: data that is no message, and what `isMisleading()`. */
  readonly strict?: boolean
  /** Maps the id of an event; `undefined` removes it. */
  readonly eventIds?: (id: string) => string | undefined
  /** Given how to say something in between, while the stream is read. Returns what is to be called at its end. */
  readonly interject?: (say: Interject) => () => void
  /** What is said at the end of a stream, before it; with a text the end is `complete`. */
  readonly last?: (end: End) => Awaitable<undefined | { readonly text: string }>
}

/** Says a message of one's own. */
export type Interject = (json: string) => void

/** The new form of a message: unchanged (`undefined`), dropped (an `id:` line of its event stays), or other JSON. */
export type Mapped = undefined | 'drop' | { readonly text: string }

/**
 * Calls `fn` with each selected message in order, and reads no further until its promise settles. If it throws, the
 * reply breaks.
 */
export function mapMessages(reply: Reply, wants: Wants, fn: (message: Message) => Awaitable<Mapped>): Reply {
  if (reply.kind === 'events') {
    const resumeAfter = (): string | undefined => mappedId(reply.resumeAfter(), wants)
    return { ...reply, body: new MappedEvents(reply, wants, fn), resumeAfter }
  }
  if (reply.kind !== 'json' || !wants.responses) return reply
  const isWanted = typeof wants.responses === 'function' ? wants.responses : undefined
  const { 'content-length': _, ...headers } = reply.headers
  return { ...reply, headers, body: new MappedDocument(reply.body, fn, isWanted) }
}

function mappedId(id: string | undefined, { eventIds }: Wants): string | undefined {
  return id === undefined || !eventIds ? id : eventIds(id)
}

/** The resumption id in the end of a body must be mapped too: the client knows only mapped ids. */
function mappedEnd(end: End, wants: Wants): End {
  if (end.how === 'complete' || !wants.eventIds) return end
  const after = mappedId(end.after, wants)
  if (end.how === 'broken') return { ...end, after }
  return after === undefined ? COMPLETE : { ...end, after }
}

class MappedEvents extends MappedBody {
  readonly #wants: Wants
  readonly #fn: (message: Message) => Awaitable<Mapped>
  #queue: Buffer[] = []
  #isBusy = false
  /** Takes back what may be said in between. */
  readonly #off: (() => void) | undefined
  #end: End | undefined
  readonly #isEndless: boolean

  constructor({ body, endless }: EventsReply, wants: Wants, fn: (message: Message) => Awaitable<Mapped>) {
    super(body)
    this.#isEndless = endless
    this.#wants = wants
    this.#fn = fn
    this.#off = wants.interject?.((json) => this.emit(messageEvent(json)))
  }

  /** The bytes of an answer that has arrived whole, if none of its messages is changed and none is added. */
  override whole(): Buffer | undefined {
    const { interject, last } = this.#wants
    const isRead = this.#isEndless || interject !== undefined || last !== undefined || !this.isUntouched
    const whole = isRead ? undefined : this.body.whole()
    if (!whole || !this.#mayChange(whole)) return whole
    this.body.unread([whole])
    return undefined
  }

  override cancel(): void {
    this.#off?.()
    super.cancel()
  }

  data(chunk: Buffer, atBoundary: boolean): boolean {
    this.held.push(chunk)
    if (this.isTooLong()) {
      this.break(undefined)
      return false
    }
    if (!atBoundary) return true
    const stretch = this.held.concat()
    if (this.#isBusy || this.#queue.length > 0 || this.#mayChange(stretch)) this.#queue.push(...eventsOf(stretch))
    else this.emit(stretch)
    this.#run()
    return !this.#isBusy && this.flows
  }

  end(end: End): void {
    this.#end = mappedEnd(end, this.#wants)
    if (!this.#isBusy) this.#finish(this.#end)
  }

  /** Whoever has the last word has it here, too. */
  protected override break(cause: unknown): void {
    this.#off?.()
    if (!this.#wants.last || this.isOver) return super.break(cause)
    this.body.cancel()
    this.#queue = []
    this.#end = { how: 'broken', error: breakOf(cause) }
    this.#finish(this.#end)
  }

  #finish(end: End): void {
    this.#off?.()
    const { last } = this.#wants
    if (!last || this.isOver) return this.conclude(end)
    this.#isBusy = true
    void Promise.resolve(last(end)).then(
      (said) => {
        if (said) this.emit(messageEvent(said.text))
        this.conclude(said ? COMPLETE : end)
      },
      (error: Error) => this.conclude({ how: 'broken', error }),
    )
  }

  /** Stays synchronous as long as `fn` does; the first promise pauses the queue until it settles. */
  #run(): void {
    if (this.#isBusy) return
    for (let event = this.#queue.shift(); event && !this.isOver; event = this.#queue.shift()) {
      let mapped: Awaitable<Buffer>
      try {
        mapped = this.#map(event)
      } catch (error) {
        return this.break(error)
      }
      if (isPromise(mapped)) {
        this.#isBusy = true
        mapped.then(
          (bytes) => this.#continue(bytes),
          (error: unknown) => this.break(error),
        )
        return
      }
      this.emit(mapped)
    }
  }

  #continue(bytes: Buffer): void {
    this.emit(bytes)
    this.#isBusy = false
    this.#run()
    if (this.#isBusy) return
    if (this.#end) this.#finish(this.#end)
    else if (this.flows) this.body.resume()
  }

  #map(bytes: Buffer): Awaitable<Buffer> {
    if (!this.#mayChange(bytes)) return bytes
    const text = bytes.toString()
    const isOdd = this.#wants.strict === true && isMisleading(text)
    const event = isOdd ? plainEvent(parseEvent(text)) : parseEvent(text)
    const id = mappedId(event.id, this.#wants)
    const message = event.data === '' ? undefined : messageIn(event.data)
    const isUnreadable = this.#wants.strict === true && event.data !== '' && !message
    const mapped = isUnreadable ? 'drop' : message && this.#isWanted(message) ? this.#fn(message) : undefined
    const format = (outcome: Mapped): Buffer => {
      if (outcome === undefined && id === event.id && !isOdd) return bytes
      if (isOdd && event.data === '' && id === undefined && event.retryMs === undefined) return Buffer.alloc(0)
      if (outcome === 'drop') return id === undefined ? Buffer.alloc(0) : formatEvent({ id, data: '' })
      // In JSON text a line end is only white space: what was changed is on one line.
      return formatEvent({ ...event, id, data: outcome?.text.replaceAll(/[\r\n]/g, ' ') ?? event.data })
    }
    return isPromise(mapped) ? mapped.then(format) : format(mapped)
  }

  /** By its bytes alone: a key may be spelled with escapes. */
  #mayChange(events: Buffer): boolean {
    const { methods, responses, eventIds, strict } = this.#wants
    if (strict === true && events.includes('data')) return true
    if (eventIds && hasEventId(events)) return true
    if (methods && events.includes('"method"')) return true
    const isWanted = typeof responses !== 'function' || responses(events)
    if (responses && isWanted && (events.includes('"result"') || events.includes('"error"'))) return true
    return (methods !== undefined || (responses !== undefined && isWanted)) && events.includes('\\u')
  }

  #isWanted(message: Message): boolean {
    if (message.kind === 'response') return this.#wants.responses !== undefined && this.#wants.responses !== false
    if (message.kind === 'batch') return message.items.some((item) => this.#isWanted(item))
    return this.#wants.methods?.(message.method) === true
  }
}
