/** Writes an event stream with heartbeats, and answers pending requests with an error when it ends. */
import type { GatewayError } from '../errors.ts'
import type { End } from '../exchange/body.ts'
import type { EventsReply } from '../exchange/reply.ts'
import { HEARTBEAT, messageEvent, RETRY } from '../exchange/sse.ts'
import { META } from '../protocol.ts'
import type { RequestId } from '../types.ts'
import type { Headers } from './response-headers.ts'
import { isResumable } from './resumable.ts'
import { type Relayed, type RelayOptions, Writer } from './writer.ts'

/** Up to this average size, in bytes, copying chunks into one write is cheaper than writing each. */
const SMALL_BYTES = 4 * 1024

export class StreamWriter extends Writer {
  readonly #reply: EventsReply
  /** Whether nothing was written since the last tick. */
  #quiet = false
  /** Whether the last chunk ends with a whole event, so that a heartbeat or error may follow it. */
  #atBoundary = true
  /** The chunks that arrived in this tick, which are written together if they are small. */
  #waiting: Buffer[] = []
  #waitingBytes = 0

  constructor(reply: EventsReply, relayed: Relayed, options: RelayOptions) {
    super(reply.body, relayed, options)
    this.#reply = reply
  }

  override start(status: number, headers: Headers): void {
    super.start(status, headers)
    // Without events to write, the headers are flushed, so that the client sees the stream open.
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

  /** A client that can resume the stream gets no errors; otherwise each pending request gets one. (SE3, ER14) */
  protected conclude(end: End, error: () => GatewayError): void {
    if (this.response.destroyed) return
    this.#flush()
    if (!this.#atBoundary) {
      this.response.destroy()
      return
    }
    const { life, origin } = this.exchange
    const isClosing = life.stopped?.code === 'closing'
    if (!isResumable(this.#reply, end, life.stopped)) {
      for (const id of origin.awaited(this.#reply.pending()))
        this.response.write(messageEvent(this.#finalMessage(error(), id)))
    }
    if (isClosing && origin.era === 'legacy') this.response.write(RETRY)
    this.response.end()
  }

  /** A subscription that the closing gateway ends gets a result, not an error. (ST18) */
  #finalMessage(error: GatewayError, id: RequestId): string {
    const { origin, listens } = this.exchange
    if (origin.era === 'legacy' || !listens || error.code !== 'closing') return error.toJsonRpc(id)
    return JSON.stringify({
      jsonrpc: '2.0',
      id,
      result: { resultType: 'complete', _meta: { [META.subscriptionId]: id } },
    })
  }

  /** If the server stores events for resumption, the disconnect is passed on, so that the client can resume there. */
  protected override get outlivesClient(): boolean {
    return super.outlivesClient && this.#reply.resumeAfter() === undefined
  }
}
