/** How long something goes on, and the one way to stop it: many listeners, last in, first out. */
import type { GatewayError } from '../errors.ts'

export type OnStop = (reason: GatewayError) => void

const NOTHING_TO_TAKE_BACK = (): void => {}

/**
 * A lifetime ends in silence when its work is done; `stop()` ends it before that. Listeners run in reverse order of
 * their registration, as a stack unwinds: the relay tells the client before the connection behind is let go of. No
 * AbortController: one costs more than the gateway's own work on a request.
 */
export class Lifetime {
  /** Whether it goes on without its client, whose login does not end it. */
  readonly isDetached: boolean
  /** Whether it has no end of its own, as a listener's stream: a gateway that closes does not wait for it. */
  endless = false
  #stopped: GatewayError | undefined
  /** Leaves the parent. */
  #leave: (() => void) | undefined
  #listeners: OnStop[] | undefined

  constructor(isDetached = false) {
    this.isDetached = isDetached
  }

  /** Why it was stopped, if it was. */
  get stopped(): GatewayError | undefined {
    return this.#stopped
  }

  stop(reason: GatewayError): void {
    if (this.#stopped) return
    this.#stopped = reason
    const listeners = this.#listeners
    this.#listeners = undefined
    for (let last = listeners?.pop(); last; last = listeners?.pop()) last(reason)
  }

  /** Calls back once at most, at once when it has been stopped already. Returns how to take the listener back. */
  onStop(listener: OnStop): () => void {
    if (this.#stopped) {
      listener(this.#stopped)
      return NOTHING_TO_TAKE_BACK
    }
    const listeners = (this.#listeners ??= [])
    listeners.push(listener)
    return () => {
      const at = listeners.lastIndexOf(listener)
      if (at !== -1) listeners.splice(at, 1)
    }
  }

  /** A lifetime that is stopped along with this one, and can be stopped before it. */
  child(): Lifetime {
    const child = new Lifetime(this.isDetached)
    child.#leave = this.onStop((reason) => child.stop(reason))
    return child
  }

  /** Its work is done: no listener hears of it any more, and a parent that goes on holds nothing of it. */
  end(): void {
    this.#listeners = undefined
    this.#leave?.()
  }

  /** A lifetime of its own: the end of a session and of the gateway reach it once it is registered in `InFlight`. */
  detach(): Lifetime {
    return new Lifetime(true)
  }

  /** Stops another lifetime along with this one, until that is taken back. */
  adopt(orphan: Lifetime): () => void {
    return this.onStop((reason) => orphan.stop(reason))
  }
}
