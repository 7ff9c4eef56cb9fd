/** Calls whose questions wait at this node: each by an unguessable handle, for a limited time, bounded in all. (ST25) */
import { randomBytes } from 'node:crypto'
import { GatewayError } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Flight, InFlight } from '../../../exchange/in-flight.ts'
import { QUESTION_MS } from '../tables.ts'
import type { ServerCall } from './server-call.ts'

/** How many calls may wait: of one principal, and in all. Anonymous clients are bounded in all alone. */
const MAX_HELD_OF_ONE = 256
const MAX_HELD_CALLS = 10_000

/** How many bytes their questions, and what came in the meantime, may have in all. */
const MAX_HELD_BYTES = 64 * 1024 * 1024

/** A call that waits for its client. */
export interface HeldCall {
  readonly handle: string
  readonly call: ServerCall
  readonly bound: string
  /** How often its client has been asked. */
  readonly round: number
  readonly exchange: Exchange
}

interface HeldEntry extends HeldCall {
  readonly flight: Flight
  readonly owner: string | undefined
  readonly timer: NodeJS.Timeout
  readonly off: () => void
  bytes: number
}

export class HeldCalls {
  readonly #inFlight: Pick<InFlight, 'add' | 'delete'>
  /** Called when a call ends while it waits. */
  readonly #onStopped: (held: HeldCall, reason: GatewayError) => void
  readonly #held = new Map<string, HeldEntry>()
  readonly #counts = new Map<string, number>()
  #bytes = 0

  constructor(inFlight: Pick<InFlight, 'add' | 'delete'>, onStopped: (held: HeldCall, reason: GatewayError) => void) {
    this.#inFlight = inFlight
    this.#onStopped = onStopped
  }

  get size(): number {
    return this.#held.size
  }

  /** The bytes of all questions that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Keeps a call until its client comes back, its principal expires, its server is withdrawn, or time is up. Returns its
   * handle. Throws `too_many_requests`.
   */
  hold(call: ServerCall, bound: string, round: number, exchange: Exchange): string {
    const owner = exchange.origin.principal?.id
    const count = owner === undefined ? 0 : (this.#counts.get(owner) ?? 0)
    const isFull =
      count >= MAX_HELD_OF_ONE || this.#held.size >= MAX_HELD_CALLS || this.#bytes + call.bytes > MAX_HELD_BYTES
    if (isFull) throw new GatewayError('too_many_requests', 'Too many questions wait for an answer')
    const handle = randomBytes(16).toString('base64url')
    const late = new GatewayError('upstream_timeout', 'The client did not answer in time')
    const own = exchange.with({ message: undefined })
    const held = { handle, call, bound, round, exchange: own }
    const entry: HeldEntry = {
      ...held,
      owner,
      // What is in flight is checked: whether its principal has expired, and its server been withdrawn.
      flight: this.#inFlight.add(own.fork({}, call.life)),
      timer: setTimeout(() => call.life.stop(late), QUESTION_MS).unref(),
      off: call.life.onStop((reason) => {
        this.#remove(entry)
        this.#onStopped(held, reason)
      }),
      bytes: 0,
    }
    call.life.endless = true
    const onGrowth = (): void => this.#weigh(entry)
    call.onGrowth = onGrowth
    this.#held.set(handle, entry)
    if (owner !== undefined) this.#counts.set(owner, count + 1)
    this.#weigh(entry)
    return handle
  }

  has(handle: string): boolean {
    return this.#held.has(handle)
  }

  /** Takes a call, for the client that it waits for. A handle serves once. */
  take(handle: string, bound: string, round: number): HeldCall | undefined {
    const entry = this.#held.get(handle)
    if (entry?.bound !== bound || entry.round !== round) return undefined
    entry.off()
    this.#remove(entry)
    return entry
  }

  /** Ends the call that takes more memory than there is for all. */
  #weigh(entry: HeldEntry): void {
    const { bytes } = entry.call
    this.#bytes += bytes - entry.bytes
    entry.bytes = bytes
    if (this.#bytes <= MAX_HELD_BYTES) return
    entry.call.life.stop(new GatewayError('too_many_requests', 'Too much waits for an answer'))
  }

  #remove(entry: HeldEntry): void {
    if (!this.#held.delete(entry.handle)) return
    clearTimeout(entry.timer)
    this.#inFlight.delete(entry.flight)
    this.#bytes -= entry.bytes
    entry.call.life.endless = false
    entry.call.onGrowth = undefined
    const { owner } = entry
    if (owner === undefined) return
    const left = this.#counts.get(owner)! - 1
    if (left > 0) this.#counts.set(owner, left)
    else this.#counts.delete(owner)
  }
}
