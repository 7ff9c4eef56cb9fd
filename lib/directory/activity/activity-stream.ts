/** Sends the figures to everybody who looks at the page, by one timer for all. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../../errors.ts'
import { EVENT_STREAM_TYPE } from '../../protocol.ts'
import type { Awaitable } from '../../types.ts'

const TICK_MS_SHOWN = 2_000

/** How often it is asked whether a visitor still may look, in milliseconds. */
const CHECK_MS = 30_000

const MAX_VIEWERS = 20

/** A visitor whose connection takes no more waits until it does. */
const MAX_WAITING_BYTES = 256 * 1024

/** A visitor of the stream. */
export interface Viewer {
  readonly response: ServerResponse
  /** Throws, or rejects, when the visitor may look no more. */
  readonly check: () => Awaitable<void>
  /** What the visitor gets. */
  readonly data: () => string
}

interface Viewing extends Viewer {
  checkedAt: number
}

export class ActivityStream {
  readonly #viewers = new Set<Viewing>()
  #timer: NodeJS.Timeout | undefined

  /** Throws `too_many_requests`. */
  add(viewer: Viewer): void {
    if (this.#viewers.size >= MAX_VIEWERS) throw new GatewayError('too_many_requests', 'Too many look at the activity')
    const { response } = viewer
    const viewing = { ...viewer, checkedAt: performance.now() }
    response.writeHead(200, {
      'content-type': EVENT_STREAM_TYPE,
      'cache-control': 'private, no-store, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
    this.#viewers.add(viewing)
    response.once('close', () => this.#remove(viewing))
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS_SHOWN).unref()
    this.#send(viewing)
  }

  close(): void {
    for (const viewing of this.#viewers) this.#end(viewing)
  }

  #tick(): void {
    const now = performance.now()
    for (const viewing of this.#viewers) {
      if (now - viewing.checkedAt >= CHECK_MS) void this.#check(viewing, now)
      this.#send(viewing)
    }
  }

  async #check(viewing: Viewing, now: number): Promise<void> {
    viewing.checkedAt = now
    try {
      await viewing.check()
    } catch {
      this.#end(viewing)
    }
  }

  #send({ response, data }: Viewing): void {
    if (response.writableLength < MAX_WAITING_BYTES) response.write(`data: ${data()}\n\n`)
  }

  #end(viewing: Viewing): void {
    this.#remove(viewing)
    viewing.response.end()
  }

  #remove(viewing: Viewing): void {
    this.#viewers.delete(viewing)
    if (this.#viewers.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
