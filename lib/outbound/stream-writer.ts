/** Writes an event stream stretch by stretch, keeps it alive, and tells the requests that get no response. */
import type { GatewayError } from '../errors.ts'
import type { End } from '../exchange/body.ts'
import type { EventsReply } from '../exchange/reply.ts'
import { HEARTBEAT, messageEvent, RETRY } from '../exchange/sse.ts'
import { META } from '../protocol.ts'
import type { RequestId } from '../types.ts'
import type { Headers } from './response-headers.ts'
import { type Relayed, type RelayOptions, Writer } from './writer.ts'

/** What costs more to write than to copy, in bytes. */
const SMALL_BYTES = 4 * 1024

export class StreamWriter extends Writer {
  readonly #reply: EventsReply
  /** Whether nothing was written since the last tick. */
  #quiet = false
  /** Whether something else may be written here: all that went out are whole events. */
  #atBoundary = true
  /** What arrived in this tick: a flood of small events leaves in one piece. */
  #waiting: Buffer[] = []
  #waitingBytes = 0

  constructor(reply: EventsReply, relayed: Relayed, options: RelayOptions) {
    super(reply.body, relayed, options)
    this.#reply = reply
  }

  override start(status: number, headers: Headers): void {
    super.start(status, headers)
    // The head leaves at once, with the events that came along with it.
    const isIdle = this.#waiting.length === 0 && !this.response.destroyed && !this.response.writableEnded
    if (isIdle) this.response.flushHeaders()
  }

  override tick(): void {
    super.tick()
    const canBeat = !this.isOver && this.#atBoundary && !this.needsDrain && !this.response.destroyed
    if (this.#quiet && canBeat) this.put(HEARTBEAT)
    this.#quiet = true
  }

  protected write(chunk: Buffer, atBoundary: boolean): void {
    if (this.#waiting.length === 0) process.nextTick(this.#flush)
    this.#atBoundary = atBoundary
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
  }

  readonly #flush = (): void => {
    const pieces = this.#waiting
    if (pieces.length === 0 || this.response.destroyed) return
    const isFlood = pieces.length > 1 && this.#waitingBytes <= pieces.length * SMALL_BYTES
    this.#waiting = []
    this.#waitingBytes = 0
    this.#quiet = false
    for (const piece of isFlood ? [Buffer.concat(pieces)] : pieces) this.put(piece)
  }

  /** A client that has an id to come back with may; any other is told which requests get no response. (SE3, ER14) */
  protected conclude(end: End, error: () => GatewayError): void {
    if (this.response.destroyed) return
    this.#flush()
    if (!this.#atBoundary) {
      this.response.destroy()
      return
    }
    const { life, origin } = this.exchange
    const isClosing = life.stopped?.code === 'closing'
    if (!this.#goesOn(end)) {
      for (const id of origin.awaited(this.#reply.pending()))
        this.response.write(messageEvent(this.#lastWord(error(), id)))
    }
    if (isClosing && origin.era === 'legacy') this.response.write(RETRY)
    this.response.end()
  }

  /** Whether the rest can be had behind the last id that the client has. */
  #goesOn(end: End): boolean {
    const { stopped } = this.exchange.life
    if (end.how === 'poll') return true
    if (this.#reply.resumeAfter() === undefined) return false
    if (!stopped) return end.how === 'complete'
    return stopped.code === 'closing' || (this.#reply.kept && stopped.code === 'unauthorized')
  }

  /** What ends a subscription is no error. (ST18) */
  #lastWord(error: GatewayError, id: RequestId): string {
    const { origin, listens } = this.exchange
    if (origin.era === 'legacy' || !listens || error.code !== 'closing') return error.toJsonRpc(id)
    return JSON.stringify({
      jsonrpc: '2.0',
      id,
      result: { resultType: 'complete', _meta: { [META.subscriptionId]: id } },
    })
  }

  /** A server that keeps events for a client to resume must see that the client has gone. */
  protected override get outlivesClient(): boolean {
    return super.outlivesClient && this.#reply.resumeAfter() === undefined
  }
}
