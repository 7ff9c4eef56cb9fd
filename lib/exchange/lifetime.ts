/** The lifetime of an exchange and the one way to stop it, with listeners that run last in, first out. */
import type { GatewayError } from '../errors.ts'

export type OnStop = (reason: GatewayError) => void

const NOTHING_TO_REMOVE = (): void => {}

/**
 * `end()` marks the work as done and calls no listener; `stop()` ends it early, with a reason. Listeners run in reverse
 * order of registration, as a stack unwinds: the relay answers the client before the upstream connection is released.
 * An AbortController is not used because creating one costs more than the gateway's own work on a request.
 */
export class Lifetime {
  /** Whether it outlives the client's request and so does not stop when the client's access expires. */
  readonly isDetached: boolean
  /** Whether it never ends by itself, like a listening stream: a closing gateway does not wait for it. */
  endless = false
  #stopped: GatewayError | undefined
  /** Removes this lifetime's listener from its parent. */
  #unsubscribe: (() => void) | undefined
  #listeners: OnStop[] | undefined

  constructor(isDetached = false) {
    this.isDetached = isDetached
  }

  /** The reason it was stopped; `undefined` if it was not. */
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

  /** Calls back at most once, immediately if already stopped. Returns a function that removes the listener. */
  onStop(listener: OnStop): () => void {
    if (this.#stopped) {
      listener(this.#stopped)
      return NOTHING_TO_REMOVE
    }
    const listeners = (this.#listeners ??= [])
    listeners.push(listener)
    return () => {
      // Most listeners are removed in the reverse order in which they were added.
      if (listeners.at(-1) === listener) return void listeners.pop()
      const at = listeners.lastIndexOf(listener)
      if (at !== -1) listeners.splice(at, 1)
    }
  }

  /** Creates a lifetime that stops when this one stops, and can be stopped earlier. */
  child(): Lifetime {
    const child = new Lifetime(this.isDetached)
    child.#unsubscribe = this.onStop((reason) => child.stop(reason))
    return child
  }

  /** Marks the work as done: drops all listeners, and the references that it and its parent hold to each other. */
  end(): void {
    // Whoever keeps a function that removes a listener keeps the array.
    if (this.#listeners) this.#listeners.length = 0
    this.#listeners = undefined
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
  }

  /** Creates an independent lifetime. Register it in `InFlight` so that the end of the session or gateway stops it. */
  detach(): Lifetime {
    return new Lifetime(true)
  }

  /** Stops another lifetime when this one stops. Returns a function that undoes this. */
  adopt(orphan: Lifetime): () => void {
    return this.onStop((reason) => orphan.stop(reason))
  }
}

/** Settles like the promise, or rejects as soon as the lifetime is stopped. */
export function unlessStopped<T>(life: Lifetime, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const off = life.onStop(reject)
    promise.then(resolve, reject).finally(off)
  })
}
